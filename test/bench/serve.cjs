// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The servers that are measured. Prints its port, and ends by itself.
//
//   serve.cjs hello|json|fastify SECONDS

const http = require('node:http');
const { createRequire } = require('node:module');

const [kind, seconds] = process.argv.slice(2);
setTimeout(() => process.exit(), seconds * 1000);

const rows = Array.from({ length: 20 }, (_, id) => ({ id, name: `row ${id}`, tags: ['a', 'b'], price: id * 1.5 }));
const say = (server) => server.listen(0, '127.0.0.1', () => console.log(server.address().port));

if (kind === 'hello') {
  say(http.createServer((req, res) => res.end('Hello, world!\n')));
} else if (kind === 'json') {
  say(http.createServer((req, res) => {
    const body = JSON.stringify({ url: req.url, rows: JSON.parse(JSON.stringify(rows)) });
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    res.end(body);
  }));
} else {
  const fastify = createRequire(`${process.env.BENCH_FASTIFY}/`)('fastify')();
  fastify.get('/', async () => ({ rows }));
  fastify.listen({ port: 0, host: '127.0.0.1' }).then(() => console.log(fastify.server.address().port));
}
