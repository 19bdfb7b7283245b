// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Starting processes and waiting for what they do. Nothing here sleeps and
// hopes: every wait is for a condition, with a deadline that only a broken
// build reaches.

import { spawn, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));

export const top = path.resolve(here, '../..');
export const node = process.env.VIGIL_NODE
  ? path.resolve(process.env.VIGIL_NODE) : process.execPath;
// The folder that holds bin/, include/ and lib/ of the package under test.
export const prefix = path.resolve(path.dirname(node), '..');
export const stock = process.env.VIGIL_STOCK ||
  execFileSync(path.join(top, 'test/stock.sh'), { encoding: 'utf8' }).trim();
export const stockNode = path.join(stock, 'bin/node');
export const packaged = existsSync(path.join(prefix, 'lib/node_modules/npm')) &&
  existsSync(path.join(prefix, 'include/node/node.h'))
  ? false : `${node} has no package around it`;  // A reason to skip, or false.

export const app = (name) => path.join(here, 'apps', name);

export const MINUTE = 60_000;

// Everything as short as it can be, but one incident per process and folder.
export const FAST = {
  VIGIL_WINDOW: '1s',
  VIGIL_FOR: '1s',
  VIGIL_GRACE: '0s',
  VIGIL_CPU_PROFILE: '1s',
};

// The environment of this process without what would reach into the one under
// test.
export function environment(extra = {}) {
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (/^(VIGIL|NODE_|npm_)/.test(name)) delete env[name];
  }
  for (const [name, value] of Object.entries(extra)) {
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  return env;
}

export function temporary(t) {
  const dir = mkdtempSync(path.join(tmpdir(), 'vigil-test-'));
  // A helper of a process that has ended may still be at work in it.
  t.after(() => rmSync(dir, { recursive: true, force: true, maxRetries: 10 }));
  return dir;
}

// Calls `probe` until it gives something true, and returns that.
export async function until(probe, what, ms = MINUTE) {
  const deadline = performance.now() + ms;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (performance.now() > deadline) {
      throw new Error(`no ${typeof what === 'function' ? what() : what} within ${ms} ms`);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

// A process under test. Killed at the end of the test at the latest.
export class App {
  constructor(t, args, { env = {}, bin = node, cwd, stdio = ['ignore', 'pipe', 'pipe'] } = {}) {
    this.stdout = '';
    this.stderr = '';
    this.exited = false;
    this.child = spawn(bin, args, { env: environment(env), cwd, stdio });
    this.pid = this.child.pid;
    for (const name of ['stdout', 'stderr']) {
      this.child[name]?.setEncoding('utf8').on('data', (s) => { this[name] += s; });
    }
    // 'close' comes after all output.
    this.end = once(this.child, 'close').then(([code, signal]) => {
      this.exited = true;
      Object.assign(this, { code, signal });
      return { code, signal, stdout: this.stdout, stderr: this.stderr };
    });
    this.end.catch(() => {});
    t.after(async () => {
      if (!this.exited) this.child.kill('SIGKILL');
      await this.end.catch(() => {});
    });
  }

  // The end of the process, within `ms`.
  async exit(ms = MINUTE) {
    await until(() => this.exited, () => `end of the process; it said ${this.said()}`, ms);
    return this.end;
  }

  // A match of `re` in what the process wrote, once it is there.
  line(re, name = 'stdout', ms = MINUTE) {
    return until(() => {
      const match = re.exec(this[name]);
      if (!match && this.exited) {
        throw new Error(`ended before it wrote ${re}; it said ${this.said()}`);
      }
      return match;
    }, () => `${re} on ${name}; it said ${this.said()}`, ms);
  }

  said() {
    const { stdout, stderr, code, signal } = this;
    return JSON.stringify({ code, signal, stdout, stderr }).slice(0, 4000);
  }

  // What Vigil said, without the prefix.
  get vigil() {
    return this.stderr.split('\n').filter((s) => s.startsWith('vigil: '))
      .map((s) => s.slice('vigil: '.length));
  }

  kill(signal) {
    this.child.kill(signal);
  }

  threads() {
    return threads(this.pid);
  }
}

// Names of the threads of a process, sorted. Empty when it has ended.
export function threads(pid) {
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks)
      .map((tid) => readFileSync(`${tasks}/${tid}/comm`, 'utf8').trim()).sort();
  } catch {
    return [];
  }
}

export const isWatching = (names) => names.some((name) => name.startsWith('vigil'));

// Runs a script to its end with the given binary.
export async function run(t, args, options) {
  return new App(t, args, options).exit(options?.ms);
}
