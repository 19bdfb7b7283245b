// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A server that keeps something of each request; in a Worker too with WORKER. It
// hunts what its argument says, and prints what came of it.

import http from 'node:http';
import { isMainThread, Worker } from 'node:worker_threads';
import vigil from 'node:vigil';

const previews = new Map();
const bounded = [];
let requests = 0;
const server = http.createServer((request, response) => {
  requests++;
  if (process.env.LEAK !== 'no')
    previews.set(`${request.url}${requests}`, { lines: Array.from({ length: 20 }, (_, i) => `line ${i} of ${requests}`) });
  bounded.push({ requests });
  if (bounded.length > 100) bounded.shift();
  response.end('ok');
});

const agent = new http.Agent({ keepAlive: true });
const get = () => new Promise((resolve, reject) => {
  http.get({ port: server.address().port, path: '/x', agent }, (response) => {
    response.resume().on('end', resolve);
  }).on('error', reject);
});
const turn = (ms) => new Promise((done) => setTimeout(done, ms));
async function work() {
  for (let i = 0; i < 300; i++) await get();
}

async function hunt() {
  switch (process.argv[2]) {
    case 'work':
      return vigil.leakHunt({ work });
    case 'requests': {
      const found = vigil.leakHunt({ requests: 300 });
      let done = false;
      found.finally(() => { done = true; }).catch(() => {});
      // Not all the time: the child has the lowest priority.
      while (!done) await get().then(() => turn(5));
      return found;
    }
    case 'time': {
      const found = vigil.leakHunt({ everyMs: 700 });
      let done = false;
      found.finally(() => { done = true; }).catch(() => {});
      while (!done) await get().then(() => turn(5));
      return found;
    }
    case 'clock':
      // VIGIL_LEAK finds it by itself; the test ends this.
      for (;;) await get().then(() => turn(5));
  }
}

if (process.env.WORKER && isMainThread) {
  new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
} else {
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  await work();
  const found = await hunt().catch(({ code, message }) => ({ code, message }));
  console.log(JSON.stringify({ requests, ...found }));
  process.exit(0);
}
