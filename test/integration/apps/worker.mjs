// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// An idle main thread and a Worker that serves and is blocked. Prints
// "ready PORT"; a line on the worker's port ends the Worker.

import http from 'node:http';
import { Worker, isMainThread, parentPort, threadId } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { blockForever, guiltyHandler } from './block.mjs';

function guiltyWorker() {
  guiltyHandler();
}

// A name that the heap of this thread alone holds.
globalThis[`only in thread ${threadId}`] = {};

if (isMainThread) {
  const worker = new Worker(fileURLToPath(import.meta.url), { name: 'shop' });
  worker.on('message', (port) => console.log(`ready ${port}`));
  worker.on('exit', (code) => console.log(`worker ended ${code}`));
  // The main thread serves too, and ends the Worker when asked.
  const server = http.createServer((request, response) => {
    if (request.url === '/terminate') worker.terminate();
    response.end('main\n');
  });
  server.listen(0, '127.0.0.1', () => console.log(`main ${server.address().port}`));
} else {
  const server = http.createServer((_, response) => response.end('worker\n'));
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
  blockForever(guiltyWorker);
}
