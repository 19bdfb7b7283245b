// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A server, so that it is watched, with Workers if its argument says how many.
// SIGHUP blocks its loop for as long as the second argument says, in ms, once;
// or, with "again" as the third, each second. Prints "ready PORT", and
// "blocking" before it does. Usage: told.mjs [WORKERS [MS [again]]]

import http from 'node:http';
import { Worker } from 'node:worker_threads';
import { guiltyHandler } from './block.mjs';

const [workers, ms, again] = process.argv.slice(2);

function block() {
  process.stdout.write('blocking\n', () => guiltyHandler(Number(ms)));
  if (again) setInterval(guiltyHandler, 1000, Number(ms));
}

process.on('SIGHUP', () => setImmediate(block));
for (let i = 0; i < Number(workers ?? 0); i++) {
  await new Promise((done) => {
    new Worker('setInterval(() => {}, 100); require("node:worker_threads").parentPort.postMessage(0)',
               { eval: true, name: 'a "quoted"\\ name' }).once('message', done);
  });
}
const server = http.createServer((_, response) => response.end('ok\n'));
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`));
