// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// How long the start and the stop of a CPU profile take. Prints one line of
// JSON. Arguments: "heap", and how many objects to fill it with; or "functions",
// and how many to make; "capture" has Vigil capture, in as many functions.

'use strict';

const { Session } = require('node:inspector');
const vm = require('node:vm');

const [what, text] = process.argv.slice(2);
const n = Number(text);

// Small loops with feedback, so that they get optimised.
function makeFunctions() {
  let source = '[';
  for (let i = 0; i < n; i++)
    source += `function f${i}(x) { let s = 0; for (let k = 0; k < 3; k++) s += x * k + ${i}; return s | 0; },`;
  const functions = vm.runInThisContext(`${source}]`, { filename: 'functions.js' });
  for (let round = 0; round < 30; round++)
    for (let i = 0; i < n; i++) functions[i](i);
  return functions;
}

function makeHeap() {
  const objects = [];
  for (let i = 0; i < n; i++) objects.push({ i, s: `x${i}`, k: [i] });
  return objects;
}

function inspect() {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  const starts = [];
  const stops = [];
  for (let i = 0; i < 5; i++) {
    const t0 = performance.now();
    session.post('Profiler.start');
    const t1 = performance.now();
    session.post('Profiler.stop', () => {});
    starts.push(t1 - t0);
    stops.push(performance.now() - t1);
  }
  return { starts, stops };
}

async function capture(functions) {
  const { capture } = require('node:vigil');
  const starts = [];
  const stops = [];
  let i = 0;
  const load = setInterval(() => {
    for (const end = performance.now() + 8; performance.now() < end;)
      for (let k = 0; k < 500; k++) functions[i = (i + 1) % n](k);
  }, 10);
  // The first ones are while the recorder gets to know the code.
  for (let k = 0; k < 4; k++) {
    const { startMs, stopMs } = await capture({ cpu: true, cpuProfileMs: 10_000 });
    starts.push(startMs);
    stops.push(stopMs);
  }
  clearInterval(load);
  return { starts, stops };
}

(async () => {
  const kept = what === 'heap' ? makeHeap() : makeFunctions();
  const times = what === 'capture' ? await capture(kept) : inspect();
  const heapMB = Math.round(process.memoryUsage().heapUsed / 1e6);
  console.log(JSON.stringify({ heapMB, ...times }));
})();
