// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Blocks its loop in the ways its arguments say, one after another, and has each
// captured. Prints a line of JSON for each: when it blocked and what the kernel
// says that cost, what followed, and the stalls. Usage: stalls.mjs WAY...

import { execSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import vigil from 'node:vigil';

const ENOUGH_MS = 1000;
const { ADDONS, FIFO } = process.env;
const addon = (name) => createRequire(import.meta.url)(path.join(ADDONS, `${name}.node`));
const now = () => performance.now();
const turn = (ms) => new Promise((done) => setTimeout(done, ms));

// ---- what blocks; each runs in a turn of its own

function guiltyWarmUp(ms = ENOUGH_MS) {
  const end = now() + ms;
  while (now() < end);
}

function guiltyLoop() {
  const end = now() + ENOUGH_MS;
  let sum = 0;
  // Reading the clock is native code.
  while (now() < end) for (let i = 0; i < 1e6; i++) sum += i % 7;
  return sum;
}

function guiltyRegex(text) {
  return /^(a+)+$/.test(text);
}

function guiltyParse(text) {
  const end = now() + ENOUGH_MS;
  while (now() < end) JSON.parse(text);
}

function guiltyCommand() {
  execSync('sleep 3');
}

function guiltySpin(blocks) {
  blocks.spin(ENOUGH_MS);
}

function guiltySleep(interrupted) {
  return interrupted.nanosleep(ENOUGH_MS);
}

function guiltyPoll(interrupted) {
  return interrupted.poll(ENOUGH_MS);
}

function guiltySemaphore(interrupted) {
  return interrupted.semaphore(ENOUGH_MS);
}

function guiltyWait() {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ENOUGH_MS);
}

function guiltyRead(fd) {
  return readSync(fd, Buffer.alloc(1));
}

function guiltyCollect() {
  const end = now() + ENOUGH_MS;
  while (now() < end) globalThis.gc();
}

function guiltyShort() {
  guiltyWarmUp(ENOUGH_MS / 10);
}

function guiltyAllocate() {
  const end = now() + ENOUGH_MS;
  const keep = [];
  while (now() < end) for (let i = 0; i < 1000; i++) keep.push({ i, s: [i] });
  return keep.length;
}

// ---- each way: what to do before, in another turn, and then what to block in

const same = (fn) => ({ fn });
const ways = {
  loop: () => same(guiltyLoop),
  // Each letter doubles the time.
  regex: async () => {
    for (let n = 18; ; n++) {
      const text = `${'a'.repeat(n)}!`;
      const begin = now();
      guiltyRegex(text);
      const took = now() - begin;
      await turn(1);
      if (took > ENOUGH_MS / 4) return { fn: guiltyRegex, arg: `${'a'.repeat(n + 2)}!` };
    }
  },
  // 100 MB.
  parse: () => {
    const numbers = Array.from({ length: 1_000_000 }, (_, i) => 1e7 + i);
    const some = JSON.stringify(numbers).slice(1, -1);
    return { fn: guiltyParse, arg: `[${some}${`,${some}`.repeat(10)}]` };
  },
  command: () => same(guiltyCommand),
  spin: () => ({ fn: guiltySpin, arg: addon('blocks') }),
  sleep: () => ({ fn: guiltySleep, arg: addon('interrupted') }),
  poll: () => ({ fn: guiltyPoll, arg: addon('interrupted') }),
  semaphore: () => ({ fn: guiltySemaphore, arg: addon('interrupted') }),
  wait: () => same(guiltyWait),
  read: () => {
    // Both ends, or opening it would block.
    const fd = openSync(FIFO, 'r+');
    spawn('sh', ['-c', `sleep ${2 * ENOUGH_MS / 1000}; echo > "$FIFO"`], { stdio: 'ignore' });
    return { fn: guiltyRead, arg: fd, after: () => closeSync(fd) };
  },
  collect: () => {
    globalThis.kept = Array.from({ length: 1_000_000 }, (_, i) => ({ i, s: [i] }));
    return { fn: guiltyCollect, after: () => { globalThis.kept = null; } };
  },
  allocate: () => same(guiltyAllocate),
  many: async () => {
    for (let i = 0; i < 40; i++) {
      guiltyShort();
      await turn(1);
    }
    return same(guiltyShort);
  },
};

// CPU time of this thread and its wait for a CPU, in ms.
function usage() {
  const [cpu, delay] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
  return { cpu: cpu / 1e6, delay: delay / 1e6 };
}

async function block(way) {
  const { fn, arg, after } = await ways[way]();
  // What that left to do is not ours to measure: on until a turn takes no time.
  for (let before = 0; now() - before > 20;) {
    await turn(100);
    before = now();
    await new Promise((done) => setImmediate(done));
    await new Promise((done) => setImmediate(done));
  }
  const a = usage();
  const wall = Date.now();
  const begin = now();
  const result = fn(arg);
  const took = now() - begin;
  const b = usage();
  await turn(1);
  after?.();
  return { way, name: fn.name, wall, took, result, cpu: b.cpu - a.cpu, delay: b.delay - a.delay };
}

// With what the watch thread has seen itself, and nothing else.
async function capture() {
  const { directory } = await vigil.capture();
  const file = path.join(directory, 'stalls.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null;
}

// The watch thread begins to look some time after the start.
async function warmUp() {
  for (;;) {
    guiltyWarmUp(500);
    await turn(100);
    if (JSON.stringify(await capture())?.includes('guiltyWarmUp')) return;
  }
}

setTimeout(() => process.exit(99), 240_000).unref();
await turn(1);
if (!process.env.COLD) await warmUp();
for (const way of process.argv.slice(2)) {
  const tries = [];
  let it;
  // Not while others have the CPUs: that would be another cause.
  for (let i = 0; i < 5; i++) {
    it = await block(way);
    tries.push({ wall: it.wall, took: it.took });
    if (it.delay < it.took / 4) break;
  }
  const idle = Date.now();
  await turn(800);
  console.log(JSON.stringify({ ...it, tries, idle, ...await capture() }));
}
process.exit(0);
