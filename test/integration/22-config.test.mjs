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
  ['VIGIL_CPU_PROFILE', '1ms', 'or off', '10s'],
  ['VIGIL_HEAP_SNAPSHOT', 'true', 'off or on', 'on'],
];

const right = {
  VIGIL: ['auto', 'on'],
  VIGIL_LAG_P99_MS: ['50', '1', '12.5', '60000'],
  VIGIL_WINDOW: ['10', '10s', '1500ms', '2m'],
  VIGIL_FOR: ['0', '0s', '10m'],
  VIGIL_DIR: ['/nonexistent', 'relative', 'with space', 'ünï'],
  VIGIL_COOLDOWN: ['0s', '24h'],
  VIGIL_GRACE: ['0', '30s'],
  VIGIL_CPU_PROFILE: ['off', '1s', '60s'],
  VIGIL_HEAP_SNAPSHOT: ['on', 'off'],
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
    for (let i = 0; i < 4; i++) {
      const env = Object.fromEntries(Object.entries(right).map(
        ([name, values]) => [name, values[Math.min(i, values.length - 1)]]));
      const { code, stderr } = await run(t, ['-e', '0'], { env, cwd: temporary(t) });
      assert.deepEqual({ env, code, stderr }, { env, code: 0, stderr: '' });
    }
  });

  test('the default applies in the place of a wrong value', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const it = new App(t, [app('serve.mjs'), 'tcp'], {
      env: { ...FAST, VIGIL: 'yes', VIGIL_LAG_P99_MS: 'many', VIGIL_CPU_PROFILE: 'off',
             VIGIL_HEAP_SNAPSHOT: 'no', VIGIL_DIR: dir },
    });
    const { manifest, profile, snapshot } = checkIncident(await waitForIncident(it, dir));
    assert.equal(manifest.rule.limitMs, 50);
    assert.equal(profile, null);
    assert.notEqual(snapshot, null);
    assert.equal(it.vigil.length, 4);
  });

  test('the thresholds are what the variables say', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const start = (limit, where) => new App(t, [app('serve.mjs'), 'tcp'], {
      env: { ...FAST, VIGIL_WINDOW: '2s', VIGIL_LAG_P99_MS: limit, VIGIL_CPU_PROFILE: 'off',
             VIGIL_HEAP_SNAPSHOT: 'off', VIGIL_DIR: where },
    });
    // Blocks of 200 ms are over the one limit and under the other.
    const high = start('1000', `${dir}-high`);
    await high.line(/^ready/m);
    const low = start('150', dir);
    const { manifest } = checkIncident(await waitForIncident(low, dir));
    assert.deepEqual(manifest.rule, { name: 'lag-p99', limitMs: 150, windowMs: 2000, forMs: 1000 });
    assert.ok(manifest.lag.p99Ms > 150 && manifest.lag.p99Ms < 1000, JSON.stringify(manifest.lag));
    assert.deepEqual(high.vigil, []);
  });

  test('VIGIL_DIR may be relative, and means the folder at the start', async (t) => {
    const cwd = temporary(t);
    const it = new App(t, [app('moves.mjs')], {
      cwd, env: { ...FAST, VIGIL_HEAP_SNAPSHOT: 'off', VIGIL_DIR: 'here' },
    });
    checkIncident(await waitForIncident(it, path.join(cwd, 'here')));
  });

  test('the default folder', async (t) => {
    const tmp = temporary(t);
    const it = new App(t, [app('serve.mjs'), 'tcp'], {
      env: { ...FAST, VIGIL_HEAP_SNAPSHOT: 'off', TMPDIR: tmp },
    });
    checkIncident(await waitForIncident(it, path.join(tmp, `vigil-${process.getuid()}`)));
  });
});
