// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The server that is measured. It prints its port, and ends by itself.
//
//   node server.js SECONDS [eld]    eld: with monitorEventLoopDelay() at 10 ms

const http = require('node:http');
const { monitorEventLoopDelay } = require('node:perf_hooks');

const seconds = Number(process.argv[2]);
if (process.argv[3] === 'eld')
  monitorEventLoopDelay({ resolution: 10 }).enable();

setTimeout(() => process.exit(), seconds * 1000);

http.createServer((req, res) => {
  res.end('Hello, world!\n');
}).listen(0, '127.0.0.1', function() {
  console.log(this.address().port);
});
