// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The figures of real loops against the truth: lag against arrivals at random
// instants over the busy periods that an add-on recorded, turns and counts and
// active time against what Node has of them.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { addons, inside, noAddons, within } from './31-native.mjs';

let ADDONS;

before(() => { if (!noAddons) ADDONS = addons('blocks.c'); });

const MS = 1e6;

// The parts of [begin, end] pairs of ns that lie between `from` and `to`.
function clip(flat, from, to) {
  const parts = [];
  for (let i = 0; i < flat.length; i += 2) {
    const begin = Math.max(flat[i], from);
    const end = Math.min(flat[i + 1], to);
    if (end > begin) parts.push([begin, end]);
  }
  return parts;
}

// What design.md defines, from the periods themselves.
function truth(parts, from, to) {
  const T = to - from;
  const d = parts.map(([begin, end]) => end - begin);
  const exceed = (x) => d.reduce((sum, len) => sum + Math.max(0, len - x), 0) / T;
  const quantile = (q) => {
    let [low, high] = [0, Math.max(0, ...d)];
    while (high - low > 1) {
      const x = (low + high) / 2;
      if (exceed(x) <= 1 - q) high = x; else low = x;
    }
    return exceed(0) <= 1 - q ? 0 : high / MS;
  };
  return { exceed, quantile, meanMs: d.reduce((sum, len) => sum + len * len, 0) / (2 * T) / MS,
           maxMs: Math.max(0, ...d) / MS, busyMs: d.reduce((sum, len) => sum + len, 0) / MS };
}

// The same from 200,000 arrivals, which is how it feels: each waits for the rest
// of the period that it falls into.
function arrivals(parts, from, to) {
  const waits = Array.from({ length: 200_000 }, () => from + Math.random() * (to - from)).sort((a, b) => a - b);
  let i = 0;
  for (const [k, at] of waits.entries()) {
    while (i < parts.length && parts[i][1] <= at) i++;
    waits[k] = i < parts.length && parts[i][0] <= at ? parts[i][1] - at : 0;
  }
  waits.sort((a, b) => a - b);
  return { quantile: (q) => waits[Math.floor(q * waits.length)] / MS,
           meanMs: waits.reduce((sum, w) => sum + w, 0) / waits.length / MS };
}

const LOADS = {
  'few long blocks': '() => [300 + 100 * Math.random(), 700]',
  'many short blocks': '() => [1 + 4 * Math.random(), 5]',
  'exponential blocks': '() => [-Math.log(Math.random()) * 15, 20]',
  'two kinds of blocks': '() => Math.random() < 0.05 ? [150, 10] : [3, 10]',
  'hardly a pause': '() => [60 * Math.random(), 1]',
};

// Blocks and pauses as `load` says, and what vigil and the add-on have of it.
const RECORD = (load) => `
  const { watchPeriods, periods, sleep: block } = native('blocks');
  watchPeriods();
  vigil.lag();
  await until(() => vigil.lag(1000).loops[0].filled);
  const begin = now();
  const before = vigil.histogram().loops[0];
  const next = ${load};
  while (now() - begin < 6000) {
    const [ms, pause] = next();
    block(ms);
    await sleep(pause);
  }
  // When the window ended must be known well.
  let lag, at;
  do { at = now(); [lag] = vigil.lag(5000).loops; } while (now() - at > 1);
  const { loops: [after], scheme } = vigil.histogram();
  return { lag, at, before, after, scheme, begin, periods: [...periods()] };
`;

describe('lag is that of arrivals at random instants', { skip: noAddons, concurrency: 2 }, () => {
  for (const [name, load] of Object.entries(LOADS)) {
    test(name, async (t) => {
      // The recorded periods lie inside of the real ones. The kernel may take
      // the processor away between two clock reads; then this is tried again.
      let wrong;
      for (let i = 0; i < 4; i++) {
        const it = await inside(t, RECORD(load), { env: { ADDONS } });
        const to = (it.at - it.lag.ageMs) * MS;
        const from = to - it.lag.windowMs * MS;
        const parts = clip(it.periods, from, to);
        const exact = truth(parts, from, to);
        const felt = arrivals(parts, from, to);
        const { lag } = it;
        assert.ok(lag.filled && lag.windowMs >= 4750 && parts.length >= 3, JSON.stringify(lag));

        // [what, vigil's, the truth, the error allowed]. A bucket is 1/32 wide,
        // and `at` some 100 us early.
        const slack = (x) => x / 32 + 0.5;
        const checks = [
          ...[['p50Ms', 0.5], ['p90Ms', 0.9], ['p99Ms', 0.99], ['p999Ms', 0.999]].map(
            ([key, q]) => [key, lag[key], exact.quantile(q), slack(exact.quantile(q))]),
          ['meanMs', lag.meanMs, exact.meanMs, exact.meanMs / 100 + 0.05],
          ['maxMs', lag.maxMs, exact.maxMs, slack(exact.maxMs)],
          ['busyMs', lag.busyMs, exact.busyMs, 0.01 * exact.busyMs + 0.1 * parts.length],
        ];
        for (const q of [0.5, 0.9, 0.99]) {
          const real = exact.quantile(q);
          within(felt.quantile(q), real * 0.9 - 1, real * 1.1 + 1, 'the truth, as arrivals feel it');
        }
        within(felt.meanMs, exact.meanMs * 0.9, exact.meanMs * 1.1, 'its mean');

        // P(W > x) from histogram(), as docs/api.md has it, since `before`.
        const T = (it.after.observedMs - it.before.observedMs) * MS;
        const had = new Map(it.before.busy.map((b) => [b.lowerNs, b]));
        const buckets = it.after.busy.map(({ lowerNs, count, sumNs }) => ({
          lowerNs, count: count - (had.get(lowerNs)?.count ?? 0), sumNs: sumNs - (had.get(lowerNs)?.sumNs ?? 0),
        }));
        const since = truth(clip(it.periods, it.begin * MS, it.at * MS), it.begin * MS, it.at * MS);
        for (const { lowerNs } of buckets.filter((b) => b.lowerNs > MS)) {
          const ours = buckets.filter((b) => b.lowerNs >= lowerNs)
            .reduce((sum, b) => sum + b.sumNs - b.count * lowerNs, 0) / T;
          const real = since.exceed(lowerNs);
          checks.push([`P(W > ${lowerNs})`, ours, real, real * 0.01 + 1e-3]);
        }

        wrong = checks.filter(([, ours, real, error]) => Math.abs(ours - real) > error);
        if (wrong.length === 0) return;
      }
      assert.fail(`wrong each time: ${JSON.stringify(wrong)}`);
    });
  }

  test('of every window that fits, from one second on', async (t) => {
    const it = await inside(t, `
      const { watchPeriods, periods, sleep: block } = native('blocks');
      watchPeriods();
      vigil.lag();
      await until(() => vigil.lag(1000).loops[0].filled);
      const end = now() + 8000;
      while (now() < end) { block(20 + 100 * Math.random()); await sleep(50); }
      const windows = [1000, 1500, 2000, 3000, 5000, 8000, 60_000, 600_000];
      const lags = windows.map((ms) => {
        let lag, at;
        do { at = now(); [lag] = vigil.lag(ms).loops; } while (now() - at > 5);
        return [ms, at, lag];
      });
      return { lags, periods: [...periods()] };
    `, { env: { ADDONS } });
    for (const [ms, at, lag] of it.lags) {
      const to = (at - lag.ageMs) * MS;
      const exact = truth(clip(it.periods, to - lag.windowMs * MS, to), to - lag.windowMs * MS, to);
      assert.equal(lag.filled, lag.windowMs >= 0.95 * ms, `${ms}`);
      // The slices that come nearest: half a slice beside it at most.
      if (ms <= 5000) within(lag.windowMs, ms - 1000, ms + 1000, 'window');
      else assert.ok(lag.windowMs >= 7000 && lag.windowMs < 20_000, `${lag.windowMs}`);
      for (const [key, real] of [['p50Ms', exact.quantile(0.5)], ['p99Ms', exact.quantile(0.99)],
                                 ['maxMs', exact.maxMs], ['meanMs', exact.meanMs], ['busyMs', exact.busyMs]]) {
        assert.ok(lag[key] >= real * 0.96 - 10, `${key} of ${ms}: ${lag[key]} < ${real}`);
      }
      within(lag.busyMs, 0, lag.windowMs, 'busyMs');
      assert.ok(lag.p50Ms <= lag.p90Ms && lag.p90Ms <= lag.p99Ms && lag.p99Ms <= lag.p999Ms && lag.p999Ms <= lag.maxMs);
    }
  });
});

describe('beside it', { concurrency: 2 }, () => {
  for (const where of ['the main thread', 'a Worker']) {
    test(`active time, iterations and events are Node's, on ${where}`, async (t) => {
      const body = `
        const { performance } = require('node:perf_hooks');
        const fs = require('node:fs/promises');
        const mine = () => vigil.snapshot().loops.find((l) => l.threadId === threadId).sinceStart;
        const look = () => ({ uv: performance.nodeTiming.uvMetricsInfo,
                              elu: performance.eventLoopUtilization(), it: mine() });
        while (mine().startupMs === null) await sleep(20);
        const a = look();
        for (let i = 0; i < 60; i++) { block(20); await sleep(30); await fs.stat('/'); }
        const b = look();
        return { a, b };
      `;
      const { a, b } = await inside(t, where === 'a Worker' ? `
        const body = ${JSON.stringify(body)};
        const worker = new Worker(\`
          const vigil = require('node:vigil');
          const { threadId, parentPort } = require('node:worker_threads');
          const word = new Int32Array(new SharedArrayBuffer(4));
          const block = (ms) => Atomics.wait(word, 0, 0, ms);
          const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
          (async () => { \${body} })().then((value) => parentPort.postMessage(value));
        \`, { eval: true });
        return new Promise((done) => worker.once('message', done));` : body);
      const iterations = b.it.iterations - a.it.iterations;
      assert.equal(iterations, b.uv.loopCount - a.uv.loopCount);
      assert.ok(iterations >= 60);
      // Polls count what the kernel returned; libuv leaves out what is not asked for.
      const events = b.it.events - a.it.events;
      within(events, b.uv.events - a.uv.events, b.uv.events - a.uv.events + 10, 'events');
      assert.ok(events >= 60 && b.it.polls - a.it.polls >= iterations);
      const elu = (b.elu.active - a.elu.active) / (b.elu.active - a.elu.active + b.elu.idle - a.elu.idle);
      const ours = (b.it.activeMs - a.it.activeMs) / (b.it.observedMs - a.it.observedMs);
      within(ours, elu - 0.01, elu + 0.01, 'utilization');
      assert.ok(ours >= 0.2, `${ours}`);
    });
  }

  test('active and idle time of a loop that is never idle, and of one that is', async (t) => {
    for (const [body, least, most] of [
      ['const end = now() + 1500; while (now() < end) { block(50); await new Promise(setImmediate); }', 0.98, 1],
      ['await sleep(1500);', 0, 0.1],
    ]) {
      const { elu, ours } = await inside(t, `
        const { performance } = require('node:perf_hooks');
        await started();
        const [e0, v0] = [performance.eventLoopUtilization(), main().sinceStart];
        ${body}
        const [e, v] = [performance.eventLoopUtilization(e0), main().sinceStart];
        return { elu: e.utilization, ours: (v.activeMs - v0.activeMs) / (v.observedMs - v0.observedMs) };
      `);
      within(ours, least, most, 'utilization');
      within(ours, elu - 0.01, elu + 0.01, 'utilization');
    }
  });

  test('turns are those of monitorEventLoopDelay per iteration', async (t) => {
    const it = await inside(t, `
      const { monitorEventLoopDelay } = require('node:perf_hooks');
      await started();
      const h = monitorEventLoopDelay({ samplePerIteration: true });
      const before = main().turns;
      h.enable();
      await sleep(20);
      const begin = now();
      for (let i = 0; i < 40; i++) { block(10 + 5 * i); await sleep(2); }
      await sleep(20);
      const wall = now() - begin;
      h.disable();
      const after = main().turns;
      return { n: h.count, max: h.max / 1e6, mean: h.mean / 1e6, before, after, wall };
    `);
    const { before, after } = it;
    const count = after.count - before.count;
    const totalMs = after.totalMs - before.totalMs;
    within(count, 40, it.n + 10, 'count');
    const blocked = Array.from({ length: 40 }, (_, i) => 10 + 5 * i).reduce((x, y) => x + y);
    within(totalMs, blocked, it.wall, 'total');
    within(after.maxMs, 205, it.wall, 'max');
    // Theirs begins at the check phase, without I/O callbacks, and has the
    // first of Node's two polls in it, where the kernel may have taken its time.
    within(after.maxMs, it.max - 50, it.max + 50, 'max');
    within(totalMs, it.mean * it.n * 0.9, it.mean * it.n * 1.1, 'total');
  });

  test('is empty of an idle loop: nothing wakes it to be measured', async (t) => {
    const it = await inside(t, `
      vigil.lag();
      await until(() => vigil.lag(1000).loops[0].filled);
      await sleep(100);
      const a = main().sinceStart;
      await sleep(3000);
      const b = main().sinceStart;
      return [b.iterations - a.iterations, b.polls - a.polls];
    `);
    // The timer alone, and Node's own extra poll.
    assert.ok(it[0] <= 5 && it[1] <= 12, `${it}`);
  });
});
