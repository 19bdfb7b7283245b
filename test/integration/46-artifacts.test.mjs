// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What is in VIGIL_DIR, whatever happens in the middle: the schema of
// incident.json, death at any moment, ends that are bounded, places that
// cannot be written to.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, MINUTE, app, node, temporary, until } from './helpers.mjs';
import { REPORT, checkIncident, incidents, unfinished, waitForIncident } from './incident.mjs';

const newDir = (t) => path.join(temporary(t), 'vigil');

// ---- the schema

const CAUSES = ['js', 'gc', 'native', 'syscall', 'threadpool', 'starved', 'throttled', 'suspended', 'unknown'];
const RULES = ['lag-p99', 'stall', 'gc-share', 'pool-wait-p99', 'old-space', 'heap-limit', 'a signal', 'node:vigil'];
const is = {
  count: (v) => Number.isInteger(v) && v >= 0,
  ms: (v) => typeof v === 'number' && v >= 0,
  text: (v) => typeof v === 'string' && v !== '',
  bool: (v) => typeof v === 'boolean',
  time: (v) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(v),
  reason: (v) => v === null || is.text(v),
  object: (v) => typeof v === 'object' && v !== null && !Array.isArray(v),
  objectOrNull: (v) => v === null || is.object(v),
  mode: (v) => v === 'fork' || v === 'inprocess',
  column: (v) => Array.isArray(v) && v.every((x) => x === null || typeof x === 'number'),
  texts: (v) => Array.isArray(v) && v.every(is.text),
  classes: (v) => is.texts(v) && v.every((c) => CAUSES.includes(c)),
  files: (v) => Array.isArray(v) && v.every(is.object),
  cause: (v) => CAUSES.includes(v),
  rule: (v) => RULES.includes(v),
  unit: (v) => v === 'ms' || v === '%',
  hash: (v) => /^[0-9a-f]{64}$/.test(v),
  one: (v) => v === 1,
};

// [member, type and unit]; a ? after the name: not always there; * stands for
// every other member, and for each element of a list. Times are in ms unless
// the rule's unit says otherwise.
const SCHEMA = [
  ['schema', 'one'], ['triggered', 'time'], ['finished', 'time'], ['headline', 'text'],
  ['process', 'object'], ['process.pid', 'count'], ['process.ppid', 'count'], ['process.host', 'text'],
  ['process.vigil', 'text'],
  ['thread', 'object'], ['thread.id', 'count'], ['thread.name', 'text'],
  ['rule', 'object'], ['rule.name', 'rule'], ['rule.onDemand', 'bool'], ['rule.unit?', 'unit'],
  ['rule.value?', 'ms'], ['rule.limit?', 'ms'], ['rule.windowMs', 'ms'], ['rule.forMs', 'ms'],
  ['cause', 'object'], ['cause.class', 'cause'], ['cause.text', 'text'], ['cause.possible?', 'classes'],
  ['cause.missing', 'texts'],
  ['cause.figures', 'object'], ['cause.figures.spanMs', 'ms'], ['cause.figures.busyMs', 'ms'],
  ['cause.figures.cpuMs?', 'ms'], ['cause.figures.runDelayMs?', 'ms'],
  ['cause.figures.throttledMs?', 'ms'], ['cause.figures.throttledPeriods?', 'count'],
  ['cause.figures.quotaMs?', 'ms'], ['cause.figures.quotaPeriodMs?', 'ms'],
  ['cause.figures.stoppedMs?', 'ms'], ['cause.figures.suspendedMs?', 'ms'], ['cause.figures.gcMs?', 'ms'],
  ['cause.figures.poolWaitMs?', 'ms'], ['cause.figures.poolWaitMaxMs?', 'ms'],
  ['cause.figures.poolWorks?', 'count'], ['cause.figures.poolQueued?', 'count'],
  ['cause.figures.samplesJs?', 'count'], ['cause.figures.samplesNative?', 'count'],
  ['cause.figures.samplesGc?', 'count'], ['cause.figures.samplesSyscall?', 'count'],
  ['cause.figures.syscall?', 'text'], ['cause.figures.syscallMs?', 'ms'],
  ['cause.figures.watchLateMs?', 'ms'], ['cause.figures.runnableThreads?', 'count'],
  ['lag', 'object'], ['lag.windowMs', 'ms'], ['lag.p50Ms', 'ms'], ['lag.p90Ms', 'ms'], ['lag.p99Ms', 'ms'],
  ['lag.p999Ms', 'ms'], ['lag.meanMs', 'ms'], ['lag.maxMs', 'ms'], ['lag.busyMs', 'ms'],
  ['lag.periods', 'count'], ['lag.polls', 'count'], ['lag.events', 'count'],
  ['gc', 'object'], ['gc.pausesInWindowMs', 'ms'], ['gc.sinceStart', 'object'], ['gc.sinceStart.*?', 'object'],
  ['gc.sinceStart.*.count', 'count'], ['gc.sinceStart.*.totalMs', 'ms'], ['gc.sinceStart.*.maxMs', 'ms'],
  ['pool', 'object'], ['pool.queued', 'count'], ['pool.running', 'count'], ['pool.sinceStart', 'object'],
  ['pool.sinceStart.*?', 'object'], ['pool.sinceStart.*.count', 'count'],
  ['pool.sinceStart.*.waitP99Ms', 'ms'], ['pool.sinceStart.*.waitMaxMs', 'ms'],
  ['pool.sinceStart.*.runP99Ms', 'ms'], ['pool.sinceStart.*.runMaxMs', 'ms'],
  ['timeline?', 'object'],
  ...['atMs', 'spanMs', 'p99Ms', 'maxMs', 'busyMs', 'gcMs', 'poolWaitMs'].map((name) => [`timeline.${name}`, 'column']),
  ['suppressedBefore', 'count'], ['captureMs', 'ms'], ['startMs', 'ms'], ['stopMs', 'ms'], ['snapshotMs', 'ms'],
  ['heapSnapshot', 'objectOrNull'], ['heapSnapshot.mode', 'mode'], ['heapSnapshot.tries', 'count'],
  ['heapSnapshot.heapBytes', 'count'], ['heapSnapshot.restMs', 'ms'], ['heapSnapshot.forkMs', 'ms'],
  ['heapSnapshot.childMs', 'ms'], ['heapSnapshot.childBytes', 'count'],
  ['noCpuProfile', 'reason'], ['noHeapSnapshot', 'reason'], ['noAllocProfile', 'reason'],
  ['noProfileBefore', 'reason'], ['noStalls', 'reason'], ['noLeakHunt', 'reason'],
  ['files', 'files'], ['files.*?', 'object'], ['files.*.name', 'text'], ['files.*.bytes', 'count'],
  ['files.*.sha256', 'hash'],
];

// Every member is as the table has it, and nothing else is there.
function checkSchema(value, prefix = '') {
  const rows = SCHEMA.filter(([name]) => name.startsWith(prefix) && !name.slice(prefix.length).includes('.'))
    .map(([name, type]) => ({ name: name.slice(prefix.length).replace('?', ''), optional: name.endsWith('?'), type }));
  for (const { name, optional } of rows) {
    assert.ok(optional || Object.hasOwn(value, name), `${prefix}${name} is missing`);
  }
  for (const [name, member] of Object.entries(value)) {
    const row = rows.find((r) => r.name === name) ?? rows.find((r) => r.name === '*');
    assert.ok(row, `${prefix}${name} is not in the schema`);
    assert.ok(is[row.type](member), `${prefix}${name} is ${JSON.stringify(member)}, no ${row.type}`);
    if (member !== null && ['object', 'objectOrNull', 'files'].includes(row.type)) {
      checkSchema(member, `${prefix}${row.name}.`);
    }
  }
}

test('incident.json is as its schema says', async (t) => {
  const dir = newDir(t);
  const it = new App(t, [app('moody.mjs'), '600'], { env: { ...FAST, VIGIL_DIR: dir } });
  const { manifest } = checkIncident(await waitForIncident(it, dir));
  checkSchema(manifest);
  // A block of 600 ms at a time leaves stalls, so all that is wanted is there.
  assert.deepEqual(manifest.files.filter(({ name }) => name !== REPORT).map(({ name }) => name.split(/[-.]/)[0]).sort(),
                   ['before', 'cpu', 'heap', 'stalls']);
  assert.ok(is.object(manifest.heapSnapshot));
  const [, port] = /ready (\d+)/.exec(it.stdout);
  await fetch(`http://127.0.0.1:${port}/calm`);
  const asked = new App(t, ['-e', `require('node:vigil').capture({ cpuProfileMs: 100 })
    .then(({ directory, ...manifest }) => console.log(JSON.stringify(manifest)));`],
                        { env: { VIGIL_DIR: dir } });
  checkSchema(JSON.parse((await asked.exit()).stdout));
});

// ---- death in the middle

test('SIGKILL at any moment leaves an incident or what the next one cleans', async (t) => {
  const KILLS = 24;
  const dir = newDir(t);
  // Captures at once, and tells when it has.
  const start = () => new App(t, ['-e', `
    const kept = Array.from({ length: 200_000 }, (_, i) => ({ i }));
    require('node:vigil').capture({ cpuProfileMs: 200 }).then(() => { console.log('captured', kept.length); });
    setInterval(() => {}, 1000);`], { env: { VIGIL: 'on', VIGIL_DIR: dir } });
  const mine = (it) => unfinished(dir).filter((name) => name.endsWith(`-${it.pid}`));
  const begun = async (it) => {
    // Quick, since the moment counts.
    while (mine(it).length + incidents(dir).filter((name) => name.endsWith(`-${it.pid}`)).length === 0) {
      assert.equal(it.exited, false, it.said());
      await new Promise((done) => setTimeout(done, 2));
    }
    return performance.now();
  };

  const whole = start();
  const from = await begun(whole);
  await whole.line(/^captured/m);
  const took = performance.now() - from;
  await whole.line(/^vigil: /m, 'stderr');
  whole.kill('SIGKILL');
  await whole.exit();

  let partial = 0;
  for (let i = 0; i < KILLS; i++) {
    const it = start();
    const at = await begun(it) + took * 1.1 * i / KILLS;
    // The one before left nothing behind, whether it was ended or not.
    assert.deepEqual(unfinished(dir), mine(it));
    await until(() => performance.now() >= at, 'time');
    it.kill('SIGKILL');
    await it.exit();
    const left = mine(it);
    const done = incidents(dir).filter((name) => name.endsWith(`-${it.pid}`));
    assert.equal(left.length + done.length, 1, `${[...left, ...done]}`);
    // Partial is what it is called.
    if (left.length === 1) partial++;
    else checkIncident(done[0]);
  }
  assert.ok(partial >= KILLS / 3, `only ${partial} of ${KILLS} kills hit a capture`);

  const last = start();
  await last.line(/^captured/m);
  assert.deepEqual(unfinished(dir), []);
  incidents(dir).forEach((name) => checkIncident(name));
});

// ---- ends

describe('the end', { concurrency: 4 }, () => {
  const LONG = { ...FAST, VIGIL_CPU_PROFILE: '1m' };

  async function capturing(t, env) {
    const dir = newDir(t);
    const it = new App(t, [app('moody.mjs'), '200'], { env: { ...LONG, VIGIL_DIR: dir, ...env } });
    const [, port] = await it.line(/^ready (\d+)/m);
    await until(() => unfinished(dir).length === 1, () => `capture; it said ${it.said()}`);
    return { it, dir, exit: () => fetch(`http://127.0.0.1:${port}/exit`) };
  }

  // Far below the minute that a capture, or the wait for it, would take.
  const soon = async (it) => (await it.exit(30_000)).code;

  for (const VIGIL_EXIT_WAIT of ['0s', '1m']) {
    test(`in the middle of a capture, VIGIL_EXIT_WAIT=${VIGIL_EXIT_WAIT}`, async (t) => {
      const { it, dir, exit } = await capturing(t, { VIGIL_EXIT_WAIT });
      await exit();
      assert.equal(await soon(it), 3);
      const all = incidents(dir).map(checkIncident);
      // With time to wait, what there is by then is kept.
      if (VIGIL_EXIT_WAIT === '1m') {
        assert.equal(all.length, 1);
        assert.ok(all[0].profile);
        assert.match(all[0].manifest.noHeapSnapshot, /ended first/);
        assert.deepEqual(unfinished(dir), []);
      }
    });
  }

  test('of a healthy program is not delayed', async (t) => {
    const it = new App(t, [app('moody.mjs')], { env: { ...LONG, VIGIL_EXIT_WAIT: '1m', VIGIL_DIR: newDir(t) } });
    const [, port] = await it.line(/^ready (\d+)/m);
    await until(() => it.threads().includes('vigil-watch'), 'watch thread');
    await fetch(`http://127.0.0.1:${port}/exit`);
    assert.equal(await soon(it), 3);
    // Nor with an incident behind it.
    const dir = newDir(t);
    const second = new App(t, [app('moody.mjs'), '200'],
                           { env: { ...FAST, VIGIL_CAPTURE: 'cpu', VIGIL_EXIT_WAIT: '1m', VIGIL_DIR: dir } });
    await waitForIncident(second, dir);
    await fetch(`http://127.0.0.1:${/ready (\d+)/.exec(second.stdout)[1]}/exit`);
    assert.equal(await soon(second), 3);
  });

  test('of the trouble is soon the end of the profile', async (t) => {
    const dir = newDir(t);
    const it = new App(t, [app('moody.mjs'), '200'], { env: { ...LONG, VIGIL_CAPTURE: 'cpu', VIGIL_DIR: dir } });
    const [, port] = await it.line(/^ready (\d+)/m);
    await until(() => unfinished(dir).length === 1, () => `capture; it said ${it.said()}`);
    await fetch(`http://127.0.0.1:${port}/calm`);
    const { profile } = checkIncident(await waitForIncident(it, dir));
    const length = (profile.endTime - profile.startTime) / 1e6;
    assert.ok(length >= 3 && length < 30, `${length} s`);
  });
});

// ---- places

const mountable = (() => {
  try {
    execFileSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs none /mnt'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'cannot mount here';
  }
})();

describe('a later chance', { concurrency: 3 }, () => {
  const env = { ...FAST, VIGIL_CAPTURE: 'cpu' };

  // One line, while it serves; an incident once `repair` was done.
  async function comesBack(t, it, inside, reason, repair) {
    const [, port] = await it.line(/^ready (\d+)/m);
    await it.line(reason, 'stderr');
    assert.equal(it.vigil.length, 1, it.stderr);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'ok\n');
    repair();
    await until(() => incidents(inside).length === 1 && it.vigil.length === 2,
                () => `incident; it said ${it.said()}`, 2 * MINUTE);
    checkIncident(incidents(inside)[0]);
  }

  // A file system of its own that only the process and nsenter see.
  async function mounted(t, options, after = 'true') {
    const dir = temporary(t);
    const it = new App(t, ['-m', 'sh', '-c',
                           `mount -t tmpfs -o ${options} none ${dir} && ${after} && exec ${node} ${app('moody.mjs')} 200`],
                       { bin: 'unshare', env: { ...env, VIGIL_DIR: `${dir}/vigil` }, cwd: '/' });
    const remount = (how) => execFileSync('nsenter', ['-t', String(it.pid), '-m', 'mount', '-o', `remount,${how}`, dir]);
    return { it, inside: `/proc/${it.pid}/root${dir}/vigil`, remount };
  }

  test('VIGIL_DIR is a file, and then is not', async (t) => {
    const dir = newDir(t);
    writeFileSync(dir, '');
    const it = new App(t, [app('moody.mjs'), '200'], { env: { ...env, VIGIL_DIR: dir } });
    await comesBack(t, it, dir, /nothing can be captured in .*Not a directory/, () => rmSync(dir));
  });

  test('the file system is read-only', { skip: mountable }, async (t) => {
    const { it, inside, remount } = await mounted(t, 'size=16m,ro');
    await comesBack(t, it, inside, /nothing can be captured in .*Read-only file system/, () => remount('rw'));
  });

  test('the disk is full', { skip: mountable }, async (t) => {
    const { it, inside, remount } = await mounted(t, 'size=64k');
    await comesBack(t, it, inside, /nothing can be captured in .*/, () => remount('size=64m'));
  });

  test('a folder without the right to write to it', { skip: process.geteuid() === 0 && 'root may write anywhere' },
       async (t) => {
         const dir = newDir(t);
         mkdirSync(dir, { mode: 0o500 });
         const it = new App(t, [app('moody.mjs'), '200'], { env: { ...env, VIGIL_DIR: dir } });
         await comesBack(t, it, dir, /nothing can be captured in .*Permission denied/, () => execFileSync('chmod', ['700', dir]));
       });
});
