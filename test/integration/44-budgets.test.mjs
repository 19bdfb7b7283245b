// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What incidents may cost, for all processes that share VIGIL_DIR: time, disk,
// and how many at once. A restart gets round none of it.

import assert from 'node:assert/strict';
import { mkdirSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, MINUTE, app, temporary, until } from './helpers.mjs';
import { checkIncident, incidents, suppressed, unfinished } from './incident.mjs';

const MB = 2 ** 20;
const TB = 2 ** 40;
// Incidents without files: they take no time.
const QUICK = { ...FAST, VIGIL_CAPTURE: 'none', VIGIL_COOLDOWN: '0s' };

const newDir = (t) => path.join(temporary(t), 'vigil');
// Blocked for `ms` again and again.
const start = (t, dir, env = {}, ms = 100) =>
  new App(t, [app('moody.mjs'), String(ms)], { env: { ...QUICK, VIGIL_DIR: dir, ...env } });
const manifests = (dir) => incidents(dir).map((it) => checkIncident(it).manifest);

// What became of its first incident, as the budget's folder tells it.
async function outcome(it, dir) {
  const before = { incidents: incidents(dir).length, suppressed: suppressed(dir) };
  return until(() => {
    if (it.exited) throw new Error(`ended; it said ${it.said()}`);
    if (incidents(dir).length > before.incidents && it.vigil.length > 0) return 'captured';
    return suppressed(dir) > before.suppressed && 'suppressed';
  }, () => `outcome; it said ${it.said()}`, 2 * MINUTE);
}

async function kill(it) {
  it.kill('SIGKILL');
  await it.exit();
}

// An incident of somebody else, a day old, as big as it says.
function makeOld(dir, hour, bytes) {
  const day = new Date(Date.now() - 24 * 3600_000).toISOString().slice(0, 10).replaceAll('-', '');
  const folder = path.join(dir, `incident-${day}T0${hour}0000Z-4711`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(path.join(folder, 'heap-1234567890.heapsnapshot'), '');
  truncateSync(path.join(folder, 'heap-1234567890.heapsnapshot'), bytes);
  return folder;
}

describe('budgets', { concurrency: 4 }, () => {
  test('per hour: restarts do not help, twice as bad does', async (t) => {
    const dir = newDir(t);
    const env = { VIGIL_PER_HOUR: '2' };
    const all = [];
    for (let i = 0; i < 4; i++) {
      const it = start(t, dir, env);
      all.push(await outcome(it, dir));
      await kill(it);
    }
    assert.deepEqual(all, ['captured', 'captured', 'suppressed', 'suppressed']);
    assert.deepEqual(manifests(dir).map((m) => m.suppressedBefore), [0, 0]);

    // Many times as bad. It says what came of the others.
    const worse = start(t, dir, env, 1500);
    assert.equal(await outcome(worse, dir), 'captured');
    assert.match(worse.vigil[0], /; over the budget before it: 2$/);
    await until(() => suppressed(dir) === 0, 'count that starts again');
    const [last] = manifests(dir).filter((m) => m.process.pid === worse.pid);
    assert.equal(last.suppressedBefore, 2);
    await kill(worse);

    // From now on that is not bad enough any more.
    const it = start(t, dir, env, 400);
    assert.equal(await outcome(it, dir), 'suppressed');
    await it.line(/^vigil: .*; not captured: there were enough incidents in this hour \(VIGIL_PER_HOUR\)\n/m, 'stderr');
    assert.equal(it.vigil.length, 1);
  });

  test('per hour: captures that never ended count', async (t) => {
    const dir = newDir(t);
    const env = { VIGIL_PER_HOUR: '2', VIGIL_CAPTURE: 'cpu', VIGIL_CPU_PROFILE: '1m' };
    for (let i = 0; i < 2; i++) {
      const it = start(t, dir, env);
      await until(() => unfinished(dir).some((name) => name.endsWith(`-${it.pid}`)),
                  () => `capture ${i}; it said ${it.said()}`);
      await kill(it);
    }
    assert.equal(await outcome(start(t, dir, env), dir), 'suppressed');
    assert.deepEqual(incidents(dir), []);
  });

  test('VIGIL_DISK: the oldest go first, none that is being written', async (t) => {
    const dir = newDir(t);
    const [first, second, third] = [1, 2, 3].map((hour) => makeOld(dir, hour, 20 * MB));
    // What is not ours stays.
    const other = path.join(dir, 'incident-of-mine');
    mkdirSync(other);
    const slow = start(t, dir, { VIGIL_CAPTURE: 'cpu', VIGIL_CPU_PROFILE: '8s', VIGIL_DISK: '1GB' });
    await until(() => unfinished(dir).length === 1, () => `capture; it said ${slow.said()}`);
    assert.equal(incidents(dir).length, 4);

    // Some room is made in advance, so that of 100 MB only one of the three stays.
    const quick = start(t, dir, { VIGIL_DISK: '100MB' });
    await quick.line(/^vigil: .*incident-.*\n/m, 'stderr');
    assert.equal(slow.vigil.length, 0);
    const names = incidents(dir);
    assert.equal(names.includes(first) || names.includes(second), false, `${names}`);
    assert.equal(names.includes(third) && names.includes(other), true, `${names}`);

    await slow.line(/^vigil: .*incident-.*\n/m, 'stderr');
    const own = incidents(dir).filter((it) => ![third, other].includes(it)).map(checkIncident);
    assert.deepEqual(own.map(({ manifest }) => manifest.process.pid).sort(), [slow.pid, quick.pid].sort());
    assert.ok(own.some(({ profile }) => profile !== null));
  });

  const { bavail, bsize } = statfsSync('/tmp');
  test('VIGIL_DISK_FREE: nothing below the floor', { skip: bavail * bsize > TB && 'over 1 TB is free' }, async (t) => {
    const dir = newDir(t);
    const kept = makeOld(dir, 1, 20 * MB);
    assert.equal(await outcome(start(t, dir, { VIGIL_DISK_FREE: '1TB' }), dir), 'suppressed');
    // Others fill the disk: our old incidents do not go for that.
    assert.deepEqual(incidents(dir), [kept]);
    const it = start(t, dir, { VIGIL_DISK_FREE: '0' });
    assert.equal(await outcome(it, dir), 'captured');
    assert.match(it.vigil[0], /; over the budget before it: 1$/);
  });

  test('VIGIL_HOST_CAPTURES: no more at once', async (t) => {
    const dir = newDir(t);
    const env = { VIGIL_HOST_CAPTURES: '2', VIGIL_PER_HOUR: '60', VIGIL_CAPTURE: 'cpu', VIGIL_CPU_PROFILE: '4s' };
    const all = Array.from({ length: 4 }, () => start(t, dir, env));
    let most = 0;
    // The others have their turn later.
    await until(() => {
      most = Math.max(most, unfinished(dir).length);
      assert.ok(most <= 2, `${unfinished(dir)}`);
      return incidents(dir).length === 4;
    }, () => `four incidents; they said ${all.map((it) => it.said())}`, 3 * MINUTE);
    assert.equal(most, 2);
    assert.deepEqual(manifests(dir).map((m) => m.process.pid).sort(), all.map((it) => it.pid).sort());
  });

  test('a damaged state is said once, and does not allow more', async (t) => {
    const dir = newDir(t);
    const folder = path.join(dir, `.budget-${process.geteuid()}`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(path.join(folder, 'state'), 'vigil budget 1\nnonsense\n', { mode: 0o600 });
    const it = start(t, dir, { VIGIL_PER_HOUR: '1' }, 60);
    await it.line(/state is damaged.*\n/m, 'stderr');
    await until(() => suppressed(dir) === 1, () => `refusal; it said ${it.said()}`);
    await it.line(/; not captured: there were enough incidents in this hour.*\n/, 'stderr');
    assert.equal(it.vigil.length, 2);
    assert.deepEqual(incidents(dir), []);
  });
});
