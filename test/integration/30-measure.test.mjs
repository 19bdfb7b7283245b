// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What is measured, on real loops: blocks in every phase are seen in full, and
// the other figures agree with what Node itself says. Upper bounds are loose:
// the machine may be busy. Lower bounds are exact: a block cannot be shorter.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, MINUTE, app, temporary } from './helpers.mjs';

async function run(t, args, env = {}) {
  const it = new App(t, args, { env });
  const { code, stdout } = await it.exit(5 * MINUTE);
  assert.equal(code, 0, it.said());
  return JSON.parse(stdout);
}
const script = (t, source, env, flags = []) =>
  run(t, [...flags, '--input-type=module', '-e',
          `import vigil from 'node:vigil';
           const main = () => vigil.snapshot().loops.find((l) => l.kind === 'main');
           const spin = (ms) => { const e = performance.now() + ms; while (performance.now() < e); };
           const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
           ${source}`], env);

describe('a block is seen in full', { concurrency: 3 }, () => {
  for (const phase of ['io', 'timer', 'immediate', 'nextTick', 'promise', 'close',
                       'native', 'execSync', 'fifo']) {
    test(`in ${phase}`, async (t) => {
      const fifo = path.join(temporary(t), 'fifo');
      if (phase === 'fifo') execFileSync('mkfifo', [fifo]);
      const { main } = await run(t, [app('phases.mjs'), phase, fifo]);
      assert.ok(main.sinceStart.longestMs >= 299, `longest ${main.sinceStart.longestMs}`);
      assert.ok(main.sinceStart.activeMs >= main.sinceStart.longestMs);
    });
  }

  test('before the first poll: apart, as start-up', async (t) => {
    const { main } = await run(t, [app('phases.mjs'), 'start', '']);
    assert.ok(main.sinceStart.startupMs >= 299);
    assert.ok(main.sinceStart.longestMs < main.sinceStart.startupMs);
  });

  test('in a garbage collection, and by its kind', async (t) => {
    const { main } = await run(t, ['--expose-gc', app('phases.mjs'), 'gc', '']);
    const full = main.gc.kinds.find((k) => k.kind === 'mark-sweep-compact');
    assert.ok(full.count >= 3);
    assert.ok(full.totalMs >= full.maxMs && full.maxMs >= full.p50Ms && full.p50Ms > 0);
    assert.ok(main.gc.totalMs >= full.totalMs * 0.999);
    assert.ok(main.sinceStart.longestMs >= full.maxMs);
    assert.ok(main.gc.heapUsedAfterBytes > 1e6);
  });
});

describe('beside it', { concurrency: 3 }, () => {
  test('active and idle time are those of eventLoopUtilization', async (t) => {
    const d = await script(t, `
      await sleep(20);
      const e0 = performance.eventLoopUtilization(), v0 = main().sinceStart;
      for (let i = 0; i < 60; i++) { spin(20); await sleep(30); }
      const e1 = performance.eventLoopUtilization(e0), v1 = main().sinceStart;
      console.log(JSON.stringify({ elu: e1.active / (e1.active + e1.idle),
        ours: (v1.activeMs - v0.activeMs) / (v1.observedMs - v0.observedMs) }));`);
    assert.ok(Math.abs(d.elu - d.ours) <= 0.01, JSON.stringify(d));
    assert.ok(d.ours >= 0.2);
  });

  test('iterations: duration as monitorEventLoopDelay per iteration has it', async (t) => {
    const d = await script(t, `
      import { monitorEventLoopDelay } from 'node:perf_hooks';
      await sleep(20);
      const h = monitorEventLoopDelay({ samplePerIteration: true });
      h.enable();
      await sleep(20);
      for (let i = 0; i < 5; i++) { spin(150); await sleep(5); }
      h.disable();
      console.log(JSON.stringify({ theirs: h.max / 1e6, n: h.count, ...main() }));`);
    const ours = d.turns ?? d.sinceStart.turns;
    assert.ok(ours.maxMs >= 149, JSON.stringify(ours));
    assert.ok(Math.abs(ours.maxMs - d.theirs) <= 0.1 * d.theirs, `${ours.maxMs} and ${d.theirs}`);
    assert.ok(ours.count >= 5 && d.sinceStart.iterations >= ours.count);
  });

  test('timers that run late', async (t) => {
    const d = await script(t, `
      // Node has one libuv timer for all of its own; it is due in the block.
      setTimeout(() => {}, 20);
      setImmediate(() => { spin(200); });
      await sleep(400);
      console.log(JSON.stringify(main()));`);
    assert.ok(d.timers.maxMs >= 150, JSON.stringify(d.timers));
  });

  test('the thread pool by kind, and its queue', async (t) => {
    const d = await script(t, `
      import { pbkdf2, createHash } from 'node:crypto';
      import { readFile } from 'node:fs/promises';
      import { lookup } from 'node:dns/promises';
      import { promisify } from 'node:util';
      const slow = promisify(pbkdf2);
      await Promise.all(Array.from({ length: 8 }, () => slow('p', 's', 60000, 64, 'sha512')));
      await readFile('/proc/self/status');
      await lookup('localhost');
      console.log(JSON.stringify(vigil.snapshot().threadPool));`, { UV_THREADPOOL_SIZE: '1' });
    const kind = (k) => d.kinds.find((x) => x.kind === k);
    const cpu = kind('cpu');
    assert.equal(cpu.run.count, 8);
    assert.equal(cpu.wait.count, 8);
    // One thread: the last one waits for the seven before it.
    assert.ok(cpu.wait.maxMs >= (cpu.run.totalMs - cpu.run.maxMs) * 0.9, JSON.stringify(cpu));
    assert.ok(d.queuedMax >= 7);
    assert.ok(kind('fast-io').run.count >= 2);
    assert.ok(kind('slow-io').run.count >= 1);
    assert.equal(d.queued, 0);
    assert.equal(d.unmeasured, 0);
  });

  test('200 Workers come and go and leave nothing', async (t) => {
    const d = await script(t, `
      import { Worker } from 'node:worker_threads';
      vigil.lag();
      const one = () => new Promise((r) => new Worker('0', { eval: true, name: 'short' }).on('exit', r));
      const most = new Set();
      for (let i = 0; i < 50; i++) {
        await Promise.all([one(), one(), one(), one()]);
        for (const l of vigil.snapshot().loops) if (l.kind === 'worker') most.add(l.threadId);
      }
      const ended = Date.now() + 60000;
      let left;
      do {
        await sleep(200);
        left = vigil.snapshot().loops.filter((l) => l.kind === 'worker').length;
      } while (left !== 0 && Date.now() < ended);
      console.log(JSON.stringify({ left, seen: most.size }));`, { VIGIL_WINDOW: '1s' });
    assert.equal(d.left, 0);
    assert.ok(d.seen > 0, 'ended Workers stay readable for a window');
  });
});
