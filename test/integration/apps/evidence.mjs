// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Makes what the loaders are tested with, of things that are known: a busy
// function with its callers, one that allocates, and instances of a class.
// Run with --cpu-prof. Usage: evidence.mjs FOLDER

import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import path from 'node:path';
import { writeHeapSnapshot } from 'node:v8';
import { guiltySpin } from './block.mjs';

class KnownThing {
  constructor(i) { this.i = i; }
}
const kept = Array.from({ length: 1234 }, (_, i) => new KnownThing(i));

let eaten = [];
function hungry() {
  for (let i = 0; i < 50_000; i++) eaten.push({ i, next: i + 1 });
}

function middle() { guiltySpin(100); }
function outer() { middle(); }

const folder = process.argv[2];
const session = new Session();
session.connect();
await session.post('HeapProfiler.startSampling', { samplingInterval: 8192 });
hungry();
const { profile } = await session.post('HeapProfiler.stopSampling');
writeFileSync(path.join(folder, 'good.heapprofile'), JSON.stringify(profile));
session.disconnect();
// The snapshot is in the CPU profile, too, and has to be short.
eaten = null;

for (let i = 0; i < 20; i++) {
  outer();
  await new Promise((done) => setTimeout(done, 10));
}
writeHeapSnapshot(path.join(folder, 'good.heapsnapshot'));
