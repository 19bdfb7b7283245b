// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// For the tests 51 to 53: heap snapshots, and the child that writes one as it is
// seen from outside.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { App, MINUTE, run, temporary, until } from './helpers.mjs';

// ---- what is in a snapshot

// Nodes as objects would take too long: a function for each field of one, given
// its index in `nodes`, and of an edge, given its index in `edges`.
export function open(snapshot) {
  const { nodes, edges, strings, snapshot: { meta } } = snapshot;
  const nodeFields = meta.node_fields.length;
  const edgeFields = meta.edge_fields.length;
  const field = (name) => meta.node_fields.indexOf(name);
  const [type, name, self, count] = ['type', 'name', 'self_size', 'edge_count'].map(field);
  const typeOf = (n) => meta.node_types[type][nodes[n + type]];
  const nameOf = (n) => strings[nodes[n + name]];
  let first;
  // [name, target] of each edge of a node.
  const edgesOf = (n) => {
    if (first === undefined) {
      first = new Map();
      for (let i = 0, at = 0; i < nodes.length; i += nodeFields) {
        first.set(i, at);
        at += edgeFields * nodes[i + count];
      }
    }
    return Array.from({ length: nodes[n + count] }, (_, i) => {
      const [kind, label, to] = edges.slice(first.get(n) + i * edgeFields, first.get(n) + (i + 1) * edgeFields);
      const numbered = ['element', 'hidden'].includes(meta.edge_types[0][kind]);
      return [numbered ? label : strings[label], to];
    });
  };
  const find = (aType, aName) => {
    const found = [];
    for (let i = 0; i < nodes.length; i += nodeFields) {
      if (typeOf(i) === aType && nameOf(i) === aName) found.push(i);
    }
    return found;
  };
  // By type and name: how many, and their bytes.
  const constructors = () => {
    const sums = new Map();
    for (let i = 0; i < nodes.length; i += nodeFields) {
      const key = `${typeOf(i)} ${nameOf(i)}`;
      const sum = sums.get(key);
      if (sum === undefined) sums.set(key, { count: 1, self: nodes[i + self] });
      else { sum.count++; sum.self += nodes[i + self]; }
    }
    return sums;
  };
  return { typeOf, nameOf, selfOf: (n) => nodes[n + self], edgesOf, find, constructors };
}

export const read = (file) => JSON.parse(readFileSync(file, 'utf8'));

// ---- the child from outside

const text = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    // It ended before, or meanwhile.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(error.code)) return '';
    throw error;
  }
};

// A member of /proc/PID/status, or undefined.
export const status = (pid, key) => new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(text(`/proc/${pid}/status`))?.[1];

// Children of all threads of a process, also those that it has not waited for.
export function children(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .flatMap((tid) => text(`/proc/${pid}/task/${tid}/children`).split(' ').filter(Boolean).map(Number));
  } catch {
    return [];
  }
}

export const gone = (pid) => [undefined, 'Z', 'X'].includes(status(pid, 'State')?.[0]);

// The child of a process that writes a snapshot, once it is all that it will be,
// stopped there. Its filter comes last.
export async function stoppedChild(it) {
  const end = performance.now() + MINUTE;
  for (;;) {
    for (const pid of children(it.pid)) {
      if (status(pid, 'Name') !== 'vigil-heap' || status(pid, 'Seccomp') !== '2') continue;
      process.kill(pid, 'SIGSTOP');
      await until(() => status(pid, 'State')?.[0] !== 'R', 'stop');
      if (!gone(pid)) return pid;
    }
    if (it.exited || performance.now() > end) assert.fail(`no child; it said ${it.said()}`);
    // Not until(): it may not live for long.
    await new Promise((done) => setTimeout(done, 1));
  }
}

// What the descriptors of a process are.
export const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));

// ---- programs that take snapshots

// Only what somebody asks for, and nothing that measures beside it.
export const QUIET = { VIGIL: 'on', VIGIL_CAPTURE: 'heap', VIGIL_LAG_P99_MS: '60000', VIGIL_RECORDER: 'off',
                       VIGIL_STALL_MS: 'off', VIGIL_GC_SHARE: 'off', VIGIL_POOL_WAIT_P99_MS: 'off',
                       VIGIL_OLD_SPACE_SHARE: 'off', VIGIL_REPORT: 'off', VIGIL_SIGNAL: 'SIGUSR2' };

export function start(t, args, { env, ...options } = {}) {
  const dir = path.join(temporary(t), 'vigil');
  const it = new App(t, args, { env: { ...QUIET, VIGIL_DIR: dir, ...env }, ...options });
  it.dir = dir;
  return it;
}

const PRELUDE = `
  const vigil = require('node:vigil');
  const { Worker } = require('node:worker_threads');
  const native = (name) => require(process.env.ADDONS + '/' + name + '.node');
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const capture = () => vigil.capture({ heap: true, cpu: false, before: false });
  setTimeout(() => process.exit(99), 240_000).unref();
`;

export const script = (body) => `${PRELUDE}(async () => { ${body} })().then((value) => {
  if (value !== undefined) process.stdout.write(JSON.stringify(value));
});`;

// Runs the body of an async function with these, and gives what it returns and
// the lines of Vigil. `before`: arguments of another program that runs node.
export async function inside(t, body, { env, flags = [], before = [], ...options } = {}) {
  const dir = path.join(temporary(t), 'vigil');
  const end = await run(t, [...before, ...flags, '-e', script(body)],
                        { env: { ...QUIET, VIGIL_DIR: dir, ...env }, ms: 4 * MINUTE, ...options });
  assert.equal(end.code, 0, JSON.stringify(end));
  const lines = end.stderr.split('\n').filter(Boolean);
  for (const line of lines) assert.match(line, /^vigil: /);
  return { value: JSON.parse(end.stdout), lines, dir };
}
