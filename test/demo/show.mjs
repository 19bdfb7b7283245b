// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Prints what an incident holds: its files, the functions that took the most
// time, the size of the heap. Usage: show.mjs FOLDER

import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

const folder = process.argv[2];
const read = (name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
const files = readdirSync(folder).sort();

console.log(folder);
for (const name of files) {
  const { mode, size } = statSync(path.join(folder, name));
  console.log(`  ${(mode & 0o777).toString(8)} ${String(size).padStart(10)}  ${name}`);
}

const profileName = files.find((name) => name.endsWith('.cpuprofile'));
if (profileName) {
  const { nodes, samples, timeDeltas, startTime, endTime } = read(profileName);
  const frames = new Map(nodes.map(({ id, callFrame: f }) =>
    [id, f.url ? `${f.functionName || '(anonymous)'} ${path.basename(f.url)}:${f.lineNumber + 1}`
      : f.functionName]));
  const self = new Map();
  samples.forEach((id, i) => {
    const key = frames.get(id);
    self.set(key, (self.get(key) ?? 0) + timeDeltas[i]);
  });
  const total = timeDeltas.reduce((a, b) => a + b, 0);
  console.log(`\nCPU profile, ${((endTime - startTime) / 1e6).toFixed(1)} s; most self time:`);
  for (const [name, us] of [...self].sort((a, b) => b[1] - a[1]).slice(0, 6)) {
    console.log(`  ${(us / total * 100).toFixed(1).padStart(5)} %  ${name}`);
  }
}

const heapName = files.find((name) => name.endsWith('.heapsnapshot'));
if (heapName) {
  const { snapshot, nodes } = read(heapName);
  const step = snapshot.meta.node_fields.length;
  const size = snapshot.meta.node_fields.indexOf('self_size');
  let bytes = 0;
  for (let i = size; i < nodes.length; i += step) bytes += nodes[i];
  console.log(`\nHeap snapshot: ${snapshot.node_count} objects, ` +
              `${(bytes / 2 ** 20).toFixed(1)} MiB, ${snapshot.edge_count} references`);
}
