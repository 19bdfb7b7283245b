// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Calls native functions in a profile that began after they were made. Prints
// the names of those that were seen.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { fileURLToPath } from 'node:url';

const me = fileURLToPath(import.meta.url);
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.setSamplingInterval', { interval: 200 });
await session.post('Profiler.start');
const data = Buffer.alloc(100_000);
for (const end = performance.now() + 2000; performance.now() < end;) {
  readFileSync(me);
  createHash('sha256').update(data).digest();
  createHash('sha256').update('').digest();
  process.memoryUsage();
}
const { profile } = await session.post('Profiler.stop');
console.log(JSON.stringify([...new Set(profile.nodes
  .filter((n) => n.hitCount > 0 && n.callFrame.url === '')
  .map((n) => n.callFrame.functionName))]));
