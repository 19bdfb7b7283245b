// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The program whose heap is forked: a server that does, all the time, what its
// arguments say, and takes one snapshot after the other. Writes a line of JSON
// for each. Before each it plants a ring of RING objects that only this one has.
//
//   fork-app.mjs SNAPSHOTS KEEP_MB WORK...    ADDONS=folder for `native`

import http from 'node:http';
import vigil from 'node:vigil';
import { isMainThread, workerData } from 'node:worker_threads';
import { RING, works } from './fork-works.mjs';

class Planted {
  constructor(label) { this.label = label; }
}

function plant(name) {
  // Not a template: that is a node for each part.
  const ring = Array.from({ length: RING }, (_, i) => new Planted([name, i].join('-')));
  ring.forEach((one, i) => { one.next = ring[(i + 1) % RING]; });
  globalThis[name] = ring[0];
}

// Lives on, as a service's state does.
function keep(mb) {
  const kept = [];
  for (let i = 0; i < mb * 6000; i++) kept.push({ i, text: `kept ${i}`, list: [i, -i] });
  return kept;
}

const main = () => vigil.snapshot().loops.find((l) => l.kind === 'main').sinceStart;

async function take(snapshots) {
  for (let n = 1; n <= snapshots; n++) {
    const name = `planted_${n}_${Math.random().toString(36).slice(2)}`;
    plant(name);
    const self = main().selfMs;
    const began = performance.now();
    let line = { n, name };
    try {
      const it = await vigil.capture({ heap: true, cpu: false, before: false });
      const { directory, heapSnapshot, noHeapSnapshot, files } = it;
      Object.assign(line, { directory, noHeapSnapshot, file: files.find(({ name }) => name.startsWith('heap-'))?.name }, heapSnapshot);
    } catch (error) {
      line.error = `${error.code} ${error.message}`;
    }
    const { rss } = process.memoryUsage();
    delete globalThis[name];
    Object.assign(line, { selfMs: main().selfMs - self, wholeMs: performance.now() - began, rss });
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

if (isMainThread) {
  const [snapshots, mb, ...names] = process.argv.slice(2);
  globalThis.kept = keep(Number(mb));
  const server = http.createServer((request, response) => {
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  server.listen(0, '127.0.0.1', async () => {
    process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
    for (const name of names) works[name]();
    await take(Number(snapshots));
    process.exit(0);
  });
} else {
  for (const name of workerData.works) works[name]();
  setTimeout(() => process.exit(), workerData.ms);
}
