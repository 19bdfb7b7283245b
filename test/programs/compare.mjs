// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Runs each case with both binaries, one after the other, and prints a table. A
// case passes when it ends with 0 with both, and both print the same.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';

const [folder, kind, ...chosen] = process.argv.slice(2);
const cases = path.join(folder, 'cases', kind);
const binaries = {
  stock: path.join(process.env.VIGIL_STOCK, 'bin/node'),
  ours: process.env.VIGIL_OURS,
};
const npm = path.join(process.env.VIGIL_PACKAGE, 'lib/node_modules/npm/bin/npm-cli.js');

// Nothing of this process or of npm's settings but where the packages are.
function environment(scratch) {
  const env = {};
  for (const name of ['PATH', 'HOME', 'LANG', 'USER', 'SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS']) {
    if (process.env[name]) env[name] = process.env[name];
  }
  return { ...env, TZ: 'UTC', TMPDIR: scratch, NPM_CLI: npm };
}

function run(bin, file) {
  const scratch = mkdtempSync(path.join(folder, 'tmp-'));
  const start = performance.now();
  const { status, signal, stdout, stderr, error } = spawnSync(bin, [file], {
    cwd: folder, env: environment(scratch), encoding: 'utf8', timeout: 300_000,
    killSignal: 'SIGKILL', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'pipe'],
  });
  const seconds = (performance.now() - start) / 1000;
  rmSync(scratch, { recursive: true, force: true });
  // Vigil speaks only when something is wrong, and here nothing should be.
  const lines = stderr.split('\n').filter((line) => line.startsWith('vigil:'));
  return { how: error?.code ?? signal ?? status, stdout, stderr, lines, seconds };
}

function version(name) {
  const file = path.join(folder, 'node_modules', name, 'package.json');
  return existsSync(file) ? JSON.parse(readFileSync(file)).version : '';
}

const names = readdirSync(cases).filter((name) => name.endsWith('.mjs'))
  .map((name) => name.replace('.mjs', '')).filter((name) => !chosen.length || chosen.includes(name));
let failed = 0;
console.log(`${'program'.padEnd(20)} ${'version'.padEnd(10)} ${'stock'.padEnd(12)} ${'ours'.padEnd(12)} output`);
for (const name of names) {
  const file = path.join(cases, `${name}.mjs`);
  const results = Object.fromEntries(Object.entries(binaries).map(([side, bin]) => [side, run(bin, file)]));
  const { stock, ours } = results;
  const same = stock.stdout === ours.stdout;
  const good = stock.how === 0 && ours.how === 0 && same && stock.stdout !== '' && !ours.lines.length;
  const cell = ({ how, seconds }) => `${how === 0 ? 'ok' : how} ${seconds.toFixed(1)} s`.padEnd(12);
  // '+' stands for the '/' of a scoped name.
  console.log(`${name.padEnd(20)} ${version(name.replace('+', '/')).padEnd(10)} ${cell(stock)} ${cell(ours)} ${same ? 'the same' : 'ANOTHER'}`);
  if (good) continue;
  failed++;
  for (const [side, { how, stdout, stderr }] of Object.entries(results)) {
    if (how !== 0 || !same || !stdout || side === 'ours') {
      console.log(`--- ${name}, ${side}:\n${stdout.slice(-3000)}${stderr.slice(-3000)}`);
    }
  }
}
console.log(`${names.length - failed} passed, ${failed} failed`);
if (!names.length) console.log(`no such case: ${chosen.join(' ')}`);
process.exitCode = failed || !names.length ? 1 : 0;
