// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The helper process: report.html of every incident, what the rest of the world
// can see of who makes it, how it ends, and what is done where it cannot be.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, MINUTE, app, node, temporary, until } from './helpers.mjs';
import { REPORT, checkIncident, hasReport, incidents, waitForIncident, waitForReport } from './incident.mjs';
import { children, descriptors, gone, inside, start, status } from './heap.mjs';
import { addons, noAddons } from './31-native.mjs';
import { start as startTelling } from './told.mjs';
import { store } from '../ship/store.mjs';

const ADDONS = noAddons ? undefined : addons('forks.c');
const ON = { VIGIL_REPORT: 'on', VIGIL_COOLDOWN: '0s' };
// Something to ship to, which does nothing.
const SHIPS = { ...ON, VIGIL_ON_INCIDENT: 'true' };

const text = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};

// The helper of a process, once it is all that it will be, stopped there; or once
// it has begun with a report.
async function stoppedHelper(it, begun = false) {
  const end = performance.now() + MINUTE;
  for (;;) {
    for (const pid of children(it.pid)) {
      if (status(pid, 'Name') !== 'vigil-helper' || text(`/proc/${pid}/oom_score_adj`) !== '1000\n') continue;
      if (begun && !incidents(it.dir).some((dir) => text(path.join(dir, '.report-tries')) !== '')) continue;
      process.kill(pid, 'SIGSTOP');
      await until(() => status(pid, 'State')?.[0] !== 'R', 'stop');
      if (!gone(pid)) return pid;
    }
    if (it.exited || performance.now() > end) assert.fail(`no helper; it said ${it.said()}`);
    await new Promise((done) => setTimeout(done, 1));
  }
}

// A program with a heap of some size, whose incidents have a snapshot: reading it
// takes the helper a while. SIGUSR2 makes one.
async function ballast(t, env, options) {
  const it = start(t, [app('ballast.mjs'), '20'], { env: { ...ON, ...env }, ...options });
  it.port = Number((await it.line(/^ready (\d+)/m))[1]);
  it.get = (what) => fetch(`http://127.0.0.1:${it.port}/${what}`);
  // The `count`th incident.
  it.incident = async (count) => {
    it.kill('SIGUSR2');
    return waitForIncident(it, it.dir, count);
  };
  return it;
}

const checked = async (it, dir) => {
  await waitForReport(it, dir);
  const { manifest } = checkIncident(dir);
  const page = readFileSync(path.join(dir, REPORT), 'utf8');
  assert.match(page, /<!doctype html>/i);
  return { manifest, page };
};

// Not a child, not even one that nobody has waited for.
const alone = (it) => until(() => children(it.pid).length === 0, () => `end of ${children(it.pid)}`);

describe('the helper', { concurrency: 3 }, () => {
  test('makes a report, and disturbs nobody meanwhile', async (t) => {
    const it = await ballast(t, { NODE_OPTIONS: '--no-deprecation', AWS_REGION: 'eu-test-1', PASSWORD: 'secret', LD_PRELOAD: '' });
    const done = it.incident(1);
    const helper = await stoppedHelper(it, true);
    assert.equal(text(`/proc/${helper}/stat`).replace(/^.*\) /, '').split(' ')[16], '10');  // nice
    assert.match(execFileSync('ionice', ['-p', `${helper}`], { encoding: 'utf8' }), /^idle/);
    assert.equal(text(`/proc/${helper}/stat`).replace(/^.*\) /, '').split(' ')[3], `${helper}`);  // session
    assert.equal(BigInt(`0x${status(helper, 'SigBlk')}`) & ~(1n << 9n), 0n);  // Node blocks SIGUSR1.
    assert.match(text(`/proc/${helper}/limits`), /^Max core file size +0 +0 /m);
    assert.doesNotMatch(text(`/proc/${helper}/limits`), /^Max data size +unlimited /m);
    assert.equal(readlinkSync(`/proc/${helper}/cwd`), it.dir);
    const env = text(`/proc/${helper}/environ`).split('\0').filter(Boolean).map((one) => one.split('='));
    for (const [name] of env) assert.match(name, /^(VIGIL(_\w+)?|AWS_\w+|HOME|PATH|TZ|LANG|HOSTNAME|LD_LIBRARY_PATH|SSL_CERT_\w+|\w+_(PROXY|proxy))$/);
    assert.equal(Object.fromEntries(env).VIGIL, 'off');
    assert.equal(Object.fromEntries(env).AWS_REGION, 'eu-test-1');
    // Nothing of the program: its sockets would stay open with it.
    const [input, out, err, lock] = [0, 1, 2, 3].map((fd) => readlinkSync(`/proc/${helper}/fd/${fd}`));
    assert.match(input, /^\/memfd:vigil-helper/);
    assert.match(out, /^pipe:/);
    assert.equal(err, out);
    assert.equal(lock, path.join(it.dir, `.budget-${process.geteuid()}`, 'helper'));
    const more = descriptors(helper).filter((name) => ![input, out, lock].includes(name));
    for (const name of more) assert.ok(/^(anon_inode:|pipe:|\/dev\/null$)/.test(name) || name.startsWith(it.dir), name);
    assert.equal(await (await it.get('')).text(), 'ok\n');
    const dir = await done;
    assert.equal(hasReport(dir), false);
    checkIncident(dir);
    process.kill(helper, 'SIGCONT');
    const { page } = await checked(it, dir);
    assert.ok(page.length > 10_000);
    await alone(it);
    assert.equal(it.vigil.length, 1, it.stderr);
  });

  test('is not there when there is nothing to do', async (t) => {
    const it = await ballast(t, { VIGIL_REPORT: 'off', VIGIL_METRICS: '0' });
    const dir = await it.incident(1);
    const [, at] = await it.line(/metrics are at (\S+)\/metrics/, 'stderr');
    const told = await until(async () => {
      const now = await (await fetch(`${at}/status`)).json();
      return now.captures.written === 1 && now;
    }, 'status');
    assert.equal(told.helper.started, 0);
    assert.equal(existsSync(path.join(dir, REPORT)), false);
  });

  test('is counted', async (t) => {
    const it = await startTelling(t, ['1', '1000'], { ...FAST, VIGIL_CAPTURE: 'before', VIGIL_STALL_TRIGGER: '300ms' });
    it.kill('SIGHUP');
    const dir = await waitForIncident(it, it.dir);
    await waitForReport(it, dir);
    await until(async () => (await it.status()).helper.reports === 1, 'the count');
    const { helper } = await it.status();
    assert.deepEqual(helper, { started: 1, failed: 0, late: 0, errors: 0, reports: 1, shipped: 0, shipFailed: 0, unshipped: 0 });
    const metrics = await it.metrics();
    assert.equal(metrics.value('vigil_reports_written_total'), 1);
    assert.equal(metrics.value('vigil_helper_started_total'), 1);
    assert.equal(metrics.value('vigil_helper_failed_total', { reason: 'ended' }), 0);
  });

  test('costs the loop nothing, and leaves children and SIGCHLD to the program', async (t) => {
    const { value } = await inside(t, `
      const { spawn } = require('node:child_process');
      const fs = require('node:fs');
      const own = () => vigil.snapshot().loops.find((l) => l.threadId === 0).sinceStart.selfMs;
      const child = (code) => new Promise((done) => spawn('sh', ['-c', 'exit ' + code]).on('exit', (...end) => done(end)));
      process.on('SIGCHLD', () => {});
      const ends = [], pauses = [];
      for (let n = 0; n < 3; n++) {
        const { directory } = await capture();
        const before = own();
        for (let i = 0; !fs.existsSync(directory + '/report.html'); i++) ends.push([i % 200, ...await child(i % 200)]);
        pauses.push(own() - before);
      }
      return { ends, pauses };`, { env: ON });
    for (const [wanted, code, signal] of value.ends) assert.deepEqual([code, signal], [wanted, null]);
    assert.deepEqual(value.pauses, [0, 0, 0]);
  });

  test('where SIGCHLD is ignored, or its status taken', { skip: noAddons }, async (t) => {
    const { lines, value } = await inside(t, `
      const fs = require('node:fs');
      const { ignoreChildren, reap } = native('forks');
      const made = async () => {
        const { directory } = await capture();
        while (!fs.existsSync(directory + '/report.html')) await sleep(10);
      };
      const reaping = setInterval(reap, 1);
      await made();
      clearInterval(reaping);
      ignoreChildren();
      await made();
      // Until the second helper has been seen to end.
      await made();
      return true;`, { env: { ...ON, ADDONS } });
    assert.equal(value, true);
    assert.equal(lines.length, 3, lines.join('\n'));
  });

  test('one that is killed is said, and tries once more', async (t) => {
    const it = await ballast(t, {});
    const first = it.incident(1);
    process.kill(await stoppedHelper(it, true), 'SIGKILL');
    await it.line(/the helper \(work\) was ended by Killed/, 'stderr');
    const one = await first;
    assert.equal(hasReport(one), false);
    const two = await it.incident(2);
    await checked(it, two);
    const { page } = await checked(it, one);
    assert.match(page, /it was left out, because reading it ended the first try/);
    assert.doesNotMatch(readFileSync(path.join(two, REPORT), 'utf8'), /ended the first try/);
  });

  test('does not try a third time', async (t) => {
    const it = await ballast(t, {});
    const one = await it.incident(1);
    await waitForReport(it, one);
    rmSync(path.join(one, REPORT));
    writeFileSync(path.join(one, '.report-tries'), '2');
    const two = await it.incident(2);
    await checked(it, two);
    await alone(it);
    assert.equal(existsSync(path.join(one, REPORT)), false);
  });

  test('where the binary has been replaced', async (t) => {
    const bin = path.join(temporary(t), 'node');
    copyFileSync(node, bin);
    const it = await ballast(t, {}, { bin });
    rmSync(bin);
    writeFileSync(bin, 'something else', { mode: 0o755 });
    await checked(it, await it.incident(1));
  });

  // `around`: a program and its arguments, before that of node.
  const around = (t, [bin, ...args], env) => {
    const dir = path.join(temporary(t), 'vigil');
    const it = new App(t, [...args, node, '-e', `
      const vigil = require('node:vigil');
      const take = () => vigil.capture({ heap: false, cpu: false, before: true }).then(({ directory }) => console.log('took', directory));
      take().then(() => process.stdin.once('data', () => take().then(() => process.exit(5))));`],
                       { bin, env: { ...ON, VIGIL: 'on', VIGIL_LAG_P99_MS: '60000', VIGIL_DIR: dir, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    it.dir = dir;
    return it;
  };
  // Says so in one line for each incident, and goes on.
  const cannotStart = async (it, why) => {
    await it.line(why, 'stderr');
    it.child.stdin.write('x');
    assert.equal((await it.exit()).code, 5);
    assert.equal(it.vigil.filter((line) => why.test(`vigil: ${line}`)).length, 2, it.stderr);
    assert.equal(incidents(it.dir).length, 2);
    for (const dir of incidents(it.dir)) assert.equal(existsSync(path.join(dir, REPORT)), false);
  };

  test('where there is no /proc', async (t) => {
    const it = around(t, ['unshare', '-m', 'sh', '-c', 'umount -l /proc && exec "$@"', 'sh']);
    await cannotStart(it, /^vigil: the helper \(work\) cannot be started: No such file or directory$/m);
  });

  test('waits for memory', async (t) => {
    const meminfo = path.join(temporary(t), 'meminfo');
    const left = (mb) => writeFileSync(meminfo, `MemTotal: 1048576 kB\nMemAvailable: ${mb * 1024} kB\n`);
    left(100);
    const it = around(t, ['unshare', '-m', 'sh', '-c', `mount --bind ${meminfo} /proc/meminfo && exec "$@"`, 'sh']);
    await it.line(/^vigil: the helper waits for memory: the machine has \d+ MB left$/m, 'stderr');
    await it.line(/^took/m);
    assert.deepEqual(children(it.pid), []);
    left(1000);
    await waitForReport(it, incidents(it.dir)[0]);
  });

  test('where no process may be started', { skip: process.geteuid() !== 0 && 'needs root' }, async (t) => {
    const uid = 64_123;
    const dir = temporary(t);
    execFileSync('chown', [`${uid}`, dir]);
    const as = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--inh-caps=-all'];
    const it = around(t, as, { VIGIL_DIR: path.join(dir, 'vigil') });
    it.dir = path.join(dir, 'vigil');
    await it.line(/^took/m);
    await waitForReport(it, incidents(it.dir)[0]);
    await alone(it);
    // Its own threads are all that it may have.
    execFileSync(as[0], [...as.slice(1), 'prlimit', '--pid', `${it.pid}`, '--nproc=1']);
    it.child.stdin.write('x');
    await it.line(/^vigil: the helper \(work\) cannot be started: Resource temporarily unavailable$/m, 'stderr');
    assert.equal((await it.exit()).code, 5);
  });

  test('its report does not keep the process', async (t) => {
    const it = await ballast(t, {});
    const done = it.incident(1);
    const helper = await stoppedHelper(it);
    const dir = await done;
    await it.get('exit?code=5');
    assert.equal((await it.exit()).code, 5);
    // And goes on without it.
    assert.equal(gone(helper), false);
    assert.equal(hasReport(dir), false);
    process.kill(helper, 'SIGCONT');
    await checked(it, dir);
  });

  for (const [VIGIL_SHIP_GRACE, kept] of [['1m', true], ['0s', false]]) {
    test(`the end of a process that ships, VIGIL_SHIP_GRACE=${VIGIL_SHIP_GRACE}`, async (t) => {
      const it = await ballast(t, { ...SHIPS, VIGIL_SHIP_GRACE });
      const done = it.incident(1);
      const helper = await stoppedHelper(it);
      const dir = await done;
      await it.get('exit?code=5');
      await it.line(/^leaving/m);
      if (kept) {
        process.kill(helper, 'SIGCONT');
        assert.equal((await it.exit()).code, 5);
        assert.equal(hasReport(dir), true);
        assert.equal(gone(helper), true);
      } else {
        assert.equal((await it.exit()).code, 5);
        assert.equal(gone(helper), false);
        process.kill(helper, 'SIGCONT');
        await checked(it, dir);
      }
    });
  }

  test('one of all processes works in a directory', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const [a, b] = await Promise.all([ballast(t, { VIGIL_DIR: dir }), ballast(t, { VIGIL_DIR: dir })]);
    a.dir = b.dir = dir;
    a.kill('SIGUSR2');
    const helper = await stoppedHelper(a);
    b.kill('SIGUSR2');
    await until(() => b.vigil.length === 1, () => `incident; it said ${b.said()}`);
    assert.equal(incidents(dir).length, 2);
    assert.deepEqual(children(b.pid), []);
    process.kill(helper, 'SIGCONT');
    for (const one of incidents(dir)) await checked(b, one);
  });

  test('ships what others have left behind, once the process is watched', async (t) => {
    const first = await ballast(t, { VIGIL_REPORT: 'off' });
    const one = await first.incident(1);
    first.kill('SIGKILL');
    await first.exit();
    const idle = await ballast(t, { VIGIL_DIR: first.dir, VIGIL_METRICS: '0' });
    const [, at] = await idle.line(/metrics are at (\S+)\/metrics/, 'stderr');
    await until(async () => (await (await fetch(`${at}/status`)).json()).armed, 'armed');
    const second = await ballast(t, { ...SHIPS, VIGIL_DIR: first.dir });
    await checked(second, one);
    // Nothing is configured there.
    assert.equal((await (await fetch(`${at}/status`)).json()).helper.started, 0);
  });

  test('leaves alone what is not an incident of this user', { skip: process.geteuid() !== 0 && 'needs root' }, async (t) => {
    const it = await ballast(t, {});
    const one = await it.incident(1);
    await waitForReport(it, one);
    const foreign = path.join(it.dir, 'incident-20260101T000000Z-1');
    cpSync(one, foreign, { recursive: true });
    rmSync(path.join(foreign, REPORT));
    execFileSync('chown', ['-R', '64123', foreign]);
    cpSync(one, path.join(it.dir, 'incident-mine'), { recursive: true });
    rmSync(path.join(it.dir, 'incident-mine', REPORT));
    it.kill('SIGUSR2');
    await until(() => it.vigil.length === 2, () => `incident; it said ${it.said()}`);
    const two = incidents(it.dir).find((dir) => dir !== one && !/mine|20260101T/.test(dir));
    await checked(it, two);
    await alone(it);
    for (const name of [foreign, path.join(it.dir, 'incident-mine')]) assert.equal(existsSync(path.join(name, REPORT)), false);
  });

  test('a fleet that cannot be asked does not decide', async (t) => {
    const it = await startTelling(t, ['1', '1000'], { ...FAST, VIGIL_CAPTURE: 'before', VIGIL_STALL_TRIGGER: '300ms', VIGIL_FLEET: '1/1h',
                                                      VIGIL_UPLOAD: 's3://bucket', VIGIL_UPLOAD_ENDPOINT: 'http://127.0.0.1:9' });
    it.kill('SIGHUP');
    await waitForReport(it, await waitForIncident(it, it.dir));
    // It probed, asked, and made the report.
    await until(async () => (await it.status()).helper.started === 3, 'three runs');
    assert.equal((await it.status()).captures.refused.fleet, 0);
    for (const helper of children(it.pid)) process.kill(helper, 'SIGKILL');
  });

  test('a fleet of two with one capture between them', async (t) => {
    const { env, objects } = await store(t);
    const member = async () => {
      const it = await startTelling(t, ['0', '1000'], { ...FAST, VIGIL_REPORT: 'off', VIGIL_CAPTURE: 'before', VIGIL_STALL_TRIGGER: '300ms',
                                                        VIGIL_FLEET: '1/24h', HOME: '/nonexistent', ...env });
      // The probe, which is said to be done by its mark on the budget.
      await until(() => existsSync(path.join(it.dir, 'fleet.json')), 'the probe');
      it.kill('SIGHUP');
      return it;
    };
    const first = await member();
    const dir = await waitForIncident(first, first.dir);
    await until(() => [...objects.keys()].some((key) => key.endsWith('/incident.json') || key.endsWith('/incident.json.gz')), 'upload');
    await until(async () => (await first.status()).helper.shipped === 1, 'the count');
    assert.equal(JSON.parse(readFileSync(path.join(dir, 'shipped.json'), 'utf8')).done, true);
    const second = await member();
    const told = await until(async () => {
      const now = await second.status();
      return now.captures.refused.fleet === 1 && now;
    }, () => `refusal; it said ${second.said()}`);
    assert.deepEqual([told.captures.attempted, told.captures.written, incidents(second.dir).length], [1, 0, 0]);
  });
});
