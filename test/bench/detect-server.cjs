// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The server that detect.mjs makes slow: `/` is what its users want, `/fault` does
// what the fault is. With DETECT_TOOLS it has the tools that are compared with Vigil,
// and prints what they notice: a line of JSON each. Prints its port first.
//
//   detect-server.cjs FAULT SECONDS

const http = require('node:http');
const fs = require('node:fs');
const crypto = require('node:crypto');
const { execSync } = require('node:child_process');

const [fault, seconds] = process.argv.slice(2);
setTimeout(() => process.exit(), seconds * 1000);
const [kind, text] = fault.split(':');
const amount = Number(text);

let work = 0;
function blockLoop(ms) {
  for (const end = performance.now() + ms; performance.now() < end;)
    for (let k = 0; k < 10_000; k++)
      work = (work * 31 + k) | 0;
}

// As long a line as takes this pattern about that long.
let line = 'aaaaaaaaaaaaaaaa!';
function badRegex() {
  return /^(a+)+$/.test(line);
}
if (kind === 'regex') {
  for (let took = 0; took < amount;) {
    line = `a${line}`;
    const start = performance.now();
    badRegex();
    took = performance.now() - start;
  }
}

// A heap that is nearly full, whose old objects are replaced.
const live = [];
function churn() {
  for (let k = 0; k < amount; k++)
    live[Math.floor(Math.random() * live.length)] = { k, list: [k, k, k], name: `n${k}` };
}
if (kind === 'gc')
  while (process.memoryUsage().heapUsed < 150e6)
    for (let k = 0; k < 10_000; k++)
      live.push({ k, list: [k, k, k], name: `n${k}` });

const faults = {
  block: () => blockLoop(amount),
  gc: churn,
  regex: badRegex,
  exec: function runChild() { execSync(`sleep ${amount / 1000}`); },
  pool: () => crypto.pbkdf2('secret', 'salt', amount, 32, 'sha512', () => {}),
};

// A connection that the server closes at rest may get a request right then.
http.createServer({ keepAliveTimeout: 0 }, (req, res) => {
  if (req.url === '/fault')
    faults[kind]?.();
  else if (kind === 'pool')
    return fs.readFile(__filename, () => res.end('from the disk\n'));
  else if (kind === 'starved')
    blockLoop(amount);
  res.end('hello\n');
}).listen(0, '127.0.0.1', function() {
  console.log(this.address().port);
  if (process.env.DETECT_TOOLS)
    require('./detect-tools.cjs');
});
