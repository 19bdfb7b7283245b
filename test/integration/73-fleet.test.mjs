// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The fleet's budget: slots in an object store, and stores that are not fit for it.

import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { temporary } from './helpers.mjs';
import { SHIP, run } from '../ship/shipping.mjs';
import { freePort } from '../ship/debian.mjs';
import { store } from '../ship/store.mjs';

const ship = createRequire(import.meta.url)(SHIP);
const cached = (dir) => JSON.parse(readFileSync(path.join(dir, 'fleet.json'), 'utf8'));

async function scene(t, { fleet = '3/1h', ...options } = {}) {
  const s = await store(t, options);
  const log = [];
  const env = { HOME: '/nonexistent', ...s.env, VIGIL_FLEET: fleet };
  const dir = temporary(t);
  const ask = (task, more = {}) => ship[task]({ dir, env, log: (line) => log.push(line), mostMs: 60_000, ...more });
  return { s, log, env, dir, claim: (more) => ask('claim', more), probe: (more) => ask('probe', more) };
}

describe('the probe', { concurrency: 2 }, () => {
  test('an honest store, asked once a day', async (t) => {
    const { s, log, dir, probe } = await scene(t);
    assert.equal(await probe(), 'honest');
    const asked = s.requests.length;
    assert.ok(asked >= 5 && asked <= 8, `${asked}`);
    assert.equal(await probe(), 'honest');
    assert.equal(s.requests.length, asked);
    const { probe: known, ...rest } = cached(dir);
    writeFileSync(path.join(dir, 'fleet.json'), JSON.stringify({ ...rest, probe: { ...known, at: new Date(Date.now() - 25 * 3_600_000).toISOString() } }));
    assert.equal(await probe(), 'honest');
    assert.ok(s.requests.length > asked);
    assert.deepEqual(log, []);
    assert.ok([...s.objects.keys()].every((key) => key.startsWith('/bucket/pre/fleet/shop/1.2/probe-')));
  });

  for (const [conditional, what] of [['lies', 'takes no notice'], ['racy', 'looks first and writes later'], ['none', 'says that it cannot']]) {
    test(`a store that ${what}: off, and said once`, async (t) => {
      const { s, log, probe, claim } = await scene(t, { conditional });
      assert.equal(await probe(), 'lies');
      assert.equal(await claim(), 'local');
      const asked = s.requests.length;
      assert.equal(await claim(), 'local');
      assert.equal(s.requests.length, asked);
      assert.deepEqual(log.length, 1);
      assert.match(log[0], /the fleet budget is off/);
    });
  }

  test('what is not known is not remembered', async (t) => {
    const { s, log, probe } = await scene(t, { fault: () => ({ status: 403, code: 'AccessDenied' }) });
    assert.equal(await probe(), 'unknown');
    assert.match(log[0], /the fleet budget cannot be asked: the store answers 403 AccessDenied/);
    s.options.fault = () => null;
    assert.equal(await probe(), 'honest');
  });

  test('another store is asked for itself', async (t) => {
    const one = await scene(t);
    const two = await scene(t, { conditional: 'lies' });
    assert.equal(await one.probe(), 'honest');
    assert.equal(await ship.probe({ dir: one.dir, env: two.env }), 'lies');
  });
});

describe('slots', { concurrency: 2 }, () => {
  test('as many as there are, in the period and for the version', async (t) => {
    const { s, env, dir, claim } = await scene(t);
    const answers = [];
    for (let n = 0; n < 5; n++) answers.push(await claim());
    assert.deepEqual(answers, ['yes', 'yes', 'yes', 'no', 'no']);
    const asked = s.requests.length;
    // It is known in this directory that all are taken; elsewhere it is seen.
    assert.equal(await claim(), 'no');
    assert.equal(s.requests.length, asked);
    const elsewhere = temporary(t);
    writeFileSync(path.join(elsewhere, 'fleet.json'), JSON.stringify({ probe: cached(dir).probe }));
    assert.equal(await claim({ dir: elsewhere }), 'no');
    assert.deepEqual(s.requests.slice(asked).map(({ method }) => method), ['HEAD']);
    s.options.head = false;
    assert.equal(await claim({ dir: elsewhere, env: { ...env, VIGIL_VERSION: '1.4' } }), 'yes');
    s.options.head = true;
    assert.equal(await claim({ env: { ...env, VIGIL_VERSION: '1.3' } }), 'yes');
    assert.equal(await claim({ env: { ...env, VIGIL_FLEET: '1/1m' } }), 'yes');
    assert.equal(await claim({ env: { ...env, VIGIL_FLEET: '1/1h', VIGIL_VERSION: '1.5' } }), 'yes');
    assert.equal(await claim({ env: { ...env, VIGIL_FLEET: '1/24h', VIGIL_VERSION: '1.5' } }), 'yes');
    const slots = [...s.objects.keys()].filter((key) => !/probe|full$/.test(key));
    assert.equal(slots.length, 8);
    for (const key of slots) assert.match(key, /^\/bucket\/pre\/fleet\/shop\/1\.[2-5]\/\d{8}T\d{6}Z-(86400|3600|60)s\/[012]$/);
    assert.equal(cached(dir).probe.honest, true);
  });

  test('those who trip together get them all, and no more', async (t) => {
    const { s, env, dir, probe } = await scene(t, { fleet: '7/1h', delayMs: 2 });
    await probe();
    const dirs = Array.from({ length: 100 }, () => {
      const own = temporary(t);
      cpSync(dir, own, { recursive: true });
      return own;
    });
    const answers = await Promise.all(dirs.map((own) => ship.claim({ dir: own, env, log() {}, mostMs: 120_000 })));
    assert.deepEqual([answers.filter((a) => a === 'yes').length, answers.filter((a) => a === 'no').length], [7, 93]);
    assert.equal([...s.objects.keys()].filter((key) => /\/\d$/.test(key)).length, 7);
  });

  test('no time to ask for all: somebody has the others', async (t) => {
    const { s, claim, probe } = await scene(t, { fleet: '5/1h' });
    await probe();
    assert.equal(await claim(), 'yes');
    const [won] = [...s.objects.keys()].filter((key) => /\/\d$/.test(key));
    // From the second slot on, and when asked whether all are taken, it is silent.
    let n = 0;
    s.options.fault = ({ method, key }) => {
      if (method === 'HEAD') return { status: 404 };
      if (n++ === 0) s.objects.set(key, s.objects.get(won));
      return n === 1 ? null : { hang: true };
    };
    assert.equal(await claim({ mostMs: 1500 }), 'no');
    s.options.fault = () => ({ hang: true });
    assert.equal(await claim({ mostMs: 300 }), 'local');
  });

  test('a conflict is asked again; one that lasts is lost', async (t) => {
    const { s, claim, probe } = await scene(t, { fleet: '1/1h' });
    await probe();
    let n = 0;
    s.options.fault = () => (n++ < 3 ? { status: 409, code: 'ConditionalRequestConflict' } : null);
    assert.equal(await claim(), 'yes');
    assert.equal(n, 4);
    const other = await scene(t, { fleet: '1/1h' });
    await other.probe();
    other.s.options.fault = () => ({ status: 409, code: 'ConditionalRequestConflict' });
    assert.equal(await other.claim(), 'no');
  });

  test('a slot whose answer was lost is nobody\'s', async (t) => {
    const { s, claim, probe } = await scene(t, { fleet: '1/1h' });
    await probe();
    let n = 0;
    s.options.fault = () => (n++ === 0 ? { tear: true, late: true } : null);
    assert.equal(await claim(), 'no');
  });

  test('a store that asks for patience gets some', async (t) => {
    const { s, claim, probe } = await scene(t, { fleet: '1/1h' });
    await probe();
    let n = 0;
    s.options.fault = () => (n++ < 2 ? { status: 503, code: 'SlowDown' } : null);
    assert.equal(await claim(), 'yes');
  });
});

describe('no store', { concurrency: 2 }, () => {
  test('that answers in time: the local budget decides', async (t) => {
    const silent = await scene(t, { fault: () => ({ hang: true }) });
    const down = { ...silent.env, VIGIL_UPLOAD_ENDPOINT: `http://127.0.0.1:${await freePort()}` };
    const metadata = { ...silent.env, AWS_ACCESS_KEY_ID: '', AWS_CONTAINER_CREDENTIALS_FULL_URI: silent.s.url };
    for (const env of [silent.env, down, metadata]) {
      const began = performance.now();
      assert.equal(await ship.claim({ dir: silent.dir, env, log: (line) => silent.log.push(line) }), 'local');
      // 1.5 s is the product's; the rest is this machine's.
      assert.ok(performance.now() - began < 10_000, `${performance.now() - began} ms`);
    }
    assert.doesNotMatch(silent.log.join(), /secret|AKID/);
  });

  test('at all', async (t) => {
    const log = [];
    const ask = (env) => ship.claim({ dir: temporary(t), env, log: (line) => log.push(line) });
    assert.deepEqual([await ask({}), await ask({ VIGIL_UPLOAD: 's3://b-b-b' }), log.length], ['local', 'local', 0]);
    assert.equal(await ask({ VIGIL_FLEET: '3/1h' }), 'local');
    assert.match(log[0], /VIGIL_FLEET needs VIGIL_UPLOAD/);
  });

  test('ends the process with its answer, whatever still hangs', async (t) => {
    const { env, dir } = await scene(t, { fault: () => ({ hang: true }) });
    const { result } = await run(t, dir, env, { task: 'claim', policy: null });
    assert.equal(result, 'local');
  });
});
