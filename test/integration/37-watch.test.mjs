// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The watch thread: looks once a second, hardly ever wakes an idle process, and
// neither it nor a loop can block the other.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { App, MINUTE, stockNode } from './helpers.mjs';
import { inside, within } from './31-native.mjs';

// Voluntary context switches of all threads: each is the end of a wake-up.
function switches(pid) {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).map((tid) => Number(
    /^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`${tasks}/${tid}/status`, 'utf8'))[1]))
    .reduce((x, y) => x + y);
}

describe('the watch thread', { concurrency: 3 }, () => {
  test('adds at most two wake-ups a second to an idle process', async (t) => {
    const server = ['-e', `require('node:net').createServer().listen(0, '127.0.0.1', () => console.log('ready'))`];
    const ours = new App(t, server);
    const stock = new App(t, server, { bin: stockNode });
    for (const it of [ours, stock]) await it.line(/^ready/m);
    // All that can happen beside it adds to the count: the least is the truth.
    const least = new Map([[ours, Infinity], [stock, Infinity]]);
    const seconds = 5;
    for (let i = 0; i < 5; i++) {
      const before = [ours, stock].map((it) => switches(it.pid));
      const begin = performance.now();
      await new Promise((done) => setTimeout(done, seconds * 1000));
      for (const [k, it] of [ours, stock].entries()) {
        const rate = (switches(it.pid) - before[k]) / (performance.now() - begin) * 1000;
        least.set(it, Math.min(least.get(it), rate));
      }
    }
    const added = least.get(ours) - least.get(stock);
    t.diagnostic(`${least.get(ours).toFixed(2)} a second, the official binary ${least.get(stock).toFixed(2)}`);
    assert.ok(added <= 2, `${added} added`);
    assert.ok(added > 0.5, 'it does look, about once a second');
  });

  test('looks once a second', async (t) => {
    const it = await inside(t, `
      vigil.lag();
      await until(() => vigil.lag(1000).loops[0].windowMs > 0);
      // The end of the newest slice, as it moves on.
      const ends = [];
      const begin = now();
      while (now() - begin < 8000) {
        const at = now();
        const end = at - vigil.lag(1000).loops[0].ageMs;
        if (now() - at < 1 && !(end - ends.at(-1) < 50)) ends.push(end);
        await sleep(20);
      }
      return { ends, took: now() - begin };
    `);
    // A timer that repeats is never early, and does not catch up.
    within(it.ends.length, 3, it.took / 1000 + 2, 'looks');
    const gaps = it.ends.slice(1).map((end, i) => end - it.ends[i]);
    assert.ok(gaps.every((gap) => gap > 900), `${gaps}`);
  });

  test('a loop that is blocked for a minute does not block it', { timeout: 4 * MINUTE }, async (t) => {
    const it = await inside(t, `
      const source = \`
        const vigil = require('node:vigil');
        const { workerData, parentPort } = require('node:worker_threads');
        const word = new Int32Array(workerData);
        const seen = [];
        const timer = setInterval(() => {
          const open = () => vigil.snapshot().loops[0].sinceStart.openMs;
          const openMs = open();
          const pick = ({ windowMs, ageMs, maxMs, busyMs }) => ({ windowMs, ageMs, maxMs, busyMs });
          const [short, long] = [1000, 600_000].map((ms) => vigil.lag(ms).loops[0]);
          if (Atomics.load(word, 0) === 1)
            seen.push({ openMs, laterMs: open(), short: pick(short), long: pick(long) });
          if (openMs < 60_500) return;
          Atomics.store(word, 0, 2);
          Atomics.notify(word, 0);
          clearInterval(timer);
          // The main thread has to turn once more.
          setTimeout(() => parentPort.postMessage(seen), 3000);
        }, 250);
      \`;
      const shared = new SharedArrayBuffer(4);
      const word = new Int32Array(shared);
      vigil.lag();
      const worker = new Worker(source, { eval: true, workerData: shared });
      await until(() => vigil.lag(1000).loops.filter((l) => l.kind !== 'other' && l.filled).length === 2);
      const begin = now();
      Atomics.store(word, 0, 1);
      const how = Atomics.wait(word, 0, 1, 200_000);
      const took = now() - begin;
      const seen = await new Promise((done) => worker.once('message', done));
      // The watch thread may have had to wait for the processor.
      await until(() => vigil.lag(600_000).loops[0].maxMs >= took);
      const [after] = vigil.lag(600_000).loops;
      return { how, took, seen, after, longest: main().sinceStart.longestMs };
    `, { ms: 4 * MINUTE });
    assert.equal(it.how, 'ok');
    assert.ok(it.took >= 60_000 && it.longest >= it.took);
    const seen = it.seen.filter(({ openMs }) => openMs > 3000 && openMs < 60_500);
    // The Worker's own loop may have had to wait for the processor; the watch
    // thread looked all the time. An open period fills each short window...
    assert.ok(seen.length >= 60, `${seen.length}`);
    const late = seen.filter(({ short }) => short.ageMs > 2500);
    assert.ok(late.length <= seen.length / 10, JSON.stringify(late.slice(0, 3)));
    for (const { openMs, laterMs, short, long } of seen) {
      within(short.maxMs, short.windowMs * 0.999, short.windowMs, 'open period in a short window');
      // ...and grows in the long one, to what it was at the last look, which may
      // have come after the first call.
      within(long.maxMs, openMs - long.ageMs - 50, laterMs, 'open period');
      assert.ok(long.busyMs >= long.maxMs);
    }
    within(it.after.maxMs, it.took, it.longest * 1.032 + 1, 'the whole period');
  });
});
