// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Blocks the loop once, for BLOCK_MS, in the phase that argv names, and prints
// what node:vigil then knows of the main thread.

import { execSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import vigil from 'node:vigil';

const BLOCK_MS = 300;
const [, , phase, fifo] = process.argv;

function block() {
  const end = performance.now() + BLOCK_MS;
  while (performance.now() < end);
}

// The block must be over, and a poll behind it, before it is looked at.
function report() {
  setTimeout(() => setTimeout(() => {
    const { loops, threadPool } = vigil.snapshot();
    console.log(JSON.stringify({ main: loops.find((l) => l.kind === 'main'), threadPool }));
  }, 5), 5);
}

const phases = {
  io() {
    const server = http.createServer((request, response) => {
      block();
      response.end();
      server.close(report);
    }).listen(0, '127.0.0.1', () => {
      http.get({ port: server.address().port, agent: false }, (r) => r.resume());
    });
  },
  timer() { setTimeout(() => { block(); report(); }, 10); },
  immediate() { setTimeout(() => setImmediate(() => { block(); report(); }), 10); },
  nextTick() { setTimeout(() => process.nextTick(() => { block(); report(); }), 10); },
  promise() { setTimeout(() => Promise.resolve().then(() => { block(); report(); }), 10); },
  close() {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      setTimeout(() => server.close(() => { block(); report(); }), 10);
    });
  },
  native() {
    setTimeout(() => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCK_MS);
      report();
    }, 10);
  },
  execSync() { setTimeout(() => { execSync(`sleep ${BLOCK_MS / 1000}`); report(); }, 10); },
  fifo() {
    setTimeout(() => {
      spawn('sh', ['-c', `sleep ${BLOCK_MS / 1000}; echo x > ${fifo}`], { stdio: 'ignore' });
      readFileSync(fifo);
      report();
    }, 10);
  },
  // Before the first poll.
  start() { block(); report(); },
  gc() {
    const keep = Array.from({ length: 300_000 }, (_, i) => ({ i, s: [i] }));
    setTimeout(() => {
      for (let i = 0; i < 3; i++) globalThis.gc();
      keep.length = 1;
      report();
    }, 10);
  },
};

phases[phase]();
