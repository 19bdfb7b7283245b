// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A blocked server that takes CPU profiles of itself, one after the other, and
// a heap snapshot. SIGTERM prints the profiles as JSON and ends it.

import { Session } from 'node:inspector/promises';
import net from 'node:net';
import { blockForever, guiltySpin } from './block.mjs';

const profiles = [];
let ending = false;
process.on('SIGTERM', () => { ending = true; });

const server = net.createServer().listen(0, '127.0.0.1', () => console.log('ready'));
blockForever(guiltySpin);

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('HeapProfiler.enable');
while (!ending) {
  await session.post('Profiler.start');
  await new Promise((done) => setTimeout(done, 1500));
  profiles.push((await session.post('Profiler.stop')).profile);
  if (profiles.length === 1) await session.post('HeapProfiler.takeHeapSnapshot');
}
session.disconnect();
process.stdout.write(`${JSON.stringify(profiles)}\n`, () => {
  server.close();
  process.exit(0);
});
