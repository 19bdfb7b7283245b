// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A blocked server that can be told how to end. GET /end?how=exit exits with
// 3, ?how=throw ends by an error; SIGTERM exits with 4, if TERM=yes.

import http from 'node:http';
import { blockForever } from './block.mjs';

if (process.env.TERM === 'yes') process.on('SIGTERM', () => process.exit(4));
process.on('exit', (code) => console.log(`exit ${code}`));

const server = http.createServer((request, response) => {
  response.end('ok\n');
  if (request.url === '/end?how=exit') setImmediate(() => process.exit(3));
  if (request.url === '/end?how=throw') setImmediate(() => { throw new Error('end'); });
  if (request.url === '/end?how=kill') setImmediate(() => process.kill(process.pid, 'SIGKILL'));
});
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`));
blockForever();
