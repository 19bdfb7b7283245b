// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What a program may be doing when it is forked, each again and again in small
// portions. None of it ends.

import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { spawn } from 'node:child_process';
import { pbkdf2, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs';
import { Session } from 'node:inspector';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { gzip } from 'node:zlib';

// Objects planted before a snapshot.
export const RING = 100;

const require = createRequire(import.meta.url);
const forever = (ms, work) => setInterval(work, ms);
let count = 0;

// ---- memory

function objects() {
  const old = [];
  forever(2, () => {
    const all = [];
    for (let i = 0; i < 100; i++) all.push({ i, text: `${i} of ${count++}`, list: [i, `${i}`], map: new Map([[i, {}]]), at: new Date() });
    old[count % 97] = all;
    const rope = all.map((x) => x.text).join('') + count;
    globalThis.last = { rope, part: rope.slice(10, -10), symbol: Symbol(rope), big: BigInt(count) ** 20n };
    globalThis.last[`property_${count % 5000}`] = new Set(all);
  });
}

function buffers() {
  const old = [];
  forever(3, () => {
    for (let i = 0; i < 10; i++) {
      old[count++ % 101] = [
        Buffer.alloc(1 + count * 7919 % 50_000, 1), Buffer.from(`small ${count}`), new ArrayBuffer(count * 31 % 100_000),
        new SharedArrayBuffer(1000), new ArrayBuffer(8, { maxByteLength: 100_000 }).slice(0),
      ];
    }
    const moved = structuredClone(new ArrayBuffer(5000), { transfer: [] });
    moved.transfer(100);
  });
}

function weak() {
  const registry = new FinalizationRegistry(() => { count++; });
  const refs = [];
  const map = new WeakMap();
  forever(3, () => {
    for (let i = 0; i < 100; i++) {
      const target = { i, self: new Array(20).fill(i) };
      map.set(target, { target });
      registry.register(target, i, target);
      refs[count++ % 1001] = new WeakRef(target);
    }
  });
}

// Native objects with finalizers, of Node-API and of V8 alone.
function native() {
  const { make } = require(`${process.env.ADDONS}/weak.node`);
  const { wrap } = require(`${process.env.ADDONS}/finalize.node`);
  const old = [];
  forever(3, () => {
    for (let i = 0; i < 20; i++) old[count++ % 997] = [make(0), wrap(1000)];
  });
}

// ---- code

// (module (memory (export "m") 1 100) (func (export "f") (param i32) (result i32) ...)): sums i..1
const WASM = [
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f,
  3, 2, 1, 0,
  5, 4, 1, 1, 1, 100,
  7, 9, 2, 1, 0x6d, 2, 0, 1, 0x66, 0, 0,
  10, 30, 1, 28, 1, 1, 0x7f, 3, 0x40, 0x20, 0, 0x20, 1, 0x6a, 0x21, 1, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x41, 0,
  0x4a, 0x0d, 0, 0x0b, 0x20, 1, 0x0b,
];

// Each module is another one, by a section of its own.
function wasmBytes() {
  const name = `${count++}`.padStart(10, '0');
  return Uint8Array.from([...WASM, 0, 13, 2, 0x76, 0x67, ...Buffer.from(name)]);
}

function wasm() {
  const old = [];
  const use = ({ exports }) => {
    exports.m.grow(1 + count % 20);
    exports.f(20_000);
    old[count % 50] = exports;
  };
  forever(5, () => {
    use(new WebAssembly.Instance(new WebAssembly.Module(wasmBytes())));
    WebAssembly.instantiate(wasmBytes()).then(({ instance }) => use(instance));
    old[count % 50] = new WebAssembly.Memory({ initial: 1, maximum: 50, shared: true });
  });
}

function jit() {
  forever(3, () => {
    const f = new Function('x', `let s = 0; const o = { a${count % 3000}: x }; for (let i = 0; i < 3000; i++) s += i * x + o.a${count % 3000}; return s;`);
    for (let i = 0; i < 10; i++) f(i);
    globalThis.lastFunction = f;
    count++;
  });
}

function regexps() {
  forever(3, () => {
    for (let i = 0; i < 5; i++) new RegExp(`(a+|b|x${count++}){2,}[^${i}]`, 'g').exec(`aab${'ab'.repeat(500)}`);
  });
}

function imports() {
  forever(50, () => {
    import(`data:text/javascript,export default () => ${count++};`).then((m) => m.default());
  });
}

// ---- threads and processes

const CHILD = new URL('./fork-app.mjs', import.meta.url);

// Always two, which come and go.
function workers() {
  const start = () => {
    const worker = new Worker(CHILD, {
      workerData: { ms: 100 + count++ * 97 % 900, works: ['objects', 'buffers', 'wasm', 'jit'] },
      resourceLimits: count % 3 ? {} : { maxOldGenerationSizeMb: 64 },
    });
    worker.on('exit', start);
    worker.postMessage(new ArrayBuffer(10_000), []);
    if (count % 5 === 0) setTimeout(() => worker.terminate(), 200);
  };
  start();
  start();
}

function pool() {
  forever(5, () => {
    readFile(process.execPath.replace(/node$/, '../LICENSE'), () => {});
    stat('/', () => {});
    pbkdf2('secret', `${count++}`, 500, 64, 'sha256', () => {});
    randomBytes(1000, () => {});
    gzip(Buffer.alloc(20_000, count), () => {});
  });
}

function processes() {
  let running = 0;
  forever(100, () => {
    if (running > 2) return;
    running++;
    const child = spawn('cat', ['/proc/self/status'], { stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout.resume();
    child.on('close', () => running--);
  });
}

// ---- those who look on

function inspector() {
  const session = new Session();
  session.connect();
  for (const domain of ['Runtime', 'Debugger', 'Profiler', 'HeapProfiler']) session.post(`${domain}.enable`);
  session.post('HeapProfiler.startSampling');
  forever(200, () => {
    session.post('Profiler.start');
    setTimeout(() => session.post('Profiler.stop', () => {}), 100);
    session.post('Runtime.evaluate', { expression: `({ a: ${count++} })` }, () => {});
  });
}

// As DevTools' "allocations on timeline" does.
function tracking() {
  const session = new Session();
  session.connect();
  session.post('HeapProfiler.enable');
  session.post('HeapProfiler.startTrackingHeapObjects', { trackAllocations: true });
}

function hooks() {
  createHook({ init() { count++; }, destroy() { count--; } }).enable();
  const storage = new AsyncLocalStorage();
  forever(3, () => {
    storage.run({ count }, async () => {
      for (let i = 0; i < 20; i++) await { i };
      storage.getStore();
    });
  });
}

function timers() {
  forever(5, () => {
    for (let i = 0; i < 50; i++) setTimeout(() => { count++; }, i);
    for (let i = 0; i < 50; i++) clearTimeout(setTimeout(() => {}, 1000));
  });
}

function collections() {
  forever(40, () => globalThis.gc({ type: count++ % 4 ? 'minor' : 'major', execution: count % 3 ? 'sync' : 'async' }));
}

export const works = {
  objects, buffers, weak, native, wasm, jit, regexps, imports, workers, pool, processes, inspector, tracking, hooks,
  timers, collections,
};
