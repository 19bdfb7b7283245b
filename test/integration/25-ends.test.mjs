// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The process ends in the middle of a capture: it ends as it would without
// Vigil, and at once; what is in VIGIL_DIR under a final name is complete.

import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, MINUTE, app, temporary, until } from './helpers.mjs';
import { checkIncident, incidents, isIncident, suppressed, unfinished, waitForIncident } from './incident.mjs';

// A server in the middle of a capture that would take another minute.
async function capturing(t, env = {}) {
  const dir = path.join(temporary(t), 'vigil');
  const it = new App(t, [app('ending.mjs')],
                     { env: { ...FAST, VIGIL_CPU_PROFILE: '1m', VIGIL_DIR: dir, ...env } });
  const [, port] = await it.line(/^ready (\d+)/m);
  await until(() => unfinished(dir).length === 1, () => `capture; it said ${it.said()}`);
  // The profile runs: V8's thread for it is there.
  await until(() => it.threads().some((name) => name.startsWith('v8:Prof')), 'profiler');
  return { it, dir, end: (how) => fetch(`http://127.0.0.1:${port}/end?how=${how}`).catch(() => {}) };
}

// Ends within 20 s, loosely: the capture would take a minute.
async function ends(it, how, want) {
  await how();
  const { code, signal } = await it.exit(20_000);
  assert.deepEqual({ code, signal }, { code: null, signal: null, ...want });
}

function checkAll(dir) {
  return incidents(dir).map(checkIncident);
}

describe('the end in the middle of a capture', { concurrency: 4 }, () => {
  test('process.exit()', async (t) => {
    const { it, dir, end } = await capturing(t);
    await ends(it, () => end('exit'), { code: 3 });
    assert.match(it.stdout, /^exit 3$/m);
    // There is time for what the profile has so far.
    const [{ manifest, profile }] = checkAll(dir);
    assert.ok(profile || manifest.noCpuProfile);
    assert.deepEqual(unfinished(dir), []);
  });

  test('an error that nobody catches', async (t) => {
    const { it, dir, end } = await capturing(t);
    await ends(it, () => end('throw'), { code: 1 });
    assert.match(it.stderr, /Error: end/);
    checkAll(dir);
  });

  test('SIGTERM with a handler that exits', async (t) => {
    const { it, dir } = await capturing(t, { TERM: 'yes' });
    await ends(it, () => it.kill('SIGTERM'), { code: 4 });
    checkAll(dir);
    assert.deepEqual(unfinished(dir), []);
  });

  test('SIGTERM without a handler; the next process tidies up', async (t) => {
    const { it, dir } = await capturing(t);
    await ends(it, () => it.kill('SIGTERM'), { signal: 'SIGTERM' });
    assert.deepEqual(incidents(dir), []);
    assert.equal(unfinished(dir).length, 1);
    // An incident that was never finished does not count for the cool-down.
    const next = new App(t, [app('ending.mjs')],
                         { env: { ...FAST, VIGIL_CAPTURE: 'cpu', VIGIL_DIR: dir } });
    const { manifest } = checkIncident(await waitForIncident(next, dir));
    assert.equal(manifest.process.pid, next.pid);
    assert.deepEqual(unfinished(dir), []);
  });

  test('SIGKILL', async (t) => {
    const { it, dir } = await capturing(t);
    await ends(it, () => it.kill('SIGKILL'), { signal: 'SIGKILL' });
    assert.deepEqual(incidents(dir), []);
  });

  // Node runs its exit hooks then, so there may be an incident.
  test('SIGKILL by its own hand', async (t) => {
    const { it, dir, end } = await capturing(t);
    await ends(it, () => end('kill'), { signal: 'SIGKILL' });
    checkAll(dir);
  });
});

describe('the cool-down', { concurrency: 4 }, () => {
  const env = { ...FAST, VIGIL_CAPTURE: 'cpu' };

  test('another process has its incident when it is over', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const start = () => new App(t, [app('serve.mjs'), 'tcp'],
                                { env: { ...env, VIGIL_COOLDOWN: '5s', VIGIL_DIR: dir } });
    // Blocked at the same time, and for good.
    const both = [start(), start()];
    await until(() => incidents(dir).length === 2 && both.every((it) => it.vigil.some(isIncident)),
                () => `second incident; they said ${both.map((it) => it.said())}`, 2 * MINUTE);
    // The second one was refused first, which was said once.
    const refused = both.flatMap((it) => it.vigil).filter((line) => !isIncident(line));
    assert.equal(refused.length, 1, `${refused}`);
    assert.match(refused[0], /; not captured: it is too soon after the last incident \(VIGIL_COOLDOWN\)$/);
    const [a, b] = incidents(dir).map((it) => checkIncident(it).manifest)
      .sort((x, y) => x.triggered < y.triggered ? -1 : 1);
    assert.notEqual(a.process.pid, b.process.pid);
    assert.ok(Date.parse(b.triggered) - Date.parse(a.triggered) >= 5000, `${a.triggered} ${b.triggered}`);
  });

  test('no second incident within it, also not after a restart', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const start = (more) => new App(t, [app('serve.mjs'), 'tcp'], { env: { ...env, VIGIL_DIR: dir, ...more } });
    const first = start();
    const name = await waitForIncident(first, dir);
    // Its successors are refused one after the other, which is counted.
    for (let i = 1; i <= 2; i++) {
      const next = start();
      await until(() => suppressed(dir) === i, () => `refusal ${i}; it said ${next.said()}`);
      await next.line(/^vigil: .*; not captured: it is too soon after the last incident \(VIGIL_COOLDOWN\)\n/m, 'stderr');
      assert.equal(next.vigil.length, 1);
      next.kill('SIGKILL');
      await next.exit();
    }
    assert.equal(first.exited, false);
    assert.deepEqual(incidents(dir), [name]);
    assert.deepEqual(unfinished(dir), []);
    assert.equal(first.vigil.length, 1);
  });
});

// Stock Node hangs in every third: a thread that compiles waits for the main thread
// to collect garbage, and the main thread for it.
describe('process.exit() while threads allocate', () => {
  test('ends, and at once', async (t) => {
    const flags = ['--stress-concurrent-allocation', '--no-lazy', '--max-old-space-size=200'];
    for (let i = 0; i < 20; i++)
      await ends(new App(t, [...flags, app('allocating.mjs')], { env: { VIGIL: 'off' } }), () => {}, { code: 5 });
  });
});
