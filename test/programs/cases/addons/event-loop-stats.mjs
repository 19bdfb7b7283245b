// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// nan, and prepare and check handles of its own on the loop; built here.

import { createRequire } from 'node:module';

const { sense } = createRequire(import.meta.url)('event-loop-stats');
sense();
await new Promise((done) => setTimeout(done, 20));
for (const end = performance.now() + 60; performance.now() < end;);
await new Promise((done) => setImmediate(() => setImmediate(done)));
const { max, num } = sense();
console.log(Object.keys(sense()).sort().join(), max >= 50, num > 0);
