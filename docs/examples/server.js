// SPDX-License-Identifier: MIT
// What the examples run. As process 1 it has to end by itself when it is told to.
'use strict';

const http = require('node:http');

const server = http.createServer((req, res) => {
  res.end('Hello, world!\n');
}).listen(3000);
process.on('SIGTERM', () => server.close());
