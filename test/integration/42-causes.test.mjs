// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Why a loop is slow: each cause on purpose, and what an incident holds of it.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { App, FAST, MINUTE, app, node, temporary, until } from './helpers.mjs';
import { addons, noAddons } from './31-native.mjs';
import { first } from './41-first.mjs';
import { REPORT, checkProfile, incidents, onStack } from './incident.mjs';

const program = app('causes.mjs');
let ADDONS;

before(() => { if (!noAddons) ADDONS = addons('blocks.c'); });

// The first incident of a server that is slow for this reason. `around` is what
// starts it: a command that takes another one.
async function once(t, reason, { env, around = [], flags = [] } = {}) {
  const dir = temporary(t);
  const FIFO = path.join(dir, 'fifo');
  const VIGIL_DIR = path.join(dir, 'vigil');
  execFileSync('mkfifo', [FIFO]);
  const [bin, ...args] = [...around, node, '--expose-gc', ...flags, program, reason];
  const it = new App(t, args, { bin, env: { ...FAST, VIGIL_COOLDOWN: '0s', ADDONS, FIFO, VIGIL_DIR, ...env } });
  await it.line(/^ready/m);
  await until(() => {
    assert.equal(it.exited, false, it.said());
    return incidents(VIGIL_DIR).length > 0 && it.vigil.length > 0;
  }, () => `incident; it said ${it.said()}`, 2 * MINUTE);
  it.kill('SIGKILL');
  it.kill('SIGCONT');
  await it.exit();
  const [folder] = incidents(VIGIL_DIR);
  const manifest = JSON.parse(readFileSync(path.join(folder, 'incident.json'), 'utf8'));
  const files = {};
  for (const { name } of manifest.files) {
    if (name === REPORT) continue;
    files[name.replace(/-\d+/, '')] = JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
  }
  for (const profile of [files['cpu.cpuprofile'], files['before.cpuprofile']]) if (profile) checkProfile(profile);
  return { line: it.vigil[0], files, manifest, cause: manifest.cause, figures: manifest.cause.figures };
}

// Others on this machine can starve a server that should be slow for another
// reason. So it goes first, where that is allowed, and is tried again.
async function incident(t, reason, options) {
  for (let i = 0; ; i++) {
    const it = await once(t, reason, { ...options, around: first });
    if (i === 7 || it.cause.class !== 'starved' || it.figures.runDelayMs < 0.4 * it.figures.busyMs) return it;
  }
}

function checkCause({ line, manifest, cause }, expected) {
  assert.equal(cause.class, expected, JSON.stringify(cause));
  assert.ok(cause.text.length > 0);
  assert.equal(cause.possible, undefined);
  assert.ok(line.startsWith(`${manifest.headline}, cause: ${expected} (${cause.text})`), line);
}

const ALL = ['before.cpuprofile', 'cpu.cpuprofile', 'heap.heapsnapshot'];

function checkFiles({ files }, expected) {
  assert.deepEqual(Object.keys(files).filter((name) => name !== 'stalls.json').sort(), expected);
}

// A profile would show an innocent.
function checkSpared(it, expected) {
  checkCause(it, expected);
  checkFiles(it, ['before.cpuprofile']);
  for (const why of [it.manifest.noCpuProfile, it.manifest.noHeapSnapshot]) {
    assert.equal(why, `it would show an innocent, the process was ${expected}`);
  }
  assert.match(it.line, /; wrote \/\S+\/incident\.json, before-\d+\.cpuprofile.*; no CPU profile: it would show an innocent/);
}

function checkNamed({ files }, name) {
  for (const profile of [files['cpu.cpuprofile'], files['before.cpuprofile']]) {
    const { busy, found } = onStack(profile, name);
    assert.ok(found > 0.5 * busy && found > 0, `${name} is in ${found} of ${busy} busy samples`);
  }
}

// What needs a CPU one after another, beside what does not.
describe('a cause', { concurrency: 2 }, () => {
  describe('that needs a CPU', { concurrency: 1 }, () => {
    test('js', async (t) => {
      const it = await incident(t, 'js');
      checkCause(it, 'js');
      checkFiles(it, ALL);
      checkNamed(it, 'guiltyCode');
      const { cpuMs, busyMs, samplesJs, samplesNative } = it.figures;
      assert.ok(cpuMs > 0.3 * busyMs && samplesJs > samplesNative, JSON.stringify(it.figures));
    });

    test('native', { skip: noAddons }, async (t) => {
      const it = await incident(t, 'native');
      checkCause(it, 'native');
      checkFiles(it, ALL);
      checkNamed(it, 'guiltySpin');
      const { cpuMs, busyMs, samplesJs, samplesNative } = it.figures;
      assert.ok(cpuMs > 0.3 * busyMs && samplesNative > samplesJs, JSON.stringify(it.figures));
    });

    test('gc', async (t) => {
      // On two CPUs, threads that help to collect would starve the one they help.
      const it = await incident(t, 'gc', { flags: ['--single-threaded-gc'] });
      checkCause(it, 'gc');
      checkFiles(it, ['alloc.heapprofile', ...ALL]);
      const { gcMs, busyMs } = it.figures;
      assert.ok(gcMs >= 0.5 * busyMs, JSON.stringify(it.figures));
      assert.ok(it.manifest.gc.pausesInWindowMs > 0.4 * busyMs, JSON.stringify(it.manifest.gc));
      // It names what allocated.
      const names = [];
      const walk = ({ callFrame, children }) => { names.push(callFrame.functionName); children.forEach(walk); };
      walk(it.files['alloc.heapprofile'].head);
      assert.ok(names.includes('guiltyAllocate'), names.join());
    });

    test('starved', async (t) => {
      const [, cpu] = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
      const pinned = ['taskset', '-c', cpu];
      for (let i = 0; i < 4; i++) {
        const busy = spawn('timeout', ['60', ...pinned, 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' });
        // It passes the signal on.
        t.after(() => busy.kill());
      }
      const it = await once(t, 'js', { around: pinned });
      checkSpared(it, 'starved');
      const { cpuMs, busyMs, runDelayMs, throttledMs = 0, runnableThreads } = it.figures;
      assert.ok(runDelayMs >= 0.4 * busyMs && cpuMs < 0.6 * busyMs, JSON.stringify(it.figures));
      assert.ok(throttledMs < 0.5 * runDelayMs && runnableThreads >= 4, JSON.stringify(it.figures));
    });
  });

  describe('that needs none', { concurrency: 1 }, () => {
    test('syscall', async (t) => {
      const it = await incident(t, 'syscall');
      checkCause(it, 'syscall');
      checkFiles(it, ALL);
      checkNamed(it, 'guiltyRead');
      const { cpuMs, busyMs, syscall, syscallMs, samplesSyscall } = it.figures;
      assert.equal(syscall, 'read');
      assert.ok(cpuMs < 0.5 * busyMs && syscallMs > 0.5 * busyMs && samplesSyscall > 0, JSON.stringify(it.figures));
      assert.match(it.cause.text, /^the thread was blocked in read\(\) for /);
    });

    test('threadpool', async (t) => {
      const it = await incident(t, 'threadpool', { env: { UV_THREADPOOL_SIZE: '1', VIGIL_POOL_WAIT_P99_MS: '100' } });
      checkCause(it, 'threadpool');
      checkFiles(it, ALL);
      const { manifest: { rule, pool, headline, thread }, figures } = it;
      assert.deepEqual([rule.name, rule.unit, rule.limit, thread.id], ['pool-wait-p99', 'ms', 100, 0]);
      assert.ok(rule.value > 100);
      assert.match(headline, /^the wait for the thread pool has a p99 of \d+ ms over the last /);
      assert.ok(figures.busyMs < 0.5 * figures.spanMs, JSON.stringify(figures));
      assert.ok(figures.poolWaitMs > 100 && figures.poolWaitMaxMs >= figures.poolWaitMs, JSON.stringify(figures));
      assert.ok(figures.poolQueued > 0 && figures.poolQueued <= 9, JSON.stringify(figures));
      // What ran in it.
      assert.ok(pool.running <= 1);  // 0: between two works.
      assert.deepEqual(Object.keys(pool.sinceStart), ['cpu']);
      const { count, waitMaxMs, runMaxMs } = pool.sinceStart.cpu;
      assert.ok(count > 0 && waitMaxMs > 100 && runMaxMs < waitMaxMs, JSON.stringify(pool));
    });

    test('throttled', async (t) => {
      const group = `/sys/fs/cgroup/cpu/vigil-test-${process.pid}`;
      try {
        mkdirSync(group);
        t.after(() => until(() => { try { rmdirSync(group); return true; } catch { return false; } }, 'empty group'));
        writeFileSync(path.join(group, 'cpu.cfs_quota_us'), '25000');
        // Nobody else holds it back.
        writeFileSync(path.join(group, 'cpu.shares'), '262144');
      } catch ({ message }) {
        t.skip(`no CPU quota can be set here: ${message}`);
        return;
      }
      const it = await once(t, 'js', { around: ['sh', '-c', `echo $$ > ${group}/cgroup.procs && exec "$@"`, 'sh'] });
      checkSpared(it, 'throttled');
      const { cpuMs, busyMs, runDelayMs, throttledMs, throttledPeriods, quotaMs, quotaPeriodMs } = it.figures;
      assert.deepEqual([quotaMs, quotaPeriodMs], [25, 100]);
      assert.ok(runDelayMs >= 0.4 * busyMs && cpuMs < 0.6 * busyMs, JSON.stringify(it.figures));
      assert.ok(throttledMs >= 0.5 * Math.min(runDelayMs, busyMs - cpuMs), JSON.stringify(it.figures));
      assert.ok(throttledPeriods >= 2, JSON.stringify(it.figures));
      assert.match(it.cause.text, /limit 0\.25 CPU/);
    });

    for (const reason of ['suspended', 'suspended-waiting']) {
      test(reason, async (t) => {
        // Only what lasts about as long as it is stopped.
        const it = await incident(t, reason, { env: { VIGIL_LAG_P99_MS: '60000', VIGIL_STALL_MS: '100', VIGIL_STALL_TRIGGER: '2s' } });
        checkSpared(it, 'suspended');
        const { manifest: { rule }, figures, files } = it;
        assert.deepEqual([rule.name, rule.limit], ['stall', 2000]);
        assert.ok(rule.value >= 4000, JSON.stringify(rule));
        assert.ok(figures.stoppedMs >= 0.4 * figures.busyMs && figures.stoppedMs <= figures.busyMs, JSON.stringify(figures));
        assert.equal(figures.suspendedMs, 0);
        assert.match(it.cause.text, /^the process was stopped \(SIGSTOP or freezer\) for /);
        assert.equal(files['stalls.json'].stalls.at(-1).cause.class, 'suspended');
      });
    }
  });
});
