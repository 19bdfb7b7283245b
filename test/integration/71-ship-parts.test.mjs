// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What ships incidents (src/js/ship), part by part: tables for what is pure.

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, test } from 'node:test';
import zlib from 'node:zlib';
import { App, temporary, top } from './helpers.mjs';
import { filler, incident } from '../ship/incidents.mjs';

const require = createRequire(import.meta.url);
const part = (name) => require(path.join(top, 'src/js/ship', name));

function read(env) {
  const said = [];
  return { config: part('config').read(env, (line) => said.push(line)), said };
}

describe('settings', () => {
  test('sizes and durations', () => {
    const { bytes, milliseconds } = part('value');
    assert.deepEqual(['0', '10', '512KB', '16MB', '1GB', '1TB'].map(bytes), [0, 10, 524288, 16777216, 1073741824, 1099511627776]);
    assert.deepEqual(['10', '500ms', '2m', '1h', '7d'].map(milliseconds), [10_000, 500, 120_000, 3_600_000, 604_800_000]);
    for (const bad of ['', '-1', '1.5MB', 'MB', '1 MB', '1kb', '1e3', '9999999999999TB', 'constructor']) {
      assert.equal(bytes(bad), undefined, bad);
      assert.equal(milliseconds(bad), undefined, bad);
    }
  });

  test('which addresses may be spoken to', () => {
    const { checked } = part('url');
    for (const good of ['https://hooks.example.com/x', 'http://127.0.0.1:9000', 'http://localhost/', 'http://[::1]:1/', 'http://10.1.2.3/',
                        'http://minio:9000', 'http://minio.storage.svc.cluster.local', 'http://192.168.1.1', 'http://172.31.0.1',
                        'http://[fd00::1]/', 'http://169.254.169.254']) {
      assert.equal(checked(good).href, new URL(good).href);
    }
    for (const [bad, why] of [['http://example.com/', /http: is only taken/], ['http://172.32.0.1/', /only/], ['http://8.8.8.8/', /only/],
                              ['http://127.0.0.1.example.com/', /only/], ['ftp://127.0.0.1/', /neither/], ['file:///etc/passwd', /neither/],
                              ['https://user:pass@example.com/', /user name/], ['https://user@example.com/', /user name/], ['hooks', /no URL/],
                              ['http://[::ffff:8.8.8.8]/', /only/]]) {
      assert.throws(() => checked(bad), (error) => why.test(error.message) && !error.message.includes('example'), bad);
    }
  });

  test('nothing is on by itself', () => {
    const { config, said } = read({});
    assert.deepEqual([config.upload, config.alert, config.command, config.fleet, said], [null, null, null, null, []]);
  });

  test('buckets, endpoints and their styles', () => {
    const at = (env) => read({ VIGIL_UPLOAD: 's3://evidence/a//b/', ...env }).config.upload;
    assert.deepEqual(at({}), { bucket: 'evidence', prefix: 'a/b', base: new URL('https://s3.us-east-1.amazonaws.com'), pathStyle: false, region: 'us-east-1' });
    assert.equal(at({ AWS_REGION: 'eu-central-1', AWS_DEFAULT_REGION: 'x' }).base.host, 's3.eu-central-1.amazonaws.com');
    assert.equal(at({ AWS_DEFAULT_REGION: 'cn-north-1' }).base.host, 's3.cn-north-1.amazonaws.com.cn');
    const urls = { VIGIL_UPLOAD_ENDPOINT: 'https://a.test', AWS_ENDPOINT_URL_S3: 'https://b.test', AWS_ENDPOINT_URL: 'https://c.test' };
    for (const [name, host] of [['VIGIL_UPLOAD_ENDPOINT', 'a.test'], ['AWS_ENDPOINT_URL_S3', 'b.test'], ['AWS_ENDPOINT_URL', 'c.test']]) {
      assert.deepEqual([at(urls).base.host, at(urls).pathStyle], [host, true]);
      delete urls[name];
    }
    assert.equal(at({ VIGIL_UPLOAD_PATH_STYLE: 'on' }).pathStyle, true);
    assert.equal(at({ VIGIL_UPLOAD_ENDPOINT: 'https://a.test', VIGIL_UPLOAD_PATH_STYLE: 'off' }).pathStyle, false);
    assert.equal(at({ VIGIL_UPLOAD: 's3://with.dots' }).pathStyle, true);
  });

  test('what is not understood is said, and goes nowhere', () => {
    for (const [name, value] of [['VIGIL_UPLOAD', 'bucket'], ['VIGIL_UPLOAD', 's3://'], ['VIGIL_UPLOAD', 's3://a..b'], ['VIGIL_UPLOAD', 's3://bucket/../x'],
                                 ['VIGIL_UPLOAD', 's3://bucket/a b'], ['VIGIL_UPLOAD', 's3://user:pass@bucket'], ['VIGIL_FLEET', '3'], ['VIGIL_FLEET', '0/1h'],
                                 ['VIGIL_FLEET', '3/1s'], ['VIGIL_LINK_TIME', '8d'], ['VIGIL_LINK', 'https://x/'], ['VIGIL_LINK', 'javascript:{key}'],
                                 ['VIGIL_UPLOAD_COMPRESS', 'brotli'], ['VIGIL_UPLOAD_RATE', '0'], ['VIGIL_ALERT_FORMAT', 'mail']]) {
      const { said } = read({ [name]: value });
      assert.equal(said.length, 1, `${name}=${value}`);
      assert.ok(said[0].startsWith(`${name}=${value} is not understood`) && said[0].includes('; accepted: '), said[0]);
    }
    const bad = read({ VIGIL_UPLOAD: 's3://bucket', VIGIL_UPLOAD_ENDPOINT: 'http://u:p@evil.test/token', VIGIL_ALERT: 'http://hooks.example.com/T0/SECRET' });
    assert.equal(bad.config.upload, null);
    assert.equal(bad.config.alert, null);
    assert.equal(bad.said.length, 2);
    assert.doesNotMatch(bad.said.join(), /SECRET|evil|token/);
    assert.equal(read({ VIGIL_UPLOAD: 's3://bucket', AWS_ENDPOINT_URL: 'http://public.example.com' }).config.upload, null);
    assert.equal(read({ VIGIL_ALERT: 'https://events.pagerduty.com/v2/enqueue' }).config.alert, null);
  });

  test('formats go by the address', () => {
    const { formatOf } = part('config');
    assert.deepEqual(['https://hooks.slack.com/services/T/B/x', 'https://events.pagerduty.com/v2/enqueue', 'https://events.eu.pagerduty.com/v2/enqueue',
                      'http://alertmanager:9093/api/v2/alerts', 'https://example.com/hook', 'https://hooks.slack.com.example.com/'].map((u) => formatOf(new URL(u))),
                     ['slack', 'pagerduty', 'pagerduty', 'alertmanager', 'plain', 'plain']);
  });
});

describe('names', () => {
  const { who, folder, part: clean } = part('identity');

  test('service and version', (t) => {
    const empty = temporary(t);
    const packaged = temporary(t);
    writeFileSync(path.join(packaged, 'package.json'), '{"name":"@acme/shop","version":"3.1.4"}');
    mkdirSync(path.join(packaged, 'a/b'), { recursive: true });
    const otel = { OTEL_RESOURCE_ATTRIBUTES: 'k=v,service.name=from%20otel,service.version=9,bad=%zz' };
    for (const [env, cwd, expected] of [
      [{ VIGIL_SERVICE: 'a', VIGIL_VERSION: '1', OTEL_SERVICE_NAME: 'b', ...otel }, packaged, ['a', '1']],
      [{ OTEL_SERVICE_NAME: 'b', ...otel }, packaged, ['b', '9']],
      [otel, packaged, ['from otel', '9']],
      [{}, path.join(packaged, 'a/b'), ['@acme/shop', '3.1.4']],
      [{ VIGIL_SERVICE: 'a' }, packaged, ['a', 'unknown']],
      [{ npm_package_name: 'n', npm_package_version: '2' }, empty, ['n', '2']],
      [{}, null, ['unknown', 'unknown']],
    ]) assert.deepEqual(Object.values(who(env, cwd)), expected);
  });

  test('keys hold nothing that has to be encoded', () => {
    assert.deepEqual(['a b/c', '@acme/shop', '..', '', 'ünï', 'x'.repeat(200)].map(clean), ['a-b-c', 'acme-shop', 'unknown', 'unknown', '-n-', 'x'.repeat(100)]);
    assert.equal(folder('p', { service: 'shop', version: '1/2' }, { name: 'incident-1', triggered: '2026-11-23T18:00:00.000Z', host: '../../x', pid: 7 }),
                 'p/shop/1-2/2026-11-23/..-..-x-7/incident-1');
  });
});

describe('tries', () => {
  const { after, backoff, isRetryable, isUnknown, retrying } = part('retry');

  test('back off with full jitter, and bounded', () => {
    const p = { firstMs: 100, mostMs: 1000 };
    assert.deepEqual([1, 2, 3, 4, 5, 50].map((n) => backoff(n, p, () => 1)), [100, 200, 400, 800, 1000, 1000]);
    assert.equal(backoff(5, p, () => 0), 0);
    const now = Date.parse('2026-01-01T00:00:00Z');
    assert.deepEqual([undefined, '3', 'Thu, 01 Jan 2026 00:00:05 GMT', 'soon', '-1'].map((h) => after(h, now)), [0, 3000, 5000, 0, 0]);
  });

  test('what is tried again, and what may have been done', () => {
    assert.deepEqual([408, 429, 500, 502, 503, 504, 400, 403, 404, 301].map((status) => isRetryable({ status })),
                     [true, true, true, true, true, true, false, false, false, false]);
    assert.deepEqual([{ code: 'ECONNREFUSED' }, { code: 'ENOTFOUND' }, { code: 'TIMEOUT', sent: false }, { status: 500 },
                      { code: 'ECONNRESET', sent: true }, { code: 'TORN' }, { code: 'TIMEOUT', sent: true }].map(isUnknown),
                     [false, false, false, false, true, true, true]);
  });

  test('ends by number, by time and by what cannot help', async () => {
    let n = 0;
    const fail = (error) => () => { n++; throw Object.assign(new Error(), error); };
    await assert.rejects(retrying(fail({ status: 503 }), { policy: { tries: 4, firstMs: 1 } }), { tries: 4 });
    assert.equal(n, 4);
    await assert.rejects(retrying(fail({ status: 403 }), { policy: { firstMs: 1 } }), { tries: 1 });
    await assert.rejects(retrying(fail({ status: 503, afterMs: 60_000 }), { policy: { totalMs: 1_000 } }), { tries: 1 });
    assert.equal(await retrying((i) => (i < 3 ? fail({ code: 'ECONNRESET' })() : i), { policy: { firstMs: 1 } }), 3);
  });

  test('bytes per second', () => {
    let now = 0;
    const { Rate } = part('rate');
    const rate = new Rate(1000, () => now);
    assert.deepEqual([rate.take(500), rate.take(500), rate.take(100)], [0, 500, 1000]);
    now = 5000;
    assert.deepEqual([rate.take(2000), rate.take(1)], [0, 2000]);
    assert.equal(new Rate(10 * 2 ** 20).chunk, 65536);
  });
});

describe('what is told', () => {
  function alert(t, { manifest, ...more } = {}) {
    const dir = temporary(t);
    const { name } = incident(dir, { manifest });
    const facts = part('incident').facts(dir, name);
    return part('body').plain(facts, { service: 'shop', version: '1' }, {
      upload: { state: 'verified' }, directory: dir, linksExpire: '2026-11-30T00:00:00.000Z',
      evidence: [{ name: 'cpu-1.cpuprofile', object: 's3://b/cpu-1.cpuprofile.gz', link: 'https://s3/b/cpu?a=1&X-Amz-Signature=f' }], ...more });
  }

  test('figures before and during', (t) => {
    const a = alert(t);
    assert.deepEqual(a.before, { spanMs: 40_000, p99Ms: 4, maxMs: 9, busyShare: 0.4, gcShare: 0.01 });
    assert.deepEqual(a.during, { spanMs: 10_000, p99Ms: 380, maxMs: 412.3, busyShare: 0.94, gcShare: 0.03 });
    assert.deepEqual([a.p99Ms, a.windowMs, a.suppressed, a.service, a.host, a.cause.class], [380, 10_000, 2, 'shop', 'pod-7', 'js']);
    assert.match(a.id, /^[0-9a-f]{32}$/);
    assert.equal(alert(t, { manifest: { timeline: undefined } }).before, null);
  });

  test('a manifest that somebody else wrote does no harm', (t) => {
    const dir = temporary(t);
    const { name } = incident(dir, { manifest: {
      headline: { a: 1 }, process: [], cause: 'js', lag: null, thread: 7, rule: null, gc: 0, triggered: 'never', timeline: { atMs: 'x', spanMs: [] },
      suppressedBefore: 'many', files: [{ name: '../../etc/passwd' }, { name: '.hidden' }, null, { name: 'incident.json' }, { name: 'a\nb' }, { name: 'ok.txt', sha256: 'x' }] } });
    const facts = part('incident').facts(dir, name);
    assert.deepEqual(facts.files.map((f) => f.name), ['ok.txt', 'incident.json']);
    assert.equal(facts.triggered.slice(0, 10), new Date().toISOString().slice(0, 10));
    const { slack, pagerduty, alertmanager } = part('formats');
    const plain = part('body').plain(facts, { service: 's', version: '1' }, { upload: { state: 'off' }, directory: dir });
    for (const make of [slack, pagerduty, alertmanager]) assert.ok(JSON.stringify(make(plain, { routingKey: 'k' })).length > 100);
  });

  test('Slack: limits and mark-up', (t) => {
    const { slack } = part('formats');
    const a = alert(t, { manifest: { headline: `<!channel> & ${'long '.repeat(100)}`, cause: { class: 'js', text: '<b>'.repeat(300) } },
                         evidence: Array.from({ length: 60 }, (_, n) => ({ name: `f${n}`, object: 'o', link: `https://s3/${'x'.repeat(400)}` })) });
    const { text, blocks } = slack(a);
    assert.ok(text.length <= 3000 && text.startsWith('shop: &lt;!channel&gt; &amp;'));
    assert.ok(blocks.length <= 50);
    for (const b of blocks) {
      if (b.type === 'header') assert.ok(b.text.text.length <= 150);
      else if (b.text) assert.ok(b.text.text.length <= 3000);
    }
    const lines = blocks.filter((b) => b.text?.text.includes('https://s3/')).flatMap((b) => b.text.text.split('\n'));
    assert.equal(lines.length, 60);
    for (const line of lines) assert.match(line, /^<https:\/\/s3\/x{400}\|f\d+>$/);
    assert.doesNotMatch(JSON.stringify(blocks.slice(1, 3)), /<!channel>|<b>/);
  });

  test('PagerDuty and Alertmanager', (t) => {
    const { pagerduty, alertmanager } = part('formats');
    const a = alert(t);
    const p = pagerduty(a, { routingKey: 'R0' });
    assert.deepEqual([p.routing_key, p.event_action, p.dedup_key, p.payload.severity, p.links.length], ['R0', 'trigger', `vigil-${a.id}`, 'error', 1]);
    assert.ok(p.payload.summary.length <= 1024 && p.payload.source === 'pod-7');
    const now = Date.now();
    const [m] = alertmanager(a, {}, now);
    assert.equal(m.labels.alertname, 'VigilIncident');
    assert.ok(Object.values(m.labels).every((v) => typeof v === 'string' && v !== ''));
    assert.ok(Date.parse(m.endsAt) > now);
    assert.equal(m.generatorURL, a.evidence[0].link);
  });

  test('the signature', () => {
    const { signature } = part('alert');
    const [, seconds, hex] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature('key', Buffer.from('{"a":1}'), 1700000000));
    assert.equal(hex, createHmac('sha256', 'key').update(`${seconds}.{"a":1}`).digest('hex'));
  });
});

describe('files', () => {
  const { blocks, measure, storedAs } = part('encode');
  const sha256 = (data) => createHash('sha256').update(data).digest('hex');
  const undo = { gzip: zlib.gunzipSync, zstd: zlib.zstdDecompressSync, off: (b) => b };

  for (const encoding of ['gzip', 'zstd', 'off']) {
    test(`${encoding}: measured and in blocks, the same bytes`, async (t) => {
      const data = filler(3_000_000);
      const file = path.join(temporary(t), 'f');
      writeFileSync(file, data);
      const handle = await open(file);
      try {
        const sums = await measure(handle, encoding, Infinity);
        assert.deepEqual(sums.source, { bytes: data.length, sha256: sha256(data) });
        const parts = [];
        for await (const block of blocks(handle, encoding, 100_000)) parts.push(Buffer.from(block));
        assert.ok(parts.slice(0, -1).every((p) => p.length === 100_000));
        const whole = Buffer.concat(parts);
        assert.equal(whole.length, sums.bytes);
        assert.equal(sha256(whole), sums.sha256.toString('hex'));
        assert.deepEqual(undo[encoding](whole), data);
        assert.equal(await measure(handle, encoding, sums.bytes - 1), null);
        assert.ok(await measure(handle, encoding, sums.bytes));
      } finally {
        await handle.close();
      }
    });
  }

  test('names and types', () => {
    assert.deepEqual(['heap-1.heapsnapshot', 'incident.json', 'report.html', 'stalls.json'].map((n) => Object.values(storedAs(n, 'zstd'))), [
      ['zstd', 'heap-1.heapsnapshot.zst', 'application/zstd'], ['off', 'incident.json', 'application/json'],
      ['off', 'report.html', 'text/html; charset=utf-8'], ['zstd', 'stalls.json.zst', 'application/zstd']]);
  });

  test('the lock is held by one process, and ends with it', async (t) => {
    const dir = temporary(t);
    const lock = part('lock');
    const held = new App(t, ['-e', `global.it = require(${JSON.stringify(path.join(top, 'src/js/ship/lock.js'))}).take(process.argv[1]);
      console.log(it !== null); setInterval(() => {}, 1000)`, dir], { env: { VIGIL: 'off' } });
    await held.line(/true/);
    assert.equal(lock.take(dir), null);
    assert.equal(held.stderr, '');
    const waiting = lock.wait(dir, 60_000);
    held.kill('SIGKILL');
    const mine = await waiting;
    assert.notEqual(mine, null);
    assert.equal(lock.take(dir), null);
    mine.release();
    const again = lock.take(dir);
    assert.notEqual(again, null);
    again.release();
  });

  test('a marker is replaced whole', (t) => {
    const state = part('state');
    const dir = temporary(t);
    state.write(dir, 'shipped.json', { a: 1 });
    assert.deepEqual(state.read(dir, 'shipped.json'), { a: 1 });
    assert.throws(() => state.write(path.join(dir, 'gone'), 'x.json', {}), { code: 'ENOENT' });
    for (const bad of ['', '[1]', '{"a":', 'null']) {
      writeFileSync(path.join(dir, 'x.json'), bad);
      assert.equal(state.read(dir, 'x.json'), null);
    }
    assert.deepEqual(readdirSync(dir).sort(), ['shipped.json', 'x.json']);
  });
});
