// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What the cases share. A case prints facts that are the same in every run; the
// two binaries must print the same. It ends by itself, with exit code 0.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';

export const modules = path.resolve(import.meta.dirname, '../node_modules');

// A folder of its own, with these files in it and the packages in reach.
export function folder(files = {}) {
  const dir = mkdtempSync(path.join(path.resolve(import.meta.dirname, '..'), 'case-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(dir, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, typeof text === 'string' ? text : JSON.stringify(text, null, 2));
  }
  return dir;
}

// The file of a package's command.
export function command(name, bin = name) {
  const dir = path.join(modules, name);
  const { bin: bins } = JSON.parse(readFileSync(path.join(dir, 'package.json')));
  return path.join(dir, typeof bins === 'string' ? bins : bins[bin]);
}

const environment = (extra) => ({
  ...process.env, NO_COLOR: '1', CI: '1', NEXT_TELEMETRY_DISABLED: '1', ...extra,
});

// Runs a command of a package with the binary under test.
export function tool(file, args, { cwd, env = {}, code = 0 } = {}) {
  const out = spawnSync(process.execPath, [file, ...args], {
    cwd, env: environment(env), encoding: 'utf8', maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (out.status !== code) {
    throw new Error(`${path.basename(file)} ended with ${out.signal ?? out.status}:\n${out.stdout}${out.stderr}`);
  }
  return out;
}

// A server of a package; resolves with what `re` matched in its output.
export async function server(file, args, re, { cwd, env = {} } = {}) {
  const child = spawn(process.execPath, [file, ...args], {
    cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'],
  });
  process.on('exit', () => child.kill('SIGKILL'));
  let said = '';
  const match = await new Promise((resolve, reject) => {
    const look = (chunk) => {
      said += chunk;
      const match = re.exec(said);
      if (match) resolve(match);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.on('exit', (code, signal) => reject(new Error(`ended with ${signal ?? code}: ${said}`)));
  });
  child.removeAllListeners('exit');
  const stop = () => new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(signal ?? code));
    child.kill('SIGTERM');
  });
  return { match, stop, child };
}

// A port that was free a moment ago.
export function freePort() {
  return new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

export const until = async (probe, ms = 60_000) => {
  for (const deadline = Date.now() + ms; ;) {
    try {
      const value = await probe();
      if (value) return value;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms`);
    await new Promise((done) => setTimeout(done, 50));
  }
};

