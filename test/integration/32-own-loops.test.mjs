// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Loops that an add-on runs itself, on threads of its own: each way to run one,
// each phase to block in, several polls in a turn, runs in runs, io_uring. The
// add-on stamps its blocks and runs, so both bounds are exact.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { addons, inside, noAddons, within } from './31-native.mjs';

const PHASES = ['timer', 'idle', 'prepare', 'check', 'async', 'poll', 'signal', 'close', 'work', 'fs',
                'pending', 'nested-nowait', 'nested-once', 'nested-default', 'startup'];
let ADDONS;

before(() => { if (!noAddons) ADDONS = addons('loops.c'); });

// Runs one loop and gives its record and the add-on's figures. The newest loop
// is the last one; Node has one itself, on a thread that may begin late, with
// a ring of its own: it has them all when it polls.
const ONE = `
  const { start, wait, end, poke, stop, isCalm } = native('loops');
  const live = () => others().filter((l) => !l.ended);
  await until(() => live().length === 1 && live()[0].sinceStart.polls + live()[0].sinceStart.iterations > 0);
  const look = (phase, id) => {
    const stamped = wait(id);
    const all = live();
    const { busy } = vigil.histogram().loops.filter((l) => l.kind === 'other').at(-1);
    end(id);
    return { phase, stamped, loop: all.at(-1), more: all.length - 1, left: live().length - 1, busy };
  };
  const one = (mode, phase, ms = 100, outside = 0) => look(phase, start(mode, phase, ms, outside));
`;

function check({ phase, stamped, loop, more, left }) {
  const { sinceStart } = loop;
  assert.deepEqual([more, left], [1, 0]);
  assert.deepEqual([loop.kind, loop.threadId, loop.ended, loop.gc], ['other', null, false, null]);
  assert.match(loop.name, /no JavaScript/);
  assert.ok(stamped.longestMs >= 100, `blocked for ${stamped.longestMs}`);
  assert.ok(sinceStart.idleMs >= stamped.outsideMs, `idle ${sinceStart.idleMs} < ${stamped.outsideMs}`);
  assert.equal(sinceStart.openMs, 0);
  if (phase === 'startup') {
    within(sinceStart.startupMs, stamped.blockedMs, stamped.startupMs, 'startup');
    within(sinceStart.activeMs, 0, stamped.insideMs, 'active');
    return;
  }
  within(sinceStart.startupMs, 0, stamped.startupMs, 'startup');
  within(sinceStart.activeMs, stamped.blockedMs, stamped.insideMs, 'active');
  // After an inner run the same period goes on: two of the three blocks.
  const unbroken = phase.startsWith('nested') ? stamped.blockedMs - stamped.longestMs : stamped.longestMs;
  within(sinceStart.longestMs, unbroken, stamped.insideMs, 'longest');
}

describe('a loop of an add-on', { skip: noAddons, concurrency: 2 }, () => {
  for (const mode of ['default', 'once', 'nowait']) {
    test(`run with UV_RUN_${mode.toUpperCase()}`, async (t) => {
      const all = await inside(t, `${ONE}
        return ${JSON.stringify(PHASES)}.map((phase) => one('${mode}', phase));`, { env: { ADDONS } });
      for (const it of all) {
        await t.test(it.phase, () => check(it));
      }
    });
  }

  test('is not busy between two runs', async (t) => {
    for (const mode of ['once', 'nowait']) {
      const it = await inside(t, `${ONE} return one('${mode}', 'timer', 100, 1500);`, { env: { ADDONS } });
      check(it);
      assert.ok(it.stamped.outsideMs >= 1500);
      assert.ok(it.loop.sinceStart.idleMs >= 1500);
    }
  });

  test('polls several times in one turn when there are many events', async (t) => {
    const limit = await inside(t, `
      return Number(/Max open files +(\\d+)/.exec(require('node:fs').readFileSync('/proc/self/limits'))[1]);`);
    if (limit < 1300) return t.skip(`only ${limit} files can be open`);
    for (const mode of ['default', 'once', 'nowait']) {
      const it = await inside(t, `${ONE} return one('${mode}', 'many');`, { env: { ADDONS } });
      check(it);
      const { sinceStart, turns } = it.loop;
      assert.ok(sinceStart.polls > sinceStart.iterations, JSON.stringify(sinceStart));
      assert.ok(sinceStart.events >= 1100, JSON.stringify(sinceStart));
      // A block in each of two batches: two periods, but one turn.
      const long = it.busy.filter(({ lowerNs }) => lowerNs >= 95e6).reduce((n, { count }) => n + count, 0);
      assert.equal(long, 2, JSON.stringify(it.busy));
      assert.ok(sinceStart.longestMs < it.stamped.blockedMs, JSON.stringify(sinceStart));
      within(turns.maxMs, it.stamped.blockedMs, it.stamped.insideMs, 'turn');
    }
  });

  test('polls again in the same turn when a signal interrupts it', async (t) => {
    const it = await inside(t, `${ONE}
      const id = start('default', 'interrupted', 100, 0);
      await until(() => isCalm(id));
      const it = () => live().at(-1).sinceStart;
      // In its poll: it waits there for good.
      await until(() => live().length === 2 && it().iterations >= 2 && it().openMs === 0);
      const before = it();
      await until(() => { poke(id); return it().polls >= before.polls + 10; });
      const after = it();
      stop(id);
      return { before, after, ...look('interrupted', id) };
    `, { env: { ADDONS } });
    assert.equal(it.after.iterations, it.before.iterations);
    assert.equal(it.after.events, it.before.events);
    check(it);
    assert.ok(it.loop.sinceStart.events > it.after.events);
  });

  test('with io_uring', async (t) => {
    const all = await inside(t, `${ONE}
      return ['default', 'once', 'nowait'].map((mode) => one(mode, 'fs'));`,
                             { env: { ADDONS, UV_USE_IO_URING: '1' } });
    if (all[0].stamped.rings === 0) return t.skip('no io_uring on this machine');
    for (const it of all) {
      assert.equal(it.stamped.rings, 1);
      check(it);
      assert.ok(it.loop.sinceStart.events >= 1);
    }
    const without = await inside(t, `${ONE} return one('default', 'fs');`,
                                 { env: { ADDONS, UV_USE_IO_URING: '0' } });
    assert.equal(without.stamped.rings, 0);
  });

  test('knows how late its timers ran', async (t) => {
    for (const mode of ['default', 'once', 'nowait']) {
      const { loop, stamped } = await inside(t, `${ONE} return one('${mode}', 'late', 300);`, { env: { ADDONS } });
      assert.equal(stamped.timers, 4);
      assert.equal(loop.timers.count, stamped.timers);
      assert.ok(stamped.lateLeastMs >= 100, JSON.stringify(stamped));
      within(loop.timers.totalMs, stamped.lateLeastMs, stamped.lateMostMs, `total lateness, ${mode}`);
      within(loop.timers.maxMs, stamped.lateLeastMs / 3, stamped.lateMostMs, `most lateness, ${mode}`);
    }
  });

  test('is seen by the watch thread while it is blocked', async (t) => {
    const it = await inside(t, `${ONE}
      const id = start('default', 'interrupted', 1500, 0);
      await until(() => isCalm(id));
      await until(() => vigil.lag(1000).loops.filter((l) => l.kind === 'other' && l.filled).length === 2);
      stop(id);
      const seen = await until(() => vigil.lag(1000).loops.find((l) => l.kind === 'other' && l.maxMs > 500));
      return { seen, ...look('interrupted', id) };
    `, { env: { ADDONS } });
    check(it);
    within(it.seen.maxMs, 500, it.stamped.insideMs, 'its lag');
  });

  test('leaves nothing when it has ended: only loops of Node can still be read', async (t) => {
    const it = await inside(t, `${ONE}
      const id = start('default', 'timer', 100, 0);
      await until(() => vigil.lag(1000).loops.filter((l) => l.kind === 'other' && l.filled).length === 2);
      wait(id);
      const before = others().length;
      end(id);
      return { before, after: others().length, lag: vigil.lag(1000).loops.filter((l) => l.kind === 'other').length };
    `, { env: { ADDONS } });
    // As src/thread.h says of vigil__thread_remove().
    assert.deepEqual(it, { before: 2, after: 1, lag: 1 });
  });

  test('that runs inside of a turn of the main thread has a record beside it', async (t) => {
    const it = await inside(t, `
      const source = \`
        const vigil = require('node:vigil');
        const { workerData, parentPort } = require('node:worker_threads');
        const word = new Int32Array(workerData);
        const seen = [];
        const timer = setInterval(() => {
          const { loops } = vigil.snapshot();
          const { openMs } = loops.find((l) => l.kind === 'main').sinceStart;
          const inner = loops.filter((l) => l.kind === 'other' && !l.ended).length;
          if (Atomics.load(word, 0) === 1) seen.push({ openMs, inner });
          if (Atomics.load(word, 0) !== 2) return;
          clearInterval(timer);
          parentPort.postMessage(seen);
        }, 20);
        parentPort.postMessage('ready');
      \`;
      const shared = new SharedArrayBuffer(4);
      const flag = new Int32Array(shared);
      const worker = new Worker(source, { eval: true, workerData: shared });
      await new Promise((done) => worker.once('message', done));
      await until(() => others().length === 1);
      const begin = now();
      Atomics.store(flag, 0, 1);
      require('node:child_process').execSync('sleep 2');
      Atomics.store(flag, 0, 2);
      const took = now() - begin;
      const seen = await new Promise((done) => worker.once('message', done));
      // The message and then a timer may come before the poll that ends the period.
      await until(() => main().sinceStart.openMs < took);
      return { seen, took, longest: main().sinceStart.longestMs };
    `);
    assert.ok(it.took >= 2000 && it.longest >= it.took, `${it.longest} < ${it.took}`);
    const during = it.seen.filter(({ openMs }) => openMs > 500 && openMs < 1800);
    assert.ok(during.length > 0 && during.every(({ inner }) => inner === 2), JSON.stringify(it.seen));
    assert.ok(during.every(({ openMs }, i) => i === 0 || openMs > during[i - 1].openMs), 'one period that grows');
  });
});
