// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A block is seen in full, whatever part of the loop it is in, on the main
// thread and in Workers. The program measures each block itself: what vigil
// says is never less than that, nor more than all that passed.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { App, FAST, MINUTE, temporary } from './helpers.mjs';
import { addons, inside, newPeriods, noAddons, within } from './31-native.mjs';
import { incidents } from './incident.mjs';

const program = path.join(import.meta.dirname, '31-phases-program.mjs');
let ADDONS;

before(() => { if (!noAddons) ADDONS = addons('blocks.c'); });

describe('a block', { skip: noAddons, concurrency: 2 }, () => {
  for (const [where, UV_USE_IO_URING] of [['main', '0'], ['main', '1'], ['worker', '0']]) {
    test(`on ${where}, UV_USE_IO_URING=${UV_USE_IO_URING}`, async (t) => {
      const FIFO = path.join(temporary(t), 'fifo');
      execFileSync('mkfifo', [FIFO]);
      const it = new App(t, ['--expose-gc', program, where], { env: { ADDONS, FIFO, UV_USE_IO_URING } });
      const { code, stdout } = await it.exit(3 * MINUTE);
      assert.equal(code, 0, it.said());
      const all = JSON.parse(stdout);
      assert.ok(all.length >= 20);
      for (const { phase, took, wall, open, scheme, before, after, active, longest } of all) {
        await t.test(phase, () => {
          assert.ok(phase === 'garbage collection' || took >= 110, `took ${took}`);
          within(active, took, wall, 'active');
          assert.ok(longest >= took, `longest ${longest} < ${took}`);
          // One period holds the whole of it. The first one was open already.
          const long = newPeriods(before, after, scheme).filter(([, upper]) => upper > took);
          assert.ok(long.length >= 1, `no period of ${took} ms`);
          assert.ok(long.every(([lower]) => lower <= open + wall), `longer than ${open} and ${wall}: ${long}`);
        });
      }
    });
  }

  test('around and inside of a run in a run, on the main thread', async (t) => {
    for (const mode of ['nowait', 'once']) {
      const it = await inside(t, `
        const { runAgain, sleep: block } = native('blocks');
        await started();
        const begin = now();
        const { sinceStart: a } = main();
        // Before the inner run, in it, and after it.
        const took = await new Promise((done) => setTimeout(() => {
          const took = [block(150)];
          setImmediate(() => took.push(block(160)));
          runAgain('${mode}');
          took.push(block(170));
          done(took);
        }, 1));
        await sleep(1);
        await sleep(1);
        const { sinceStart: b } = main();
        return { took, active: b.activeMs - a.activeMs, longest: b.longestMs, wall: now() - begin };
      `, { env: { ADDONS } });
      assert.equal(it.took.length, 3, mode);
      const sum = it.took.reduce((x, y) => x + y);
      within(it.active, sum, it.wall, `active, ${mode}`);
      // The immediate and what is behind the inner run are one period; what is
      // before ended with the poll of the inner run.
      within(it.longest, it.took[1] + it.took[2], it.wall - it.took[0], `longest, ${mode}`);
    }
  });
});

describe('before the first poll', { concurrency: 2 }, () => {
  test('is start-up, and no busy period', async (t) => {
    const it = await inside(t, `
      const took = block(400);
      const early = main();
      await started();
      const { busy } = vigil.histogram().loops[0];
      return { took, early, late: main(), busy, whole: process.uptime() * 1000 };
    `);
    const { sinceStart } = it.early;
    assert.deepEqual([sinceStart.startupMs, sinceStart.polls, sinceStart.activeMs], [null, 0, 0]);
    within(it.late.sinceStart.startupMs, it.took, it.whole, 'startup');
    // Not counted twice: what came later is all that was busy.
    within(it.late.sinceStart.activeMs, 0, it.whole - it.took, 'active');
    assert.ok(it.late.sinceStart.longestMs < it.late.sinceStart.startupMs);
    assert.ok(it.busy.every(({ lowerNs }) => lowerNs < it.took * 1e6), JSON.stringify(it.busy));
    assert.ok(it.late.turns.maxMs < it.took, JSON.stringify(it.late.turns));
  });

  test('never triggers', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    // Blocked for 5 s, then idle for 5 s; with 1 s over the limit, and no grace
    // period, any of it would do.
    const it = await inside(t, `
      const watched = () => vigil.snapshot().watching;
      vigil.lag();
      const took = block(5000);
      const [early] = vigil.snapshot().loops;
      await sleep(5000);
      const { armed, loops: [late] } = vigil.snapshot();
      return { took, early, late, armed, watched: watched() };
    `, { env: { ...FAST, VIGIL: 'on', VIGIL_LAG_P99_MS: '500', VIGIL_DIR: dir } });
    assert.deepEqual([it.armed, it.watched, it.early.sinceStart.startupMs], [true, true, null]);
    assert.ok(it.late.sinceStart.startupMs >= it.took);
    // The windows that were looked at while it lasted held nothing.
    assert.equal(it.early.lag.last10s.maxMs, 0);
    assert.ok(it.early.lag.last10s.windowMs >= 2000, JSON.stringify(it.early.lag.last10s));
    assert.deepEqual(incidents(dir), []);
  });
});
