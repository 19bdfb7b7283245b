// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The environment variables, as a user meets them. How each value is parsed is
// tested in test/unit.

import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, app, run, temporary } from './helpers.mjs';
import { checkIncident, waitForIncident } from './incident.mjs';

// [variable, wrong value, a part of the accepted form, the default]
const wrong = [
  ['VIGIL', 'yes', 'auto, on or off', 'auto'],
  ['VIGIL', '', 'auto, on or off', 'auto'],
  ['VIGIL', 'ON', 'auto, on or off', 'auto'],
  ['VIGIL_LAG_P99_MS', 'abc', 'milliseconds from 1 to 60000', '50'],
  ['VIGIL_LAG_P99_MS', '0', 'milliseconds from 1 to 60000', '50'],
  ['VIGIL_LAG_P99_MS', '-50', 'milliseconds from 1 to 60000', '50'],
  ['VIGIL_LAG_P99_MS', '50ms', 'milliseconds from 1 to 60000', '50'],
  ['VIGIL_WINDOW', '0s', 'a duration from 1s to 10m', '10s'],
  ['VIGIL_WINDOW', '99999999999999999999', 'a duration from 1s to 10m', '10s'],
  ['VIGIL_FOR', '1 minute', 'a duration from 0s to 10m', '10s'],
  ['VIGIL_DIR', '', 'a path', '/vigil-'],
  ['VIGIL_DIR', `/${'x'.repeat(2000)}`, 'a path', '/vigil-'],
  ['VIGIL_COOLDOWN', 'forever', 'a duration from 0s to 24h', '10m'],
  ['VIGIL_GRACE', '11m', 'a duration from 0s to 10m', '10s'],
  ['VIGIL_STALL_MS', '19', 'milliseconds from 20 to 60000, or off', '500'],
  ['VIGIL_STALL_MS', '1s', 'milliseconds from 20 to 60000, or off', '500'],
  ['VIGIL_STALL_TRIGGER', '11m', 'a duration from 20ms to 10m', '5s'],
  ['VIGIL_STALL_TRIGGER', 'OFF', 'or off', '5s'],
  ['VIGIL_GC_SHARE', '101%', 'a percentage from 1% to 100%, or off', '30%'],
  ['VIGIL_GC_SHARE', 'a third', 'a percentage from 1% to 100%, or off', '30%'],
  ['VIGIL_POOL_WAIT_P99_MS', '600001', 'milliseconds from 1 to 600000, or off', '1000'],
  ['VIGIL_OLD_SPACE_SHARE', '0.5', 'a percentage from 1% to 100%, or off', '90%'],
  ['VIGIL_CAPTURE', 'everything', 'some of cpu, heap, alloc and before with commas between, or none',
   'cpu,heap,alloc,before'],
  ['VIGIL_CAPTURE', 'cpu,,heap', 'some of cpu, heap, alloc and before', 'cpu,heap,alloc,before'],
  ['VIGIL_CAPTURE', 'cpu, heap', 'some of cpu, heap, alloc and before', 'cpu,heap,alloc,before'],
  ['VIGIL_CAPTURE', 'cpu,none', 'some of cpu, heap, alloc and before', 'cpu,heap,alloc,before'],
  ['VIGIL_CAPTURE', '', 'some of cpu, heap, alloc and before', 'cpu,heap,alloc,before'],
  ['VIGIL_CPU_PROFILE', '1ms', 'a duration from 1s to 1m', '10s'],
  ['VIGIL_CPU_PROFILE', 'off', 'a duration from 1s to 1m', '10s'],
  ['VIGIL_RECORDER', 'yes', 'off or on', 'on'],
  ['VIGIL_RECORDER_SIZE', '512KB', 'a size from 1MB to 1GB', '16MB'],
  ['VIGIL_RECORDER_SIZE', '16 MB', 'a size from 1MB to 1GB', '16MB'],
  ['VIGIL_SIGNAL', 'USR2', 'a signal such as SIGUSR2, or off', 'off'],
  ['VIGIL_SIGNAL', '12', 'a signal such as SIGUSR2, or off', 'off'],
  // These say why in addition.
  ['VIGIL_SIGNAL', 'SIGKILL', 'it cannot be caught: want a signal', 'off'],
  ['VIGIL_SIGNAL', 'SIGUSR1', 'Node starts the inspector with it: want a signal', 'off'],
  ['VIGIL_SIGNAL', 'SIGPROF', 'V8 profiles with it: want a signal', 'off'],
  ['VIGIL_SIGNAL', 'SIGTERM', 'it ends the process: want a signal', 'off'],
  ['VIGIL_EXIT_WAIT', '2m', 'a duration from 0s to 1m', '3s'],
  ['VIGIL_PER_HOUR', '0', 'a number from 1 to 60', '3'],
  ['VIGIL_PER_HOUR', '2.5', 'a number from 1 to 60', '3'],
  ['VIGIL_DISK', '15MB', 'a size from 16MB to 1TB', '1GB'],
  ['VIGIL_DISK', '1gb', 'a size from 16MB to 1TB', '1GB'],
  ['VIGIL_DISK_FREE', '-1', 'a size from 0 to 1TB (512KB, 16MB, 1GB), or auto', 'auto'],
  ['VIGIL_HOST_CAPTURES', '65', 'a number from 1 to 64', '2'],
  ['VIGIL_HOST_CAPTURES', '', 'a number from 1 to 64', '2'],
  ['VIGIL_METRICS', ':9464', 'a port or ports (9464, 9464-9479), an address with them', 'off'],
  ['VIGIL_METRICS', 'example.org:9464', 'the absolute path of a UNIX socket, or off', 'off'],
  ['VIGIL_METRICS', '', 'a port or ports', 'off'],
  ['VIGIL_LOG', 'syslog', 'text or json (on stderr), the absolute path of a file', 'text'],
  ['VIGIL_LOG', './vigil.log', 'text: or json: and such a path, or off', 'text'],
  ['VIGIL_READY_AFTER', '2h', 'a duration from 0s to 1h', '0s'],
];

const right = {
  VIGIL: ['auto', 'on'],
  VIGIL_LAG_P99_MS: ['50', '1', '12.5', '60000'],
  VIGIL_WINDOW: ['10', '10s', '1500ms', '2m'],
  VIGIL_FOR: ['0', '0s', '10m'],
  VIGIL_DIR: ['/nonexistent', 'relative', 'with space', 'ünï'],
  VIGIL_COOLDOWN: ['0s', '24h'],
  VIGIL_GRACE: ['0', '30s'],
  VIGIL_STALL_MS: ['off', '0', '20', '60000'],
  VIGIL_STALL_TRIGGER: ['off', '0', '20ms', '10m'],
  VIGIL_GC_SHARE: ['off', '1%', '33.3%', '100'],
  VIGIL_POOL_WAIT_P99_MS: ['off', '1', '1.5', '600000'],
  VIGIL_OLD_SPACE_SHARE: ['off', '1%', '100%'],
  VIGIL_CAPTURE: ['none', 'cpu', 'before,heap', 'cpu,heap,alloc,before'],
  VIGIL_CPU_PROFILE: ['1s', '1500ms', '60s'],
  VIGIL_RECORDER: ['on', 'off'],
  VIGIL_RECORDER_SIZE: ['1MB', '1GB', '2000000', '1024KB'],
  VIGIL_SIGNAL: ['off', 'SIGUSR2', 'SIGHUP'],
  VIGIL_EXIT_WAIT: ['0s', '1m'],
  VIGIL_PER_HOUR: ['1', '60'],
  VIGIL_DISK: ['16MB', '1TB'],
  VIGIL_DISK_FREE: ['auto', '0', '512KB', '1TB'],
  VIGIL_HOST_CAPTURES: ['1', '64'],
  // The first ones serve nobody, the others are told to watch: so no port.
  VIGIL_METRICS: ['127.0.0.1:9464', 'off'],
  VIGIL_READY_AFTER: ['0', '1h'],
  VIGIL_LOG: ['text', 'json', '/dev/null', 'json:/dev/null'],
};

const hello = ['-e', 'console.log("hello")'];
const quote = (text) => text.slice(0, 40);

describe('configuration', { concurrency: 2 }, () => {
  for (const [name, value, form, standard] of wrong) {
    test(`${name}="${quote(value)}" gives one line`, async (t) => {
      const { code, stdout, stderr } = await run(t, hello, { env: { [name]: value } });
      assert.deepEqual({ code, stdout }, { code: 0, stdout: 'hello\n' });
      const [line, ...more] = stderr.split('\n');
      assert.deepEqual(more, ['']);
      assert.ok(line.startsWith(`vigil: ${name}="${quote(value)}`), line);
      assert.ok(line.includes(form), line);
      assert.ok(line.slice(line.indexOf(form)).includes(standard), line);
      assert.ok(line.length < 500, line);
    });
  }

  test('a wrong value cannot forge lines', async (t) => {
    const { stderr } = await run(t, hello, { env: { VIGIL: 'on\nvigil: \x1b[31mall is well' } });
    assert.equal(stderr.split('\n').length, 2);
    assert.ok(!stderr.includes('\x1b'));
  });

  test('each wrong value has its line', async (t) => {
    const env = Object.fromEntries(wrong.map(([name, value]) => [name, value]));
    const { stderr } = await run(t, hello, { env });
    assert.deepEqual(stderr.trim().split('\n').map((line) => /^vigil: (\w+)=/.exec(line)[1]).sort(),
                     Object.keys(env).sort());
  });

  test('neither Workers nor children say it again', async (t) => {
    const { stderr } = await run(t, ['-e', `
      const { Worker } = require('node:worker_threads');
      new Worker('0', { eval: true });`], { env: { VIGIL_WINDOW: 'x' } });
    assert.equal(stderr.split('\n').length, 2, stderr);
  });

  test('right values give none', async (t) => {
    // The first values of all variables at once, then the second ones, ...
    for (let i = 0; i < Math.max(...Object.values(right).map((v) => v.length)); i++) {
      const env = Object.fromEntries(Object.entries(right).map(
        ([name, values]) => [name, values[Math.min(i, values.length - 1)]]));
      const { code, stderr } = await run(t, ['-e', '0'], { env, cwd: temporary(t) });
      assert.deepEqual({ env, code, stderr }, { env, code: 0, stderr: '' });
    }
  });

  test('the default applies in the place of a wrong value', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const it = new App(t, [app('serve.mjs'), 'tcp'], {
      env: { ...FAST, VIGIL: 'yes', VIGIL_LAG_P99_MS: 'many', VIGIL_CAPTURE: 'nothing', VIGIL_RECORDER: 'no',
             VIGIL_DIR: dir },
    });
    const { manifest, profile, snapshot, past } = checkIncident(await waitForIncident(it, dir));
    assert.equal(manifest.rule.limit, 50);
    assert.ok(profile && snapshot && past);
    assert.equal(it.vigil.length, 5);
  });

  test('the thresholds are what the variables say', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const start = (limit, where) => new App(t, [app('serve.mjs'), 'tcp'], {
      env: { ...FAST, VIGIL_WINDOW: '2s', VIGIL_LAG_P99_MS: limit, VIGIL_CAPTURE: 'none',
             VIGIL_DIR: where },
    });
    // Blocks of 200 ms are over the one limit and under the other.
    const high = start('1000', `${dir}-high`);
    await high.line(/^ready/m);
    const low = start('150', dir);
    const { manifest, names } = checkIncident(await waitForIncident(low, dir));
    const { value, ...rest } = manifest.rule;
    assert.deepEqual(rest, { name: 'lag-p99', onDemand: false, unit: 'ms', limit: 150, windowMs: 2000, forMs: 1000 });
    assert.ok(value > 150 && value < 1000, JSON.stringify(manifest.lag));
    assert.deepEqual(names.filter((name) => name !== 'stalls.json'), []);
    assert.match(low.vigil[0], /; wrote \S+\/incident-\S+\/incident\.json[,;]/);
    assert.deepEqual(high.vigil, []);
  });

  test('VIGIL_CAPTURE and VIGIL_RECORDER choose what is captured', async (t) => {
    const parts = async (env) => {
      const dir = path.join(temporary(t), 'vigil');
      const it = new App(t, [app('serve.mjs'), 'tcp'], { env: { ...FAST, ...env, VIGIL_DIR: dir } });
      const { manifest, names } = checkIncident(await waitForIncident(it, dir));
      const { noCpuProfile, noHeapSnapshot } = manifest;
      return { kinds: names.map((name) => name.split('-')[0]).filter((name) => name !== 'stalls.json').sort(),
               noCpuProfile, noHeapSnapshot };
    };
    const not = 'VIGIL_CAPTURE is without';
    const got = await Promise.all([
      parts({}),
      parts({ VIGIL_RECORDER: 'off' }),
      parts({ VIGIL_CAPTURE: 'heap,before' }),
      parts({ VIGIL_CAPTURE: 'cpu' }),
    ]);
    assert.deepEqual(got, [
      { kinds: ['before', 'cpu', 'heap'], noCpuProfile: null, noHeapSnapshot: null },
      { kinds: ['cpu', 'heap'], noCpuProfile: null, noHeapSnapshot: null },
      { kinds: ['before', 'heap'], noCpuProfile: not, noHeapSnapshot: null },
      { kinds: ['cpu'], noCpuProfile: null, noHeapSnapshot: not },
    ]);
  });

  test('VIGIL_DIR may be relative, and means the folder at the start', async (t) => {
    const cwd = temporary(t);
    const it = new App(t, [app('moves.mjs')], {
      cwd, env: { ...FAST, VIGIL_CAPTURE: 'cpu', VIGIL_DIR: 'here' },
    });
    checkIncident(await waitForIncident(it, path.join(cwd, 'here')));
  });

  test('the default folder', async (t) => {
    const tmp = temporary(t);
    const it = new App(t, [app('serve.mjs'), 'tcp'], {
      env: { ...FAST, VIGIL_CAPTURE: 'cpu', TMPDIR: tmp },
    });
    checkIncident(await waitForIncident(it, path.join(tmp, `vigil-${process.getuid()}`)));
  });
});
