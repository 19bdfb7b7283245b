// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A project is installed by npm, pnpm and yarn, all run by the binary under
// test, and then runs.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { command, folder, modules, tool } from '../lib.mjs';

const pinned = (name) => JSON.parse(readFileSync(path.join(modules, name, 'package.json'))).version;
const project = {
  name: 'project', version: '1.0.0', private: true,
  scripts: { start: 'node index.js', postinstall: 'node -e "require(\'fs\').writeFileSync(\'after\', process.version)"' },
  dependencies: Object.fromEntries(['express', 'ws', 'pino'].map((name) => [name, pinned(name)])),
};
const index = "console.log(typeof require('express'), typeof require('ws').Server, typeof require('pino'), process.execPath === process.env.WANTED);";
const npm = process.env.NPM_CLI;
const env = { PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`, WANTED: process.execPath };

for (const [name, file, install, start] of [
  ['npm', npm, ['install', '--no-audit', '--no-fund'], ['start', '--silent']],
  ['npm ci', npm, ['ci', '--no-audit', '--no-fund'], ['start', '--silent']],
  ['pnpm', command('pnpm'), ['install', '--no-frozen-lockfile'], ['--silent', 'start']],
  ['yarn', command('yarn'), ['install', '--no-lockfile', '--non-interactive'], ['--silent', 'start']],
]) {
  const dir = folder({ 'package.json': project, 'index.js': index });
  const own = { ...env, XDG_DATA_HOME: path.join(dir, '.data'), XDG_CACHE_HOME: path.join(dir, '.cache'), YARN_CACHE_FOLDER: path.join(dir, '.yarn'), npm_config_cache: path.join(dir, '.npm'), npm_config_store_dir: path.join(dir, '.pnpm') };
  if (name === 'npm ci') tool(npm, ['install', '--package-lock-only'], { cwd: dir, env: own });
  tool(file, install, { cwd: dir, env: own });
  console.log(name, existsSync(path.join(dir, 'after')), tool(file, start, { cwd: dir, env: own }).stdout.trim());
}
