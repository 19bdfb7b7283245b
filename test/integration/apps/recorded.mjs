// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Programs whose recorder is looked at. Each prints one line of JSON at its end.
// Usage: recorded.mjs deep THREADS | workers COUNT | others

import { readFileSync, readdirSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import path from 'node:path';
import { startCpuProfile } from 'node:v8';
import vigil from 'node:vigil';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

const turn = (ms) => new Promise((done) => setTimeout(done, ms));

function guiltyCode(ms) {
  const end = performance.now() + ms;
  let sum = 0;
  while (performance.now() < end) for (let i = 0; i < 1e5; i++) sum += i % 7;
  return sum;
}

// At most 16 wait at a time.
async function captured() {
  for (;;) {
    try {
      return await vigil.capture({ before: true });
    } catch (error) {
      if (error.code !== 'ERR_OPERATION_FAILED') throw error;
      await turn(50);
    }
  }
}

// The profile of the time before, as it is on disk.
async function before() {
  const { directory } = await captured();
  const name = readdirSync(directory).find((file) => file.startsWith('before-'));
  const text = readFileSync(path.join(directory, name), 'utf8');
  return { file: path.join(directory, name), bytes: text.length, profile: JSON.parse(text) };
}

// One that sleeps in a function that nobody else has.
async function worker(id) {
  const name = `guiltyWorker${id}`;
  const fn = new Function(`return { ${name}(word) { Atomics.wait(word, 0, 0, 150); } }.${name};`)();
  const word = new Int32Array(new SharedArrayBuffer(4));
  // Until it is seen, which with many threads may take its time.
  for (let tries = 1; ; tries++) {
    for (let i = 0; i < 10; i++) {
      fn(word);
      await turn(1);
    }
    const { file, profile } = await before();
    const names = profile.nodes.map((n) => n.callFrame.functionName).filter((s) => s.startsWith('guiltyWorker'));
    if (names.length > 0 || tries === 10) return { file, name, names };
  }
}

function workers(count) {
  return Array.from({ length: count }, (_, id) => new Promise((done, failed) => {
    new Worker(new URL(import.meta.url), { workerData: id }).on('message', done).on('error', failed);
  }));
}

// Stacks that have little in common.
const deep = Array.from({ length: 100 }, (_, i) => new Function('fns', 'depth', 'last', `
  return { deep${i}: function deep${i}() {
    return depth === 0 ? last() : fns[Math.random() * fns.length | 0](fns, depth - 1, last);
  } }.deep${i}();`));

function oldest() { guiltyCode(300); }
function newest() { guiltyCode(300); }

const programs = {
  // THREADS idle ones beside the one that is busy.
  async deep(threads) {
    const idle = Array.from({ length: threads }, () => new Worker('setInterval(() => {}, 500)', { eval: true }));
    await Promise.all(idle.map((w) => new Promise((done) => w.once('online', done))));
    await turn(1500);
    const call = (last) => deep[0](deep, 80, last);
    call(oldest);
    for (let i = 0; i < 60; i++) {
      await turn(1);
      call(() => guiltyCode(100));
    }
    await turn(1);
    call(newest);
    return before();
  },

  async workers(count) {
    return Promise.all(workers(count));
  },

  async others() {
    const session = new Session();
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    const handle = startCpuProfile();
    const mine = vigil.capture({ cpu: true, before: true, cpuProfileMs: 2000 });
    for (let i = 0; i < 15; i++) {
      guiltyCode(150);
      await turn(20);
    }
    const inspector = (await session.post('Profiler.stop')).profile;
    const stopped = handle.stop();
    const { directory } = await mine;
    const last = await before();
    return { inspector, v8: typeof stopped === 'string' ? JSON.parse(stopped) : stopped, directory, before: last.profile };
  },
};

setTimeout(() => process.exit(99), 240_000).unref();
if (isMainThread) {
  const [kind, count] = process.argv.slice(2);
  await turn(1);
  const result = await programs[kind](Number(count));
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
} else {
  parentPort.postMessage(await worker(workerData));
}
