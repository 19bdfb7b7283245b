// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A server with a heap of some size, which takes one heap snapshot when it is
// asked to: GET /take answers with one line of JSON when the file is there. The
// longest gap is seen from inside the loop, by a timer every ms, so it has what
// load and the machine add. Prints its port, and ends by itself.
//
//   node fork.js MB SECONDS FILE    FILE: v8.writeHeapSnapshot() of it

'use strict';

const { statSync } = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const v8 = require('node:v8');

const [mb, seconds, file] = process.argv.slice(2);
setTimeout(() => process.exit(), Number(seconds) * 1000).unref();

// What a service holds: objects of some fields, short strings, lists.
const kept = [];
while (process.memoryUsage().heapUsed < Number(mb) * 2 ** 20) {
  kept.push(Array.from({ length: 2000 }, (_, i) => (
    { id: i, name: `name ${kept.length} ${i}`.split('').reverse().join(''), tags: [i, kept.length], at: { x: i, y: -i } })));
}
globalThis.kept = kept;

let last = performance.now();
let longest = 0;
setInterval(() => {
  const now = performance.now();
  longest = Math.max(longest, now - last);
  last = now;
}, 1);

async function take() {
  if (!process.versions.vigil) {
    const began = performance.now();
    v8.writeHeapSnapshot(file);
    const stopMs = performance.now() - began;
    return { stopMs, tookMs: stopMs, fileMb: statSync(file).size / 2 ** 20, ownMb: process.resourceUsage().maxRSS / 2 ** 10 };
  }
  const { heapSnapshot: it, noHeapSnapshot, directory, files } = await require('node:vigil')
    .capture({ heap: true, cpu: false, before: false });
  if (noHeapSnapshot !== null) throw new Error(noHeapSnapshot);
  const { name } = files.find((one) => one.name.startsWith('heap-'));
  return { stopMs: it.restMs + it.forkMs, restMs: it.restMs, forkMs: it.forkMs, tries: it.tries, tookMs: it.childMs,
           ownMb: it.childBytes / 2 ** 20, fileMb: statSync(path.join(directory, name)).size / 2 ** 20 };
}

http.createServer(async (request, response) => {
  if (request.url !== '/take') return response.end('Hello, world!\n');
  const { heapUsed, rss } = process.memoryUsage();
  longest = 0;
  let it;
  try {
    it = await take();
  } catch ({ message }) {
    it = { error: message };
  }
  await new Promise((done) => setTimeout(done, 50));
  response.end(`${JSON.stringify({ heapMb: heapUsed / 2 ** 20, residentMb: rss / 2 ** 20, longestMs: longest, ...it })}\n`);
}).listen(0, '127.0.0.1', function() {
  console.log(this.address().port);
});
