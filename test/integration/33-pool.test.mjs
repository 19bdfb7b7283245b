// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The thread pool. An add-on holds work in it until it is let go and stamps all
// of it, so what must be measured is known to the clock read.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { addons, inside, noAddons, within } from './31-native.mjs';

const HOLD_MS = 150;
let ADDONS;

before(() => { if (!noAddons) ADDONS = addons('held.c'); });

const POOL = `
  const { hold, cancel, release, back, stamps } = native('held');
  const pool = () => vigil.snapshot().threadPool;
  const kind = (p, k) => p.kinds.find((x) => x.kind === k);
`;

// Bounds of the sums of wait and run from the add-on's stamps, in ms: libuv
// takes a work after release() (or at once, for those that ran before), and
// before it is executed.
function bounds(works, released, held) {
  const sum = { waitLeast: 0, waitMost: 0, runLeast: 0, runMost: 0 };
  for (const [i, [submitted, queued, began, ended, done]] of works.entries()) {
    sum.waitLeast += i < held ? 0 : released - queued;
    sum.waitMost += began - submitted;
    sum.runLeast += ended - began;
    sum.runMost += done - submitted;
  }
  for (const key of Object.keys(sum)) sum[key] /= 1e6;
  return sum;
}

describe('the thread pool', { skip: noAddons, concurrency: 2 }, () => {
  for (const size of [undefined, '1', '3', '8']) {
    test(`UV_THREADPOOL_SIZE=${size ?? ''}`, async (t) => {
      const it = await inside(t, `${POOL}
        hold(12);
        const full = await until(() => { const p = pool(); return p.running === ${size ?? 4} && p; });
        block(${HOLD_MS});
        const late = pool();
        release();
        await until(() => back() === 12);
        return { full, late, stamps: stamps(), end: pool() };
      `, { env: { ADDONS, UV_THREADPOOL_SIZE: size } });
      const held = Number(size ?? 4);
      const works = it.stamps.slice(0, -1);
      const { end } = it;
      // As many run as there are threads; it cannot be one more.
      for (const p of [it.full, it.late]) {
        assert.deepEqual([p.running, p.queued, p.queuedMax >= 12 - held], [held, 12 - held, true]);
      }
      assert.ok(it.full.queuedMax <= 12);
      assert.ok(it.late.oldestWaitMs - it.full.oldestWaitMs >= HOLD_MS, JSON.stringify(it.late));
      assert.deepEqual([end.running, end.queued, end.oldestWaitMs, end.cancelled, end.unmeasured], [0, 0, 0, 0, 0]);
      const [cpu] = end.kinds.filter((k) => k.kind === 'cpu');
      assert.deepEqual([cpu.wait.count, cpu.run.count], [12, 12]);
      const { waitLeast, waitMost, runLeast, runMost } = bounds(works, it.stamps.at(-1), held);
      assert.ok(waitLeast >= (12 - held) * HOLD_MS && runLeast >= held * HOLD_MS, 'held for long enough');
      within(cpu.wait.totalMs, waitLeast, waitMost, 'wait');
      within(cpu.run.totalMs, runLeast, runMost, 'run');
      within(cpu.wait.maxMs, HOLD_MS, Math.max(...works.map((w) => w[2] - w[0])) / 1e6, 'longest wait');
      within(cpu.run.maxMs, HOLD_MS, Math.max(...works.map((w) => w[4] - w[0])) / 1e6, 'longest run');
      // Percentiles: 12 - held have waited for long, and that many have run long.
      assert.equal(cpu.wait.p90Ms >= HOLD_MS, held <= 10);
      assert.equal(cpu.run.p50Ms >= HOLD_MS, held >= 7);
    });
  }

  test('cancelled work leaves the queue, and is counted', async (t) => {
    const it = await inside(t, `${POOL}
      hold(6);
      await until(() => pool().running === 1);
      const before = pool();
      // The one that runs cannot be cancelled.
      const codes = [cancel(0), cancel(1), cancel(3), cancel(5)];
      const after = pool();
      await sleep(20);
      block(${HOLD_MS});
      const late = pool();
      release();
      await until(() => back() === 6);
      return { codes, before, after, late, stamps: stamps(), end: pool() };
    `, { env: { ADDONS, UV_THREADPOOL_SIZE: '1' } });
    assert.deepEqual(it.codes, ['EBUSY', '', '', '']);
    assert.deepEqual([it.before.queued, it.before.cancelled], [5, 0]);
    assert.deepEqual([it.after.queued, it.after.cancelled, it.after.queuedMax], [2, 3, it.before.queuedMax]);
    // The head was cancelled: the oldest is the next one, and it waits.
    const works = it.stamps.slice(0, -1);
    assert.ok(it.late.oldestWaitMs >= HOLD_MS && it.late.queued === 2, JSON.stringify(it.late));
    assert.deepEqual(works.map((w) => w[5] === 0), [true, false, true, false, true, false]);
    assert.ok(works.filter((w) => w[5] !== 0).every((w) => w[2] === 0), 'they never ran');
    const [cpu] = it.end.kinds.filter((k) => k.kind === 'cpu');
    assert.deepEqual([cpu.wait.count, cpu.run.count, it.end.queued, it.end.running, it.end.cancelled], [3, 3, 0, 0, 3]);
    const { waitLeast, waitMost } = bounds(works.filter((w) => w[5] === 0), it.stamps.at(-1), 1);
    within(cpu.wait.totalMs, waitLeast, waitMost, 'wait');
  });

  test('cancelled again, it still counts once', async (t) => {
    const it = await inside(t, `${POOL}
      hold(3);
      await until(() => pool().running === 1);
      // libuv lets it be cancelled until the loop has taken it back.
      const codes = [cancel(1), cancel(1), cancel(1)];
      const after = pool();
      release();
      await until(() => back() === 3);
      return { codes, after, end: pool() };
    `, { env: { ADDONS, UV_THREADPOOL_SIZE: '1' } });
    assert.equal(it.codes[0], '');
    assert.deepEqual([it.after.queued, it.after.cancelled, it.end.queued, it.end.cancelled], [1, 1, 0, 1]);
  });

  test('knows name lookups from files from computing', async (t) => {
    const it = await inside(t, `${POOL}
      const { stat } = require('node:fs/promises');
      const dns = require('node:dns').promises;
      const { promisify } = require('node:util');
      const crypto = require('node:crypto');
      const zlib = require('node:zlib');
      const before = pool();
      hold(1);
      await until(() => pool().running === 1);
      const all = [stat('/'), stat('/'), stat('/'), stat('/'), stat('/'),
        dns.lookup('localhost'), dns.lookup('localhost', 4), dns.lookupService('127.0.0.1', 9).catch(() => {}),
        promisify(crypto.randomBytes)(64), promisify(crypto.scrypt)('p', 's', 16), promisify(zlib.deflate)('text')];
      const queued = pool();
      block(${HOLD_MS});
      release();
      await Promise.all(all);
      const names = ['cpu', 'fast-io', 'slow-io'];
      return { queued, end: pool(), counts: names.map((k) => {
        const [a, b] = [before, pool()].map((p) => kind(p, k));
        return [b.wait.count - a.wait.count, b.run.count - a.run.count];
      }) };
    `, { env: { ADDONS, UV_THREADPOOL_SIZE: '1' } });
    assert.deepEqual(it.end.kinds.map((k) => k.kind), ['cpu', 'fast-io', 'slow-io']);
    assert.equal(it.queued.queued, 11);
    assert.equal(it.end.queuedMax, 11);
    const [cpu, fast, slow] = it.counts;
    // zlib frees and begins in steps: one piece of work, or more.
    assert.ok(cpu[0] >= 4 && cpu[0] === cpu[1], `cpu ${cpu}`);
    assert.deepEqual([fast, slow], [[5, 5], [3, 3]]);
    const by = (k) => it.end.kinds.find((x) => x.kind === k);
    assert.ok(by('fast-io').wait.totalMs >= 5 * HOLD_MS, JSON.stringify(by('fast-io')));
    assert.ok(by('slow-io').wait.totalMs >= 3 * HOLD_MS, JSON.stringify(by('slow-io')));
    assert.ok(by('fast-io').run.maxMs < by('fast-io').wait.maxMs);
  });

  test('what io_uring does not take from it', async (t) => {
    // Node never asks libuv for io_uring: files go to the pool all the same.
    const it = await inside(t, `${POOL}
      await require('node:fs/promises').stat('/');
      return kind(pool(), 'fast-io').run.count;
    `, { env: { ADDONS, UV_USE_IO_URING: '1' } });
    assert.ok(it >= 1);
  });
});
