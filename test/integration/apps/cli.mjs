// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A command-line program: blocks for so many seconds, in turns of a second at
// most, says which threads it has, and exits with 7. Usage: cli.mjs SECONDS

import { readFileSync, readdirSync } from 'node:fs';

const end = performance.now() + Number(process.argv[2]) * 1000;
const word = new Int32Array(new SharedArrayBuffer(4));

function turn() {
  const left = end - performance.now();
  if (left > 0) {
    Atomics.wait(word, 0, 0, Math.min(left, 1000));
    setImmediate(turn);
    return;
  }
  const task = '/proc/self/task';
  const names = readdirSync(task).map((tid) => readFileSync(`${task}/${tid}/comm`, 'utf8').trim());
  console.log(names.sort().join(' '));
  process.exitCode = 7;
}

turn();
