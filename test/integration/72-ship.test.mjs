// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Shipping against a store that fails, lies and stops as it is told to. The real
// ones are in 74.

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { describe, test } from 'node:test';
import zlib from 'node:zlib';
import { temporary, until } from './helpers.mjs';
import { filler, incident } from '../ship/incidents.mjs';
import { begin, quick, run, QUICK } from '../ship/shipping.mjs';
import { store } from '../ship/store.mjs';
import { webhook } from '../ship/webhook.mjs';

const SECRETS = /a\/secret\+key|AKIDEXAMPLE|hook-secret|X-Amz-|TOKEN/;
const marker = ({ dir }) => JSON.parse(readFileSync(path.join(dir, 'shipped.json'), 'utf8'));
const small = { ...quick, sizes: { single: 2 ** 20, part: 5 * 2 ** 20 } };
const big = () => ({ 'heap-1.heapsnapshot': filler(17 * 2 ** 20, 3) });
const plainly = { VIGIL_UPLOAD_COMPRESS: 'off' };

async function scene(t, { answer, files, at, manifest, ...options } = {}) {
  const dir = temporary(t);
  const s = await store(t, options);
  const hook = await webhook(t, answer);
  const made = incident(dir, { files, at, manifest });
  return { dir, s, hook, made, env: { ...s.env, VIGIL_ALERT: `${hook.url}/hook-secret` } };
}

describe('an incident', { concurrency: 2 }, () => {
  test('is uploaded, looked at, and then told, once', async (t) => {
    let looked;
    const { dir, s, hook, made, env } = await scene(t, { answer: () => ((looked ??= s.did('HEAD').length), { status: 200 }) });
    const { result, log } = await run(t, dir, { ...env, VIGIL_ALERT_SECRET: 'hook-secret' });
    assert.deepEqual({ ...result, lines: undefined }, { shipped: 1, failed: 0, left: 0, lines: undefined });
    assert.equal(log.length, 1);
    const folder = `/bucket/pre/shop/1.2/${new Date().toISOString().slice(0, 10)}/pod-7-4711/${made.name}`;
    assert.deepEqual([...s.objects.keys()].sort(), [...Object.keys(made.files).map((f) => `${folder}/${f}.gz`), `${folder}/incident.json`].sort());
    for (const [name, data] of Object.entries(made.files)) {
      const { body, type } = s.objects.get(`${folder}/${name}.gz`);
      assert.deepEqual(zlib.gunzipSync(body), data);
      assert.equal(type, 'application/gzip');
    }
    assert.equal(looked, 4);
    const [{ json, headers, text }] = hook.got;
    assert.deepEqual([json.upload.state, json.p99Ms, json.cause.class, json.service, json.evidence.length], ['verified', 380, 'js', 'shop', 4]);
    const [, seconds, hex] = /^t=(\d+),v1=(\w+)$/.exec(headers['x-vigil-signature']);
    assert.equal(hex, createHmac('sha256', 'hook-secret').update(`${seconds}.${text}`).digest('hex'));
    assert.equal(headers['idempotency-key'], json.id);
    for (const { link, sha256, name } of json.evidence) {
      const body = Buffer.from(await (await fetch(link)).arrayBuffer());
      assert.equal(createHash('sha256').update(name === 'incident.json' ? body : zlib.gunzipSync(body)).digest('hex'), sha256);
    }
    assert.equal((await fetch(json.evidence[0].link.replace(/.$/, (c) => (c === '0' ? '1' : '0')))).status, 403);
    const m = marker(made);
    assert.deepEqual([m.done, m.alert.state, m.files.length, m.files[0].proof, m.files[0].seen], [true, 'sent', 4, 'sha256', 'head']);
    assert.doesNotMatch(JSON.stringify([m, log, result]), SECRETS);

    const again = await run(t, dir, env);
    assert.equal(again.result.shipped, 0);
    assert.deepEqual([s.did('PUT').length, hook.got.length], [4, 1]);
  });

  test('stays as it is when nothing is asked for', async (t) => {
    const { dir, made, s } = await scene(t);
    const { VIGIL_UPLOAD, ...env } = s.env;
    const { result } = await run(t, dir, env);
    assert.deepEqual(result, { shipped: 0, failed: 0, left: 0, lines: [] });
    assert.deepEqual(readdirSync(dir), [made.name]);
    assert.equal(existsSync(path.join(made.dir, 'shipped.json')), false);
  });

  test('zstd, no compression, and a console\'s links', async (t) => {
    for (const [compress, undo, suffix] of [['zstd', zlib.zstdDecompressSync, '.zst'], ['off', (b) => b, '']]) {
      const { dir, s, hook, made, env } = await scene(t);
      await run(t, dir, { ...env, VIGIL_UPLOAD_COMPRESS: compress, VIGIL_LINK: 'https://console.test/{bucket}/view?k={key}' });
      const [name, data] = Object.entries(made.files)[0];
      const [key, { body }] = [...s.objects].find(([k]) => k.endsWith(`/${name}${suffix}`));
      assert.deepEqual(undo(body), data);
      const one = hook.got[0].json.evidence.find((e) => e.name === name);
      assert.equal(one.link, `https://console.test/bucket/view?k=${key.slice('/bucket/'.length)}`);
      assert.equal(hook.got[0].json.linksExpire, null);
    }
  });

  test('is told without evidence where there is no store, not at all when it is old', async (t) => {
    const { dir, hook, made } = await scene(t);
    const old = incident(dir, { at: new Date(Date.now() - 25 * 3_600_000), pid: 9 });
    await run(t, dir, { VIGIL_ALERT: hook.url, VIGIL_SERVICE: 's' });
    assert.deepEqual(hook.got.map(({ json }) => [json.incident, json.upload.state, json.evidence]), [[made.name, 'off', []]]);
    assert.deepEqual([marker(made).alert.state, marker(old).alert.state, marker(old).done], ['sent', 'old', true]);
  });

  test('a file that is not what the manifest lists is said, the others are shipped', async (t) => {
    const { dir, s, hook, made, env } = await scene(t);
    writeFileSync(path.join(made.dir, 'stalls.json'), 'changed');
    rmSync(path.join(made.dir, Object.keys(made.files)[0]));
    const { result } = await run(t, dir, env);
    assert.equal(result.left, 0);
    assert.equal(s.objects.size, 2);
    const { upload, evidence } = hook.got[0].json;
    assert.deepEqual(upload.missing.map((m) => m.error), ['it cannot be opened', 'it is not what incident.json lists']);
    assert.equal(evidence.length, 2);
  });

  test('bytes per second are bounded', async (t) => {
    const { dir, env } = await scene(t, { files: { 'a.bin': filler(300_000) } });
    const began = performance.now();
    await run(t, dir, { ...env, ...plainly, VIGIL_UPLOAD_RATE: '128KB' });
    assert.ok(performance.now() - began > 2000, `${performance.now() - began} ms`);
  });

  test('is never whole in memory', async (t) => {
    const one = await scene(t, { files: { 'a.bin': filler(1000) } });
    const least = (await run(t, one.dir, { ...one.env, ...plainly })).rssMax;
    const { dir, s, made, env } = await scene(t, { files: { 'a.bin': filler(100 * 2 ** 20) } });
    const { rssMax } = await run(t, dir, { ...env, ...plainly, VIGIL_UPLOAD_RATE: '1TB' });
    assert.equal(marker(made).done, true);
    assert.equal(s.did('PUT', /partNumber/).length, 13);
    assert.ok(rssMax - least < 50 * 1024, `${least} KB, and ${rssMax} KB with 100 MB to ship`);
  });
});

describe('a store that fails', { concurrency: 2 }, () => {
  const faults = {
    '503': { status: 503, code: 'SlowDown', headers: { 'Retry-After': '0' } }, '500': { status: 500, code: 'InternalError' },
    'torn': { tear: true }, 'torn when it was done': { tear: true, late: true }, '429': { status: 429 }, 'silent': { hang: true },
  };
  for (const [name, fault] of Object.entries(faults)) {
    test(`${name}: it is tried again, and told once`, async (t) => {
      const { dir, s, hook, made, env } = await scene(t, { fault: (r, n) => (n % 3 === 0 ? fault : null) });
      const { result } = await run(t, dir, env, { policy: { ...quick, client: { idleMs: 300 } } });
      assert.deepEqual([result.shipped, result.left, hook.got.length, s.objects.size], [1, 0, 1, 4]);
      assert.equal(hook.got[0].json.upload.state, 'verified');
      assert.equal(marker(made).done, true);
    });
  }

  test('stays down: the incident stays, is told without links, and shipped by the next', async (t) => {
    const { dir, s, hook, made, env } = await scene(t, { fault: () => ({ status: 503, code: 'SlowDown' }) });
    const second = incident(dir, { pid: 4712 });
    const { result, log } = await run(t, dir, env, { policy: { ...quick, upload: { ...QUICK, tries: 3 } } });
    assert.deepEqual([result.shipped, result.failed, result.left], [0, 2, 2]);
    // The second one does not try it all again.
    assert.equal(s.requests.length, 3);
    assert.equal(log.length, 2);
    assert.match(log[0], /not uploaded: the store answers 503 SlowDown; it stays and is tried again$/);
    assert.deepEqual(hook.got.map(({ json }) => [json.upload.state, json.evidence.length]), [['failed', 0], ['failed', 0]]);
    assert.match(hook.got[0].json.upload.error, /503/);
    s.options.fault = () => null;
    const again = await run(t, dir, env);
    assert.deepEqual([again.result.shipped, again.result.left, hook.got.length], [2, 0, 2]);
    assert.deepEqual([marker(made).done, marker(second).done], [true, true]);
  });

  test('refuses a wrong secret', async (t) => {
    const { dir, s, hook, env } = await scene(t);
    const { result, log } = await run(t, dir, { ...env, AWS_SECRET_ACCESS_KEY: 'WRONG-one' });
    assert.deepEqual([result.left, s.objects.size, s.requests.length], [1, 0, 1]);
    assert.match(log[0], /403 SignatureDoesNotMatch/);
    assert.doesNotMatch(JSON.stringify([log, hook.got[0].json]), /WRONG-one|AKIDEXAMPLE/);
  });

  test('knows no checksum headers: MD5 does', async (t) => {
    const { dir, s, made, env } = await scene(t, { checksums: false });
    assert.equal((await run(t, dir, env)).result.shipped, 1);
    assert.ok(marker(made).files.every(({ proof }) => proof === 'md5'));
    // Found out once.
    assert.equal(s.did('PUT').length, 5);
  });

  test('may only be written to: the answer to the upload is the proof', async (t) => {
    const { dir, made, hook, env } = await scene(t, { head: false });
    assert.equal((await run(t, dir, env)).result.shipped, 1);
    assert.ok(marker(made).files.every(({ seen, proof }) => seen === 'put' && proof === 'sha256'));
    assert.equal(hook.got[0].json.upload.state, 'verified');
  });

  test('stores something else: nothing says that it is there', async (t) => {
    const { dir, hook, env } = await scene(t, { checksums: false, etag: (md5) => md5.replace(/^./, (c) => (c === '0' ? '1' : '0')) });
    const { result, log } = await run(t, dir, env);
    assert.equal(result.left, 1);
    assert.match(log[0], /something else, or does not tell its checksum/);
    assert.deepEqual([hook.got[0].json.upload.state, hook.got[0].json.evidence], ['failed', []]);
  });

  test('has lost it a moment later', async (t) => {
    const { dir, hook, env } = await scene(t, { fault: ({ method }) => (method === 'HEAD' ? { status: 404, code: 'NoSuchKey' } : null) });
    assert.equal((await run(t, dir, env)).result.left, 1);
    assert.equal(hook.got[0].json.upload.state, 'failed');
  });

  test('has another clock, and calls a token expired', async (t) => {
    const { dir, s, env } = await scene(t);
    s.options.now = () => Date.now() + 3 * 3_600_000;
    assert.equal((await run(t, dir, env)).result.shipped, 1);
    const tokens = http.createServer((req, res) => {
      s.options.keys = { ...s.options.keys, [`K${++n}`]: { secret: 's', token: 'TOKEN', expired: n === 1 } };
      res.end(JSON.stringify({ AccessKeyId: `K${n}`, SecretAccessKey: 's', Token: 'TOKEN', Expiration: new Date(Date.now() + 7_200_000).toISOString() }));
    }).listen(0, '127.0.0.1');
    let n = 0;
    await new Promise((done) => tokens.once('listening', done));
    t.after(() => { tokens.close(); tokens.closeAllConnections(); });
    const made = incident(dir, { pid: 5 });
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, ...rest } = env;
    s.options.now = () => Date.now();
    const { result } = await run(t, dir, { ...rest, AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${tokens.address().port}/` });
    assert.deepEqual([result.shipped, n], [1, 2]);
    assert.doesNotMatch(JSON.stringify(marker(made)), /TOKEN/);
  });

  test('sends elsewhere: nobody follows', async (t) => {
    const other = await webhook(t);
    const { dir, s, hook, env } = await scene(t, {
      answer: () => ({ status: 307, headers: { Location: `${other.url}/stolen` } }),
      fault: () => ({ status: 301, code: 'PermanentRedirect', headers: { 'Location': `${other.url}/x`, 'x-amz-bucket-region': 'eu-west-3' } }) });
    const { log, result } = await run(t, dir, env);
    assert.deepEqual([other.got.length, s.requests.length, hook.got.length, result.left], [0, 1, 1, 1]);
    assert.match(log[0], /redirects are not followed: set AWS_REGION=eu-west-3/);
    assert.match(log[0], /the alert failed: the webhook answers 307, and redirects are not followed/);
  });
});

describe('parts', { concurrency: 2 }, () => {
  test('SIGKILL in the middle: the next goes on, and tells once', async (t) => {
    const { dir, s, hook, made, env } = await scene(t, { files: big() });
    s.options.fault = ({ query }) => (/partNumber=3/.test(query) ? { hang: true } : null);
    const first = begin(t, dir, { ...env, ...plainly }, { policy: small });
    await until(() => s.did('PUT', /partNumber=3/).length === 1, 'third part');
    first.kill('SIGKILL');
    await first.exit();
    assert.equal(hook.got.length, 0);
    s.options.fault = () => null;
    const { result } = await run(t, dir, { ...env, ...plainly }, { policy: small });
    assert.deepEqual([result.shipped, hook.got.length, s.uploads.size], [1, 1, 0]);
    assert.deepEqual([1, 2, 3, 4].map((n) => s.did('PUT', new RegExp(`partNumber=${n}&`)).length), [1, 1, 2, 1]);
    assert.equal(s.did('POST', /\?uploads/).length, 1);
    const [, { body }] = [...s.objects].find(([k]) => k.endsWith('heapsnapshot'));
    assert.deepEqual(body, made.files['heap-1.heapsnapshot']);
  });

  test('the answer to the last request is lost', async (t) => {
    const { dir, s, hook, env } = await scene(t, { files: big() });
    let n = 0;
    s.options.fault = ({ method, query }) => (method === 'POST' && /uploadId/.test(query) && n++ === 0 ? { tear: true, late: true } : null);
    const { result } = await run(t, dir, { ...env, ...plainly }, { policy: small });
    assert.deepEqual([result.shipped, hook.got.length, n, s.did('POST', /\?uploads/).length], [1, 1, 2, 1]);
  });

  test('what was begun is unknown to the store: begun anew', async (t) => {
    const { dir, s, made, env } = await scene(t, { files: big() });
    s.options.fault = ({ query }) => (/partNumber=2/.test(query) ? { status: 403, code: 'AccessDenied' } : null);
    assert.equal((await run(t, dir, { ...env, ...plainly }, { policy: small })).result.left, 1);
    s.uploads.clear();
    s.options.fault = () => null;
    assert.equal((await run(t, dir, { ...env, ...plainly }, { policy: small })).result.shipped, 1);
    assert.equal(marker(made).files[0].bytes, 17 * 2 ** 20);
  });

  test('of an incident that the disk budget took are ended', async (t) => {
    const { dir, s, made, env } = await scene(t, { files: big() });
    s.options.fault = ({ query }) => (/partNumber=2/.test(query) ? { status: 403, code: 'AccessDenied' } : null);
    await run(t, dir, { ...env, ...plainly }, { policy: small });
    assert.equal(s.uploads.size, 1);
    rmSync(made.dir, { recursive: true });
    incident(dir, { pid: 5, files: { 'a.txt': Buffer.from('a') } });
    assert.equal((await run(t, dir, { ...env, ...plainly }, { policy: small })).result.shipped, 1);
    assert.deepEqual([s.uploads.size, JSON.parse(readFileSync(path.join(dir, 'ship.json'))).uploads], [0, {}]);
  });

  test('a directory that vanishes meanwhile is no error', async (t) => {
    const { dir, s, hook, made, env } = await scene(t, { files: { ...big(), 'z.txt': Buffer.from('z') } });
    s.options.fault = ({ query }) => {
      // As the budget does it.
      if (/partNumber=2/.test(query) && existsSync(made.dir)) {
        renameSync(made.dir, path.join(dir, `.tmp-${made.name}`));
        rmSync(path.join(dir, `.tmp-${made.name}`), { recursive: true });
      }
      return null;
    };
    const { result } = await run(t, dir, { ...env, ...plainly }, { policy: small });
    assert.deepEqual([result.failed, result.left, s.uploads.size], [0, 0, 0]);
    assert.deepEqual(hook.got.map(({ json }) => [json.upload.state, json.upload.error]), [['failed', 'it was removed from the disk before']]);
  });
});

test('several processes at one directory ship each incident once', async (t) => {
  const { dir, s, hook, env } = await scene(t, { delayMs: 5 });
  for (const pid of [5, 6, 7]) incident(dir, { pid });
  const all = await Promise.all(Array.from({ length: 4 }, () => run(t, dir, env)));
  assert.equal(all.reduce((sum, { result }) => sum + result.shipped, 0), 4);
  assert.equal(s.did('PUT').length, 16);
  assert.deepEqual([hook.got.length, new Set(hook.got.map(({ json }) => json.id)).size], [4, 4]);
});
