// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Compares the retained sizes of a heap snapshot's nodes, one a line in a file
// as retained.c prints them, with those that the code of Chrome DevTools finds
// (test/loaders). Prints how many are the same, and the first that are not.
//
//   node test/leak/devtools.mjs SNAPSHOT RETAINED

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const folder = execFileSync(path.join(here, '../loaders/fetch.sh'), { encoding: 'utf8' }).trim();
const { HeapSnapshotWorker } = await import(pathToFileURL(path.join(folder, 'devtools.mjs')));
const { HeapSnapshotLoader, HeapSnapshot, HeapSnapshotWorkerDispatcher } = HeapSnapshotWorker;

const [snapshot, sizes] = process.argv.slice(2);
const ours = readFileSync(sizes, 'utf8').trimEnd().split('\n');

console.error = () => {};  // It says which nodes nothing retains.
const dispatcher = new HeapSnapshotWorkerDispatcher.HeapSnapshotWorkerDispatcher(() => {});
const loader = new HeapSnapshotLoader.HeapSnapshotLoader(dispatcher);
const text = readFileSync(snapshot, 'utf8');
for (let at = 0; at < text.length; at += 2 ** 20) loader.write(text.slice(at, at + 2 ** 20));
loader.close();
const { port1, port2 } = new MessageChannel();
new HeapSnapshot.SecondaryInitManager(port2);
const model = await loader.buildSnapshot(port1);
port1.close();
port2.close();

const node = model.rootNode();
let same = 0, left = 0;
const different = [];
for (let i = 0; i < model.nodeCount; i++) {
  node.nodeIndex = i * model.nodeFieldCount;
  // DevTools adds what these have to whoever alone holds them.
  if (['array', 'hidden'].includes(node.type()) || ours[i] === '-') left++;
  else if (Number(ours[i]) === node.retainedSize()) same++;
  else if (different.push({ i, type: node.type(), name: node.name().slice(0, 50), ours: ours[i], theirs: node.retainedSize() }) > 20) break;
}
console.log(JSON.stringify({ nodes: model.nodeCount, listed: ours.length, same, left, different }));
