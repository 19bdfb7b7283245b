// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// timeline of incident.json: what a program did, and when it says it did it. What
// every timeline must be is in incident.mjs.

import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, app, temporary } from './helpers.mjs';
import { checkIncident, waitForIncident } from './incident.mjs';

// Rows as objects, with Unix time in ms.
function rows({ timeline, triggered }) {
  const zero = Date.parse(triggered);
  return timeline.atMs.map((at, i) => ({
    from: zero + at, to: zero + at + timeline.spanMs[i],
    ...Object.fromEntries(Object.entries(timeline).map(([key, column]) => [key, column[i]])),
  }));
}

const overlap = (row, { from, to }) => Math.max(0, Math.min(row.to, to) - Math.max(row.from, from));
const sum = (list) => list.reduce((a, b) => a + b, 0);
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
// Two clocks, and `triggered` is in whole ms.
const SLACK = 5;

describe('timeline', { concurrency: 3 }, () => {
  test('blocks, garbage collection and waits in the rows they were in', async (t) => {
    const VIGIL_DIR = path.join(temporary(t), 'vigil');
    const it = new App(t, ['--expose-gc', '--single-threaded-gc', app('seconds.mjs')], {
      env: { VIGIL_DIR, VIGIL_CAPTURE: 'none', VIGIL_LAG_P99_MS: '60000', VIGIL_STALL_TRIGGER: 'off', VIGIL_GC_SHARE: 'off',
             VIGIL_POOL_WAIT_P99_MS: 'off', VIGIL_SIGNAL: 'SIGUSR2', UV_THREADPOOL_SIZE: '1' },
    });
    await it.line(/^done$/m);
    it.kill('SIGUSR2');
    const { manifest } = checkIncident(await waitForIncident(it, VIGIL_DIR));
    const all = rows(manifest);
    const did = it.stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    const of = (what) => did.filter((one) => one.what === what);
    assert.deepEqual(did.map(({ what }) => what), ['block', 'block', 'gc', 'wait']);
    const said = JSON.stringify({ did, all });

    for (const block of of('block')) {
      const inside = all.filter((row) => overlap(row, block) > SLACK);
      for (const row of inside) {
        assert.ok(row.maxMs >= overlap(row, block) - SLACK && row.busyMs >= overlap(row, block) - SLACK, said);
        // The wait of an arrival in the row is at most the rest of the block in it.
        assert.ok(row.p99Ms >= overlap(row, block) - SLACK - 0.02 * row.spanMs, said);
      }
      assert.ok(Math.abs(sum(inside.map((row) => overlap(row, block))) - (block.to - block.from)) <= SLACK, said);
    }
    assert.ok(all.some((row) => overlap(row, of('block')[1]) > SLACK && row.maxMs < of('block')[1].to - of('block')[1].from - SLACK), said);
    const quiet = all.filter((row) => !did.some((one) => overlap(row, one) > 0));
    assert.ok(quiet.length >= 5, said);
    assert.ok(median(quiet.map((row) => row.busyMs)) < 100 && median(quiet.map((row) => row.maxMs)) < 100, said);

    const [gc] = of('gc');
    const collected = sum(all.filter((row) => overlap(row, gc) > 0).map((row) => row.gcMs));
    assert.ok(Math.abs(collected - gc.gcMs) <= 0.1 * gc.gcMs + SLACK, `${collected}, ${gc.gcMs}: ${said}`);
    assert.ok(gc.gcMs > 100 && median(quiet.map((row) => row.gcMs)) < 10, said);

    // The row in which the read got its turn; nothing waited in quiet ones.
    const [{ from, free, taken }] = of('wait');
    const waited = all.filter((row) => overlap(row, { from: free - SLACK, to: taken + SLACK }) > 0).map((row) => row.poolWaitMs);
    assert.ok(Math.max(...waited) >= free - from - SLACK && Math.max(...waited) <= 1.07 * (taken - from) + SLACK, said);
    assert.ok(quiet.some((row) => row.poolWaitMs === null), said);
  });

  test('goes on until the end of the capture', async (t) => {
    const VIGIL_DIR = path.join(temporary(t), 'vigil');
    const it = new App(t, [app('serve.mjs'), 'tcp'], { env: { ...FAST, VIGIL_CAPTURE: 'cpu', VIGIL_CPU_PROFILE: '5s', VIGIL_GRACE: '4s', VIGIL_DIR } });
    const { manifest } = checkIncident(await waitForIncident(it, VIGIL_DIR));
    const { atMs, spanMs } = manifest.timeline;
    const took = Date.parse(manifest.finished) - Date.parse(manifest.triggered);
    assert.ok(took >= 4900, `${took}`);
    assert.ok(atMs[0] <= -2000, `${atMs}`);
    assert.ok(atMs.some((ms) => ms > 1000), `${atMs}`);
    // The last tick was at most one second, and what it was late, before the end.
    assert.ok(atMs.at(-1) + spanMs.at(-1) > took - Math.max(...spanMs) - 1000, JSON.stringify(manifest.timeline));
  });

  test("of a worker it is the worker's", async (t) => {
    const VIGIL_DIR = path.join(temporary(t), 'vigil');
    const it = new App(t, [app('worker.mjs')], { env: { ...FAST, VIGIL_CAPTURE: 'none', VIGIL_DIR } });

    const { manifest } = checkIncident(await waitForIncident(it, VIGIL_DIR));
    assert.notEqual(manifest.thread.id, 0);
    assert.ok(Math.max(...manifest.timeline.maxMs) > 50, JSON.stringify(manifest.timeline));
  });
});
