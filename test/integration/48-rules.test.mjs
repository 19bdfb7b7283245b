// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Each rule has its incident, with its own headline, and none when it is off;
// when an incident begins, and when the next one may. The lag rule is tested
// everywhere else.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, app, temporary, until } from './helpers.mjs';
import { checkIncident, incidents, unfinished, waitForIncident } from './incident.mjs';

// No other rule is to be first.
const ALONE = { ...FAST, VIGIL_LAG_P99_MS: '60000', VIGIL_COOLDOWN: '0s', VIGIL_PER_HOUR: '60' };

function start(t, args, env = {}) {
  const dir = path.join(temporary(t), 'vigil');
  const it = new App(t, args, { env: { ...ALONE, VIGIL_DIR: dir, ...env } });
  it.dir = dir;
  it.get = async (what) => (await fetch(`http://127.0.0.1:${(await it.line(/^ready (\d+)/m))[1]}${what}`)).text();
  return it;
}

const fifo = (t) => {
  const file = path.join(temporary(t), 'fifo');
  execFileSync('mkfifo', [file]);
  return file;
};

// Its incident; one without the rule, and in the same trouble for longer, has
// none.
async function firesOrNot(t, rule, args, env, off, trouble = () => {}) {
  const without = start(t, args(), { ...env, ...off });
  await without.line(/^ready/m);
  await trouble(without);
  const it = start(t, args(), env);
  await trouble(it);
  const parts = checkIncident(await waitForIncident(it, it.dir));
  assert.equal(parts.manifest.rule.name, rule);
  assert.ok(it.vigil[0].startsWith(`${parts.manifest.headline}, cause: ${parts.manifest.cause.class} (`), it.vigil[0]);
  assert.deepEqual(incidents(without.dir).concat(unfinished(without.dir)), []);
  assert.equal(without.exited, false);
  assert.deepEqual(without.vigil, []);
  return { it, ...parts };
}

describe('rules', { concurrency: 3 }, () => {
  test('gc-share', async (t) => {
    const { manifest, alloc } = await firesOrNot(
      t, 'gc-share', () => ['--expose-gc', app('rules.mjs'), 'gc'], {}, { VIGIL_GC_SHARE: 'off' });
    assert.match(manifest.headline, /^GC took \d+\.\d % of the last 1\.\d s \(limit 30\.0 %, main thread\)$/);
    assert.deepEqual([manifest.rule.unit, manifest.rule.limit], ['%', 30]);
    assert.ok(manifest.rule.value > 30 && manifest.rule.value <= 101, JSON.stringify(manifest.rule));
    assert.ok(manifest.gc.pausesInWindowMs > 300, JSON.stringify(manifest.gc));
    // Then who allocates matters.
    if (manifest.cause.class === 'starved') return;  // Other work on this machine.
    assert.equal(manifest.cause.class, 'gc', manifest.cause.text);
    assert.notEqual(alloc, null);
  });

  test('old-space', async (t) => {
    const { manifest } = await firesOrNot(
      t, 'old-space', () => ['--expose-gc', '--max-old-space-size=200', app('rules.mjs'), 'heap'],
      { VIGIL_OLD_SPACE_SHARE: '10%', VIGIL_GC_SHARE: 'off', VIGIL_NEAR_HEAP_LIMIT: '0' },
      { VIGIL_OLD_SPACE_SHARE: 'off' });
    assert.match(manifest.headline, /^after a full collection the heap is at \d+\.\d % \(limit 10\.0 %, main thread\)$/);
    assert.deepEqual([manifest.rule.unit, manifest.rule.limit], ['%', 10]);
    assert.ok(manifest.rule.value < 100, JSON.stringify(manifest.rule));
  });

  test('pool-wait-p99, again after a time of calm', async (t) => {
    const pipes = [];
    const { it, manifest } = await firesOrNot(
      t, 'pool-wait-p99', () => [app('rules.mjs'), 'pool', pipes[pipes.push(fifo(t)) - 1]],
      { UV_THREADPOOL_SIZE: '1', VIGIL_POOL_WAIT_P99_MS: '700' }, { VIGIL_POOL_WAIT_P99_MS: 'off' });
    assert.match(manifest.headline,
                 /^the wait for the thread pool has a p99 of \d+ ms over the last 1\.\d s \(limit 700 ms, main thread\)$/);
    assert.deepEqual([manifest.rule.unit, manifest.rule.limit], ['ms', 700]);
    assert.equal(manifest.cause.class, 'threadpool', manifest.cause.text);
    assert.ok(manifest.pool.queued > 0 && manifest.pool.running === 1, JSON.stringify(manifest.pool));
    // The thread is free, and the pool has nothing to do; then it is not, again.
    const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
    await until(async () => {
      const opened = it.stdout.split('opened').length;
      writeFileSync(pipes[1], '');
      await until(() => it.stdout.split('opened').length > opened, 'opening');
      await sleep(4000);
      it.kill('SIGHUP');
      await sleep(4000);
      return incidents(it.dir).length >= 2;
    }, 'second incident');
    incidents(it.dir).forEach((name) => checkIncident(name));
    for (const pipe of pipes) writeFileSync(pipe, '');
  });

  test('stall', async (t) => {
    const { manifest, stalls } = await firesOrNot(
      t, 'stall', () => [app('moody.mjs')], { VIGIL_STALL_TRIGGER: '1s' }, { VIGIL_STALL_TRIGGER: 'off' },
      async (it) => {
        // The first period is masked: it holds work of our own.
        await until(async () => Number(await it.get('/lag?ms=2000')) >= 0, 'first window');
        await it.get('/once?ms=4000');
      });
    assert.match(manifest.headline, /^the event loop was blocked for \d+ ms \(limit 1000 ms, main thread\)$/);
    assert.deepEqual([manifest.rule.unit, manifest.rule.limit], ['ms', 1000]);
    assert.ok(manifest.rule.value < 60_000, JSON.stringify(manifest.rule));
    assert.equal(stalls.stalls.length, 1);
  });
});

describe('when', { concurrency: 2 }, () => {
  const lag = { VIGIL_LAG_P99_MS: '50', VIGIL_CAPTURE: 'none' };

  test('not within the time of grace', async (t) => {
    const from = Date.now();
    const it = start(t, [app('moody.mjs'), '200'], { ...lag, VIGIL_GRACE: '8s' });
    const { manifest } = checkIncident(await waitForIncident(it, it.dir));
    assert.ok(Date.parse(manifest.triggered) - from >= 8000, manifest.triggered);
  });

  test('once while it lasts, again after a time of calm', async (t) => {
    const it = start(t, [app('moody.mjs'), '200'], lag);
    await waitForIncident(it, it.dir);
    // As long as others take from the start to their incident, in turn.
    for (let i = 0; i < 2; i++) {
      const other = start(t, [app('moody.mjs'), '200'], lag);
      await waitForIncident(other, other.dir);
      other.kill('SIGKILL');
    }
    assert.equal(incidents(it.dir).length, 1);
    await it.get('/calm');
    await until(async () => Number(await it.get('/lag?ms=5000')) < 10, 'calm');
    assert.equal(incidents(it.dir).length, 1);
    await it.get('/load?ms=200');
    checkIncident(await waitForIncident(it, it.dir, 2));
    assert.equal(it.vigil.length, 2);
  });
});
