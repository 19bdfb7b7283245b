// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A server whose load can be switched: GET /load?ms=N blocks the loop for N ms
// again and again, with 50 ms between; GET /calm ends that. GET /once?ms=N
// blocks once, GET /spin?ms=N in JavaScript; GET /lag?ms=N is the lag p99 of that
// time, if it has been measured for so long. Prints "ready PORT". Usage: moody.mjs [MS]: begins with that load.

import http from 'node:http';
import vigil from 'node:vigil';
import { guiltyHandler } from './block.mjs';

let timer;

function load(ms) {
  clearInterval(timer);
  timer = ms === 0 ? undefined : setInterval(guiltyHandler, 50, ms);
}

function guiltyLoop(ms) {
  let n = 0;
  for (const end = performance.now() + ms; performance.now() < end;) n++;
  return n;
}

function lag(ms) {
  const { filled, p99Ms } = vigil.lag(ms).loops[0];
  return filled ? String(p99Ms) : 'unknown';
}

const server = http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  const ms = Number(searchParams.get('ms'));
  response.end(pathname === '/lag' ? lag(ms) : 'ok\n');
  if (pathname === '/load') load(ms);
  if (pathname === '/calm') load(0);
  if (pathname === '/once') setTimeout(guiltyHandler, 20, ms);
  if (pathname === '/spin') setTimeout(guiltyLoop, 20, ms);
  if (pathname === '/exit') setTimeout(() => process.exit(3), 20);
});
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`));
load(Number(process.argv[2] ?? 0));
