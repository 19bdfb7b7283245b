// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Shipping with what others wrote on the other side: Ceph's S3 gateway takes it,
// the aws client and s3cmd read it back, Alertmanager is told.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import zlib from 'node:zlib';
import { App, MINUTE, temporary, until } from './helpers.mjs';
import { KEYS, ceph, environmentFor } from '../ship/ceph.mjs';
import { debian, freePort, run as program } from '../ship/debian.mjs';
import { filler, incident } from '../ship/incidents.mjs';
import { SHIP, begin, quick, run } from '../ship/shipping.mjs';
import { store } from '../ship/store.mjs';
import { webhook } from '../ship/webhook.mjs';

const marker = ({ dir }) => JSON.parse(readFileSync(path.join(dir, 'shipped.json'), 'utf8'));
const sha256 = (data) => createHash('sha256').update(data).digest('hex');
// In parts of the least size that S3 has.
const parted = { ...quick, sizes: { single: 2 ** 20, part: 5 * 2 ** 20 } };

let tools, s3, home;
const ends = [];

before(async () => {
  tools = debian();
  s3 = await ceph({ after: (end) => ends.push(end) }, tools);
  home = mkdtempSync(path.join(tmpdir(), 'vigil-test-'));
  await s3cmd('mb', 's3://evidence');
}, { timeout: 4 * MINUTE });

after(async () => {
  for (const end of ends) await end();
  if (home) rmSync(home, { recursive: true, force: true });
}, { timeout: 2 * MINUTE });

function s3cmd(...args) {
  const host = `127.0.0.1:${s3.port}`;
  return program(tools.bin('s3cmd'), ['--no-ssl', `--host=${host}`, `--host-bucket=${host}`, `--access_key=${KEYS.id}`, `--secret_key=${KEYS.secret}`,
                                      '--config=/dev/null', '--no-progress', '--force', ...args], { env: { ...tools.env, HOME: home } });
}

function aws(...args) {
  return program(tools.bin('aws'), ['--endpoint-url', s3.url, '--region', 'us-east-1', ...args], {
    env: { ...tools.env, HOME: home, AWS_ACCESS_KEY_ID: KEYS.id, AWS_SECRET_ACCESS_KEY: KEYS.secret, AWS_EC2_METADATA_DISABLED: 'true', AWS_PAGER: '' } });
}

async function get(client, object, as) {
  const to = path.join(home, as);
  if (client === 'aws') await aws('s3', 'cp', '--no-progress', object, to);
  else await s3cmd('get', object, to);
  return readFileSync(to);
}

describe('Ceph', { concurrency: 2 }, () => {
  test('what was shipped is read back, by aws, s3cmd and the links', async (t) => {
    const dir = temporary(t);
    const made = incident(dir, { files: { 'cpu-1.cpuprofile': filler(70_000), 'heap-1.heapsnapshot': filler(13 * 2 ** 20, 5), 'stalls.json': Buffer.from('{}\n') } });
    const { got, url } = await webhook(t);
    const { result, log } = await run(t, dir, { ...environmentFor(s3.url), VIGIL_ALERT: url }, { policy: parted });
    assert.equal(result.shipped, 1, log.join());
    const { evidence, upload } = got[0].json;
    assert.equal(upload.state, 'verified');
    assert.deepEqual(evidence.map(({ name }) => name), ['cpu-1.cpuprofile', 'heap-1.heapsnapshot', 'stalls.json', 'incident.json']);
    for (const { name, object, link, storedBytes, sha256: sum } of evidence) {
      const open = name === 'incident.json' ? (b) => b : zlib.gunzipSync;
      for (const body of [await get('aws', object, `aws-${name}`), await get('s3cmd', object, `s3cmd-${name}`),
                          Buffer.from(await (await fetch(link)).arrayBuffer())]) {
        assert.equal(body.length, storedBytes);
        assert.equal(sha256(open(body)), sum);
      }
    }
    assert.deepEqual(zlib.gunzipSync(readFileSync(path.join(home, 's3cmd-heap-1.heapsnapshot'))), made.files['heap-1.heapsnapshot']);
    const m = marker(made);
    assert.match(m.files.find((f) => f.name.startsWith('heap')).etag, /^[0-9a-f]{32}-2$/);
    assert.ok(m.files.every(({ seen }) => seen === 'head'));
  });

  test('a wrong secret, and a key that nobody has, are refused', async (t) => {
    const dir = temporary(t);
    incident(dir);
    const wrong = await run(t, dir, { ...environmentFor(s3.url), AWS_SECRET_ACCESS_KEY: `${KEYS.secret}x` });
    assert.match(wrong.log[0], /403 SignatureDoesNotMatch/);
    const nobody = await run(t, dir, { ...environmentFor(s3.url), AWS_ACCESS_KEY_ID: 'AKIANOBODY' });
    assert.match(nobody.log[0], /403 InvalidAccessKeyId/);
    const none = await run(t, dir, environmentFor(s3.url, 's3://no-such-bucket'));
    assert.match(none.log[0], /404 NoSuchBucket/);
    assert.equal((await run(t, dir, environmentFor(s3.url))).result.shipped, 1);
  });

  test('SIGKILL in the middle of the parts: the next finishes, one alert in Alertmanager', async (t) => {
    const manager = await alertmanager(t);
    const dir = temporary(t);
    const made = incident(dir, { files: { 'heap-1.heapsnapshot': filler(21 * 2 ** 20, 7) } });
    const env = { ...environmentFor(s3.url, 's3://evidence/killed'), VIGIL_ALERT: `${manager.url}/api/v2/alerts`, VIGIL_UPLOAD_COMPRESS: 'off' };
    const first = begin(t, dir, { ...env, VIGIL_UPLOAD_RATE: '4MB' }, { policy: parted });
    const begun = () => { try { return Object.values(JSON.parse(readFileSync(path.join(dir, 'ship.json'))).uploads)[0]; } catch { return undefined; } };
    await until(() => begun()?.parts.length >= 2, 'two parts');
    first.kill('SIGKILL');
    await first.exit();
    const { id, parts } = begun();
    assert.ok(parts.length < 5);
    assert.deepEqual(await manager.alerts(), []);
    const listed = JSON.parse((await aws('s3api', 'list-multipart-uploads', '--bucket', 'evidence', '--prefix', 'killed')).stdout);
    assert.deepEqual(listed.Uploads.map((u) => u.UploadId), [id]);

    const { result, log } = await run(t, dir, env, { policy: parted });
    assert.equal(result.shipped, 1, log.join());
    // The parts that were there were not sent again.
    const sent = s3.requests().filter((line) => line.includes('"PUT /evidence/killed') && line.includes(encodeURIComponent(id)) && / HTTP\/1.1" 200 /.test(line));
    assert.equal(sent.length, 5);
    assert.equal((await aws('s3api', 'list-multipart-uploads', '--bucket', 'evidence', '--prefix', 'killed')).stdout.toString().includes('UploadId'), false);
    const [heap] = marker(made).files;
    assert.deepEqual(await get('s3cmd', `s3://evidence/${heap.key}`, 'killed'), made.files['heap-1.heapsnapshot']);
    await run(t, dir, env, { policy: parted });
    const alerts = await manager.alerts();
    assert.equal(alerts.length, 1);
    assert.equal(alerts[0].labels.incident, made.name);
    assert.match(alerts[0].annotations.summary, /p99 is 380 ms/);
    assert.equal((await fetch(alerts[0].generatorURL)).status, 200);
    assert.equal(sha256(Buffer.from(await (await fetch(alerts[0].annotations.evidence_heap_1_heapsnapshot)).arrayBuffer())), heap.sha256);
  });

  test('creates an object once, and so keeps the fleet\'s budget', async (t) => {
    const ship = createRequire(import.meta.url)(SHIP);
    const dir = temporary(t);
    const env = { HOME: home, ...environmentFor(s3.url, 's3://evidence/slots'), VIGIL_FLEET: '3/24h' };
    assert.equal(await ship.probe({ dir, env, log() {} }), 'honest');
    const known = readFileSync(path.join(dir, 'fleet.json'));
    const answers = await Promise.all(Array.from({ length: 60 }, () => {
      const own = temporary(t);
      writeFileSync(path.join(own, 'fleet.json'), known);
      return ship.claim({ dir: own, env, log() {}, mostMs: MINUTE });
    }));
    assert.deepEqual([answers.filter((a) => a === 'yes').length, answers.filter((a) => a === 'no').length], [3, 57]);
  });
});

test('TLS: who is not vouched for gets nothing', async (t) => {
  const dir = temporary(t);
  const [key, ca] = [path.join(dir, 'key.pem'), path.join(dir, 'ca.pem')];
  await program('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', ca,
                            '-days', '2', '-subj', '/CN=store', '-addext', 'subjectAltName=IP:127.0.0.1'], { env: tools.env });
  const s = await store(t, { tls: { key: readFileSync(key), cert: readFileSync(ca) } });
  const own = temporary(t);
  incident(own);
  for (const [env, shipped] of [[{}, 0], [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, 0], [{ AWS_CA_BUNDLE: ca }, 1]]) {
    const { result, log } = await run(t, own, { ...s.env, ...env }, { policy: { upload: { tries: 1 } } });
    assert.equal(result.shipped, shipped, log.join());
    assert.equal(s.requests.length !== 0, shipped === 1);
  }
});

// A real Alertmanager that tells nobody.
async function alertmanager(t) {
  const dir = temporary(t);
  writeFileSync(path.join(dir, 'am.yml'), 'route: { receiver: none }\nreceivers: [{ name: none }]\n');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const it = new App(t, [`--config.file=${dir}/am.yml`, `--storage.path=${dir}/data`, `--web.listen-address=127.0.0.1:${port}`, '--cluster.listen-address='],
                     { bin: tools.bin('prometheus-alertmanager'), cwd: dir });
  await until(() => {
    if (it.exited) throw new Error(`Alertmanager ended: ${it.said()}`);
    return fetch(`${url}/-/ready`).then(({ ok }) => ok, () => false);
  }, () => `Alertmanager; it said ${it.said()}`, 2 * MINUTE);
  return { url, alerts: async () => (await fetch(`${url}/api/v2/alerts`)).json() };
}
