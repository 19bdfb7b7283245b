// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The process ends in the middle of a capture: it ends as it would without
// Vigil, and at once; what is in VIGIL_DIR under a final name is complete.

import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, app, temporary, until } from './helpers.mjs';
import { checkIncident, incidents, unfinished, waitForIncident } from './incident.mjs';

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
                         { env: { ...FAST, VIGIL_HEAP_SNAPSHOT: 'off', VIGIL_DIR: dir } });
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
  const env = { ...FAST, VIGIL_HEAP_SNAPSHOT: 'off' };

  test('a second incident follows when it is over', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const it = new App(t, [app('serve.mjs'), 'tcp'],
                       { env: { ...env, VIGIL_COOLDOWN: '1s', VIGIL_DIR: dir } });
    checkIncident(await waitForIncident(it, dir, 2));
    assert.equal(it.vigil.length >= 2, true);
  });

  test('no second incident within it, also not after a restart', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const start = (more) => new App(t, [app('serve.mjs'), 'tcp'], { env: { ...env, VIGIL_DIR: dir, ...more } });
    const first = start();
    const name = await waitForIncident(first, dir);
    // As long as another process takes for two incidents, this one, still
    // blocked, and its successor write none.
    const second = start();
    await second.line(/^ready/m);
    const other = start({ VIGIL_COOLDOWN: '0s', VIGIL_DIR: `${dir}-other` });
    await waitForIncident(other, `${dir}-other`, 2);
    assert.equal(first.exited || second.exited, false);
    assert.deepEqual(incidents(dir), [name]);
    assert.deepEqual(unfinished(dir), []);
    assert.equal(first.vigil.length, 1);
    assert.deepEqual(second.vigil, []);
  });
});
