// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Garbage collection, beside what Node itself tells of it.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { addons, inside, noAddons, within } from './31-native.mjs';

let ADDONS;

before(() => { if (!noAddons) ADDONS = addons('weak.cc'); });

// `seen`: for each V8 kind, the PerformanceObserver's count and total. It is
// told in a later turn, so `both()` waits until nothing is outstanding.
const OBSERVE = `
  const { PerformanceObserver } = require('node:perf_hooks');
  const NAMES = { 1: 'scavenge', 2: 'minor-mark-sweep', 4: 'mark-sweep-compact',
                  8: 'incremental-marking', 16: 'weak-callbacks' };
  const seen = Object.fromEntries(Object.values(NAMES).map((k) => [k, { count: 0, totalMs: 0 }]));
  new PerformanceObserver((list) => {
    for (const { detail, duration } of list.getEntries()) {
      seen[NAMES[detail.kind]].count++;
      seen[NAMES[detail.kind]].totalMs += duration;
    }
  }).observe({ entryTypes: ['gc'] });
  const kinds = () => Object.fromEntries(main().gc.kinds.map(({ kind, ...rest }) => [kind, rest]));
  const counts = (k) => JSON.stringify(Object.values(NAMES).map((name) => k[name].count - begin[name].count));
  const begin = kinds();
  const both = () => until(async () => {
    await sleep(10);
    const ours = kinds();
    await sleep(50);
    return counts(ours) === JSON.stringify(Object.values(NAMES).map((name) => seen[name].count)) &&
      { ours, theirs: seen, begin, all: main() };
  });
  let keep = [];
  const litter = (n) => { for (let i = 0; i < n; i++) keep[i % 1000] = { i, s: [i] }; };
`;

function compare({ ours, theirs, begin }, kind, least) {
  const count = ours[kind].count - begin[kind].count;
  const totalMs = ours[kind].totalMs - begin[kind].totalMs;
  assert.equal(count, theirs[kind].count, kind);
  assert.ok(count >= least, `${kind}: ${count}`);
  // The two clocks are read one after the other. Node forgets when a pause
  // began if there is another one inside of it.
  assert.ok(totalMs >= theirs[kind].totalMs * 0.9 - 1, `${kind}: ${totalMs} and ${theirs[kind].totalMs}`);
  const { maxMs, p50Ms, p99Ms } = ours[kind];
  assert.ok(p50Ms > 0 && p50Ms <= p99Ms && p99Ms <= maxMs && maxMs <= ours[kind].totalMs, JSON.stringify(ours[kind]));
}

describe('garbage collection', { concurrency: 2 }, () => {
  test('by kind: scavenges, full and incremental collections', async (t) => {
    const it = await inside(t, `${OBSERVE}
      litter(3e6);
      // A heap that grows makes V8 mark in steps.
      const grown = [];
      await until(() => {
        for (let i = 0; i < 20000; i++) grown.push(new Array(20).fill(i));
        return kinds()['incremental-marking'].count > 0;
      });
      grown.length = 0;
      gc();
      gc();
      return both();
    `, { flags: ['--expose-gc', '--max-old-space-size=2000'] });
    compare(it, 'scavenge', 3);
    compare(it, 'mark-sweep-compact', 2);
    compare(it, 'incremental-marking', 1);
    assert.ok(it.all.sinceStart.longestMs >= it.ours['mark-sweep-compact'].maxMs);
    const sum = Object.values(it.ours).reduce((x, { totalMs }) => x + totalMs, 0);
    const most = Math.max(...Object.values(it.ours).map(({ totalMs }) => totalMs));
    // One inside of another counts once in the total, and in both kinds.
    within(it.all.gc.totalMs, most, sum + 100, 'total');
  });

  test('by kind: minor mark-sweep', async (t) => {
    const it = await inside(t, `${OBSERVE}
      litter(3e6);
      return both();
    `, { flags: ['--minor-ms'] });
    compare(it, 'minor-mark-sweep', 1);
    assert.equal(it.ours.scavenge.count, 0);
  });

  test('by kind: weak callbacks', { skip: noAddons }, async (t) => {
    const it = await inside(t, `${OBSERVE}
      const { make, freedMs } = native('weak');
      await started();
      for (let i = 0; i < 20; i++) make(10);
      for (let i = 0; i < 5; i++) { gc(); await sleep(1); }
      return { freed: freedMs(), all: main() };
    `, { flags: ['--expose-gc'], env: { ADDONS } });
    assert.ok(it.freed >= 100, `freed ${it.freed}`);
    const weak = it.all.gc.kinds.find((k) => k.kind === 'weak-callbacks');
    assert.ok(it.all.sinceStart.activeMs >= it.freed, `active ${it.all.sinceStart.activeMs}`);
    assert.ok(weak.count >= 1 && weak.totalMs >= it.freed, JSON.stringify(it.all.gc));
    assert.ok(it.all.gc.totalMs >= it.freed);
  });

  test('the share of a window', async (t) => {
    const it = await inside(t, `${OBSERVE}
      vigil.lag();
      await until(() => vigil.lag(1000).loops[0].filled);
      const old = Array.from({ length: 300_000 }, (_, i) => ({ i, s: [i] }));
      const before = main().gc.totalMs;
      const start = now();
      while (now() - start < 1500) { gc(); litter(1000); }
      const busy = now() - start;
      const after = main().gc.totalMs;
      // All of it lies in the window, once the next second has been looked at.
      const ms = performance.now();
      const lag = await until(() => {
        const [l] = vigil.lag(60_000).loops;
        return l.ageMs < performance.now() - ms && l;
      });
      const [short] = vigil.lag(600_000).loops;
      return { collected: after - before, busy, lag, short, now: main().gc.totalMs, old: old.length };
    `, { flags: ['--expose-gc'] });
    assert.ok(it.collected >= 0.5 * it.busy, `${it.collected} of ${it.busy}`);
    within(it.lag.gcMs, it.collected, Math.min(it.lag.busyMs, it.now), 'gcMs');
    within(it.short.gcMs, it.collected, it.now, 'gcMs');
    assert.ok(it.lag.maxMs >= it.busy);
  });

  test('heap and external memory after a full one', async (t) => {
    const it = await inside(t, `
      const first = main().gc;
      const objects = Array.from({ length: 400_000 }, (_, i) => ({ i, s: [i] }));
      const buffers = Array.from({ length: 50 }, () => new ArrayBuffer(1 << 20));
      gc();
      const full = { gc: main().gc, memory: process.memoryUsage() };
      const kept = objects.length + buffers.length;
      objects.length = buffers.length = 0;
      // V8 counts the memory of buffers until it has swept them: in the
      // background, and so for the next one at the latest.
      for (let i = 0; i < 3; i++) { gc(); await sleep(20); }
      // What is allocated later does not change it.
      const more = Array.from({ length: 100_000 }, (_, i) => [i]);
      return { first, full, less: main().gc, kept, more: more.length };
    `, { flags: ['--expose-gc'] });
    const { gc, memory } = it.full;
    const MB = 1 << 20;
    within(gc.heapUsedAfterBytes, memory.heapUsed - 4 * MB, memory.heapUsed + 4 * MB, 'heap used');
    assert.ok(gc.heapUsedAfterBytes >= 20 * MB);
    within(gc.externalAfterBytes, 50 * MB, memory.external + 4 * MB, 'external');
    assert.ok(gc.heapUsedAfterBytes - it.less.heapUsedAfterBytes >= 15 * MB, JSON.stringify(it.less));
    assert.ok(gc.externalAfterBytes - it.less.externalAfterBytes >= 45 * MB, JSON.stringify(it.less));
  });

  test('in a Worker is its own', async (t) => {
    const it = await inside(t, `
      const worker = new Worker(\`
        for (let i = 0; i < 5; i++) gc();
        setInterval(() => {}, 1000);
        require('node:worker_threads').parentPort.postMessage(0);
      \`, { eval: true });
      const full = (l) => l.gc.kinds.find((k) => k.kind === 'mark-sweep-compact').count;
      const before = full(main());
      await new Promise((done) => worker.once('message', done));
      const { loops } = vigil.snapshot();
      await worker.terminate();
      return { worker: full(loops.find((l) => l.kind === 'worker')), main: full(main()) - before };
    `, { flags: ['--expose-gc'] });
    assert.ok(it.worker >= 5);
    assert.ok(it.main < 5);
  });
});
