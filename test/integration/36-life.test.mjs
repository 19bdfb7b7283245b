// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The life of a loop's record: there before the first turn, readable for one
// window after the end, then gone without a trace; and none with VIGIL=off.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { MINUTE } from './helpers.mjs';
import { addons, inside, noAddons, within } from './31-native.mjs';

const KB = 1024;
let ADDONS;

before(() => { if (!noAddons) ADDONS = addons('blocks.c', 'loops.c'); });

describe('a record', { concurrency: 2 }, () => {
  test('of a Worker is there before its first turn, with id and name', async (t) => {
    const it = await inside(t, `
      // In the very first callback of the Worker, which runs its script.
      const source = \`
        const vigil = require('node:vigil');
        const { threadId, parentPort } = require('node:worker_threads');
        const { loops } = vigil.snapshot();
        parentPort.postMessage({ threadId, loop: loops.find((l) => l.threadId === threadId) });
      \`;
      const all = [];
      for (const name of ['', 'mail', 'a name that is as long as no window of a debugger is wide']) {
        const began = now();
        const worker = new Worker(source, name === '' ? { eval: true } : { eval: true, name });
        const { threadId } = worker;
        const exit = new Promise((done) => worker.once('exit', done));
        all.push([threadId, name, await new Promise((done) => worker.once('message', done)), now() - began]);
        await exit;
      }
      return all;
    `);
    for (const [id, name, { threadId, loop }, wall] of it) {
      const { sinceStart } = loop;
      assert.deepEqual([threadId, loop.threadId, loop.kind, loop.ended], [id, id, 'worker', false]);
      assert.ok(loop.name.startsWith(`worker ${id}`) && loop.name.includes(name.slice(0, 30)), loop.name);
      // Its first iteration, all of whose polls were counted, and all before.
      assert.equal(sinceStart.iterations, 1);
      assert.ok(sinceStart.polls >= 1 && sinceStart.events >= 1, JSON.stringify(sinceStart));
      within(sinceStart.startupMs + sinceStart.observedMs, 1, wall, 'age');
      assert.ok(sinceStart.openMs > 0 && sinceStart.longestMs < wall);
    }
  });

  test('can be read for one window after the end, and not for long', async (t) => {
    for (const [VIGIL_WINDOW, windowMs] of [['1s', 1000], ['3s', 3000]]) {
      const it = await inside(t, `
        const worker = new Worker('setInterval(() => {}, 100)', { eval: true, name: 'short' });
        const find = () => vigil.lag(1000).loops.find((l) => l.kind === 'worker');
        await until(() => find()?.filled);
        const lived = find();
        const before = now();
        await worker.terminate();
        const dead = find();
        await until(() => find() === undefined);
        return { lived, dead, gone: now() - before };
      `, { env: { VIGIL_WINDOW } });
      assert.deepEqual([it.lived.ended, it.dead.ended, it.dead.name], [false, true, it.lived.name]);
      assert.ok(it.dead.windowMs > 0 && it.dead.polls > 0);
      assert.ok(it.gone >= windowMs, `${it.gone} < ${windowMs}`);
    }
  });

  test('takes at most 64 KB, and nothing with VIGIL=off', { skip: noAddons }, async (t) => {
    const cost = async (VIGIL) => await inside(t, `
      const { costOfLoops } = native('blocks');
      costOfLoops(100);
      return Math.min(costOfLoops(100), costOfLoops(100), costOfLoops(100)) / 100;
    `, { env: { ADDONS, VIGIL } });
    const off = await cost('off');
    const on = await cost('auto');
    // What libuv itself needs is in both.
    within(off, 0, 4 * KB, 'off');
    within(on - off, 4 * KB, 64 * KB, 'on');
  });

  // `churn(n)` makes n of something, and lets them end.
  const LEAK = `
    const { allocated } = native('blocks');
    const settled = () => until(() => vigil.snapshot().loops.every((l) => !l.ended && l.kind !== 'worker'));
    const rss = () => process.memoryUsage.rss();
    const threads = () => require('node:fs').readdirSync('/proc/self/task').length;
    const one = () => new Promise((done) => {
      new Worker('setTimeout(() => {}, 20)', { eval: true, name: 'short' }).on('exit', done);
    });
  `;
  const ROUNDS = `
    vigil.lag();
    await until(() => vigil.snapshot().watching);
    const look = async () => {
      await settled();
      gc(); gc();
      return { loops: vigil.snapshot().loops.length, heap: allocated(), rss: rss(), threads: threads() };
    };
    await churn(200);
    const all = [await look()];
    const began = now();
    for (let i = 0; i < 2; i++) { await churn(200); all.push(await look()); }
    return { all, took: now() - began };
  `;
  const checkLeaks = ({ all }) => {
    // 200 records of 40 KB are 8 MB; with their windows twice that.
    const [a, b, c] = all;
    assert.deepEqual([b.loops, b.threads], [a.loops, a.threads]);
    assert.deepEqual([c.loops, c.threads], [a.loops, a.threads]);
    const least = Math.min(b.heap - a.heap, c.heap - b.heap);
    assert.ok(least < 3000 * KB, `malloc: ${all.map((x) => x.heap)}`);
    assert.ok(Math.min(b.rss - a.rss, c.rss - b.rss) < 30_000 * KB, `RSS: ${all.map((x) => x.rss)}`);
  };

  test('200 Workers, again and again, leave nothing', { skip: noAddons }, async (t) => {
    const it = await inside(t, `${LEAK}
      const churn = async (n) => { for (let i = 0; i < n; i += 4) await Promise.all([one(), one(), one(), one()]); };
      ${ROUNDS}`, { env: { ADDONS, VIGIL_WINDOW: '1s' }, flags: ['--expose-gc'] });
    checkLeaks(it);
    t.diagnostic(`400 Workers in ${Math.round(it.took / 1000)} s: ${JSON.stringify(it.all)}`);
  });

  test('200 loops of an add-on, again and again, leave nothing', { skip: noAddons }, async (t) => {
    const it = await inside(t, `${LEAK}
      const { start, wait, end } = native('loops');
      const churn = async (n) => {
        for (let i = 0; i < n; i += 50) {
          const ids = Array.from({ length: 50 }, () => start('default', 'timer', 1, 0));
          for (const id of ids) { wait(id); }
          for (const id of ids) { end(id); }
          await sleep(1);
        }
      };
      ${ROUNDS}`, { env: { ADDONS, VIGIL_WINDOW: '1s' }, flags: ['--expose-gc'] });
    checkLeaks(it);
  });

  test('of more loops than are kept, the newest can be read', async (t) => {
    const it = await inside(t, `
      vigil.lag();
      await until(() => vigil.snapshot().watching);
      const worker = () => new Worker('setInterval(() => {}, 1000)', { eval: true });
      let most = 0;
      let ids;
      // Each lives until the watch thread has seen it.
      for (let i = 0; i < 10; i++) {
        const all = Array.from({ length: 16 }, worker);
        ids = all.map((w) => w.threadId);
        const seen = (l) => l.kind === 'worker' && !l.ended && l.windowMs > 0;
        await until(() => vigil.lag(1000).loops.filter(seen).length === 16);
        await Promise.all(all.map((w) => w.terminate()));
        const { loops } = vigil.lag(1000);
        most = Math.max(most, loops.filter((l) => l.ended).length);
      }
      await sleep(2500);
      const ended = vigil.lag(1000).loops.filter((l) => l.ended).map((l) => l.threadId);
      return { most, ended, ids };
    `, { env: { VIGIL_WINDOW: '10m' }, ms: 4 * MINUTE });
    // 128 are kept from one look of the watch thread to the next.
    within(it.most, 128, 144, 'most');
    assert.equal(it.ended.length, 128);
    assert.ok(it.ids.every((id) => it.ended.includes(id)), JSON.stringify(it));
  });
});
