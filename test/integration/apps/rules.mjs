// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A server with one trouble, the one its argument names. Prints "ready PORT".
// Usage: rules.mjs gc|heap|pool|none [FIFO]; gc and heap need --expose-gc.

import fs from 'node:fs';
import http from 'node:http';
import './block.mjs';

const MB = 2 ** 20;
const kept = [];
const keep = (bytes) => { for (let n = 0; n < bytes; n += 80) kept.push({ n, s: [n] }); };

const troubles = {
  // Hardly anything but collections, on a heap that does not grow.
  gc() {
    keep(10 * MB);
    const turn = () => { globalThis.gc(); setTimeout(turn, 1); };
    turn();
  },
  // A leak that ends before the heap does.
  heap() {
    keep(25 * MB);
    setInterval(() => {
      if (kept.length * 80 < 70 * MB) keep(MB);
      globalThis.gc();
    }, 400);
  },
  // A thread of the pool waits for somebody to open the other end, and what
  // comes after waits for the thread. UV_THREADPOOL_SIZE=1.
  pool() {
    const turn = () => {
      fs.open(process.argv[3], 'r', (_, fd) => fs.close(fd, () => console.log('opened')));
      for (let i = 0; i < 20; i++) fs.stat('/', () => {});
    };
    process.on('SIGHUP', turn);
    turn();
  },
  none() {},
};

const server = http.createServer((_, response) => response.end('ok\n'));
server.listen(0, '127.0.0.1', () => {
  console.log(`ready ${server.address().port}`);
  troubles[process.argv[2]]();
});
