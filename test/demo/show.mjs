// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Prints what an incident holds: its files, the cause, the functions that took
// the most time in it and before it, the size of the heap. Usage: show.mjs FOLDER

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

const find = (form) => files.find((file) => form.test(file));
const manifest = read('incident.json');
console.log(`\nCause: ${manifest.cause.class} (${manifest.cause.text})`);

// The time of a sample goes to the function of the program that is nearest to
// its leaf, or else to the leaf.
function showProfile(what, name, why) {
  if (name === undefined) {
    console.log(`\n${what}: none, ${why}`);
    return;
  }
  const { nodes, samples, timeDeltas, startTime, endTime } = read(name);
  const byId = new Map(nodes.map((n) => [n.id, n]));
  const parents = new Map(nodes.flatMap((n) => (n.children ?? []).map((id) => [id, n.id])));
  const nameOf = (id) => {
    for (let at = id; at !== undefined; at = parents.get(at)) {
      const { functionName, url, lineNumber } = byId.get(at).callFrame;
      if (url && !url.startsWith('node:')) {
        return `${functionName || '(anonymous)'} ${path.basename(url)}:${lineNumber + 1}`;
      }
    }
    return byId.get(id).callFrame.functionName.slice(0, 60);
  };
  const times = new Map();
  samples.forEach((id, i) => {
    const key = nameOf(id);
    times.set(key, (times.get(key) ?? 0) + timeDeltas[i]);
  });
  const total = timeDeltas.reduce((a, b) => a + b, 0);
  console.log(`\n${what}, ${((endTime - startTime) / 1e6).toFixed(1)} s; most time:`);
  for (const [key, us] of [...times].sort((a, b) => b[1] - a[1]).slice(0, 5)) {
    console.log(`  ${(us / total * 100).toFixed(1).padStart(5)} %  ${key}`);
  }
}

showProfile('Recorded before it', find(/^before-.*\.cpuprofile$/), manifest.noProfileBefore);
showProfile('CPU profile', find(/^cpu-.*\.cpuprofile$/), manifest.noCpuProfile);

const heap = find(/\.heapsnapshot$/);
if (heap) {
  const { snapshot, nodes } = read(heap);
  const step = snapshot.meta.node_fields.length;
  const size = snapshot.meta.node_fields.indexOf('self_size');
  let bytes = 0;
  for (let i = size; i < nodes.length; i += step) bytes += nodes[i];
  console.log(`\nHeap snapshot: ${snapshot.node_count} objects, ` +
              `${(bytes / 2 ** 20).toFixed(1)} MiB, ${snapshot.edge_count} references`);
} else {
  console.log(`\nHeap snapshot: none, ${manifest.noHeapSnapshot}`);
}
