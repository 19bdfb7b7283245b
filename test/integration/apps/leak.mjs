// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Keeps more and more until there is no more memory. Usage: leak.mjs HOW:
// `turns`, some in each turn of the loop; `once`, all in one; `worker`, in a
// Worker with resourceLimits, says its error; `asked`, in turns once a capture with a
// profile of a minute is under way; `api`, in turns after Node was asked for a
// snapshot of its own.

import { setTimeout as sleep } from 'node:timers/promises';
import v8 from 'node:v8';
import { Worker, isMainThread } from 'node:worker_threads';

class LeakedThing {
  constructor() { this.payload = new Array(300).fill(7); }
}
const kept = [];

async function leak(inTurns) {
  for (;;) {
    for (let i = 0; i < 200; i++) kept.push(new LeakedThing());
    if (inTurns) await sleep(1);
  }
}

const [how] = process.argv.slice(2);
if (!isMainThread) {
  leak(true);
} else if (how === 'worker') {
  const worker = new Worker(import.meta.filename, { resourceLimits: { maxOldGenerationSizeMb: 32 } });
  worker.on('error', ({ code }) => console.log(code));
  worker.on('exit', (code) => console.log('exit', code));
} else if (how === 'asked') {
  const { default: vigil } = await import('node:vigil');
  vigil.capture({ cpu: true, heap: true, cpuProfileMs: 60_000 });
  await sleep(2000);
  leak(true);
} else {
  if (how === 'api') v8.setHeapSnapshotNearHeapLimit(1);
  leak(how !== 'once');
}
