// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Ways to block a loop, shared by the programs under test.

const word = new Int32Array(new SharedArrayBuffer(4));

// Costs no CPU time, so that many tests can do it at once. The loop cannot
// tell, and neither can a profile: V8 samples by the clock.
export function guiltyHandler(ms = 200) {
  Atomics.wait(word, 0, 0, ms);
}

// Costs CPU time. The time goes to JSON.parse() and not to a loop in here: what
// V8 optimizes while it runs (on-stack replacement) is missing in a profile
// that begins later, in the official binary too.
const text = JSON.stringify(Array.from({ length: 5000 }, (_, i) => ({ i, s: `s${i}` })));

export function guiltySpin(ms = 200) {
  const end = performance.now() + ms;
  while (performance.now() < end) JSON.parse(text);
}

// Blocks four fifths of the time, for good.
export function blockForever(fn = guiltyHandler) {
  setInterval(fn, 50);
}

// No program outlives its test by much, whatever happens.
setTimeout(() => process.exit(99), 240_000).unref();
