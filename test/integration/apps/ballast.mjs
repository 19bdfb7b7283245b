// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Holds about MB megabytes of small objects and serves. GET / says ok; GET /longest
// gives the longest time in ms between two runs of a timer of 1 ms since the last
// request for it; GET /exit?code=N ends it, with "leaving"; GET /worker?MB captures a Worker with so
// much; GET /end ends that Worker. Prints "ready PORT". Usage: ballast.mjs MB

import http from 'node:http';
import { Worker } from 'node:worker_threads';

const BYTES = 1024;  // Of each: 126 small integers and what an array has.
globalThis.ballast = Array.from({ length: Number(process.argv[2]) * 2 ** 20 / BYTES }, () => new Array(124).fill(7));

let last = performance.now();
let longest = 0;
setInterval(() => {
  const now = performance.now();
  longest = Math.max(longest, now - last);
  last = now;
}, 1);

process.on('exit', () => console.log('leaving'));

let worker;
const WORKER = `
  const { workerData } = require('node:worker_threads');
  globalThis.ballast = Array.from({ length: workerData * 1024 }, () => new Array(124).fill(7));
  globalThis.onlyInTheWorker = {};
  require('node:vigil').capture({ heap: true, cpu: false, before: false }).catch(() => {});
  setInterval(() => {}, 1e6);`;

const server = http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  response.end(pathname === '/longest' ? String(longest) : 'ok\n');
  if (pathname === '/longest') longest = 0;
  if (pathname === '/worker') worker = new Worker(WORKER, { eval: true, workerData: Number(searchParams.get('mb')) });
  if (pathname === '/end') worker.terminate().then(() => console.log('worker ended'));
  if (pathname === '/exit') setTimeout(() => process.exit(Number(searchParams.get('code'))), 20);
});
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`));
