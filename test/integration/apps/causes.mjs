// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A server whose loop, or thread pool, is slow for the reason its argument
// names. Prints "ready". Usage: causes.mjs REASON

import { spawn } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';

const BLOCK_MS = 200;
const { ADDONS, FIFO } = process.env;
const addon = (name) => createRequire(import.meta.url)(path.join(ADDONS, `${name}.node`));
const forever = (fn) => setInterval(fn, 50);

function guiltyCode(ms = BLOCK_MS) {
  const end = performance.now() + ms;
  let sum = 0;
  while (performance.now() < end) for (let i = 0; i < 1e5; i++) sum += i % 7;
  return sum;
}

function guiltyWait(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function guiltyCollect(end = performance.now() + BLOCK_MS) {
  while (performance.now() < end) globalThis.gc();
}

// What a sampling allocation profile sees.
function guiltyAllocate(list) {
  for (let i = 0; i < 20_000; i++) list[i] = { i, s: [i] };
}

function guiltySpin(blocks) {
  blocks.spin(BLOCK_MS);
}

function guiltyRead(fd) {
  readSync(fd, Buffer.alloc(1));
}

function guiltyWork() {
  pbkdf2('password', 'salt', 150_000, 64, 'sha512', guiltyWork);
}

// Is stopped by another process for most of the time it is busy.
function stopped(fn) {
  setInterval(() => {
    spawn('sh', ['-c', `sleep 0.3; kill -STOP ${process.pid}; sleep 4; kill -CONT ${process.pid}`]);
    fn(4800);
  }, 2000);
}

const reasons = {
  js: () => forever(() => guiltyCode()),
  gc: () => {
    globalThis.kept = Array.from({ length: 300_000 }, (_, i) => ({ i, s: [i] }));
    const list = [];
    forever(() => {
      guiltyAllocate(list);
      guiltyCollect();
    });
  },
  native: () => {
    const blocks = addon('blocks');
    forever(() => guiltySpin(blocks));
  },
  syscall: () => {
    const fd = openSync(FIFO, 'r+');
    // Ends when nobody reads any more.
    spawn('sh', ['-c', `exec > "$FIFO"; while sleep ${BLOCK_MS / 1000}; do echo; done`]);
    forever(() => guiltyRead(fd));
  },
  threadpool: () => { for (let i = 0; i < 10; i++) guiltyWork(); },
  suspended: () => stopped(guiltyCode),
  'suspended-waiting': () => stopped(guiltyWait),
};

setTimeout(() => process.exit(99), 240_000).unref();
net.createServer().listen(0, '127.0.0.1', () => {
  reasons[process.argv[2]]();
  console.log('ready');
});
