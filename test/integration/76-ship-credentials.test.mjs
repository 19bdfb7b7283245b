// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Who lets the shipper in (src/js/ship/credentials.js): the usual order, by the
// usual protocols.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, test } from 'node:test';
import { temporary, top } from './helpers.mjs';

const require = createRequire(import.meta.url);
const part = (name) => require(path.join(top, 'src/js/ship', name));

// Answers of what hands out credentials, by "METHOD path".
async function metadata(t, answers) {
  const got = [];
  const server = http.createServer((req, res) => {
    const body = [];
    req.on('data', (d) => body.push(d)).once('end', () => {
      got.push({ what: `${req.method} ${req.url}`, headers: req.headers, body: Buffer.concat(body).toString() });
      const answer = answers[`${req.method} ${req.url}`];
      res.writeHead(answer === undefined ? 404 : 200).end(answer);
    });
  }).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  t.after(() => { server.close(); server.closeAllConnections(); });
  return { got, url: `http://127.0.0.1:${server.address().port}` };
}

describe('credentials', () => {
  const { Credentials } = part('credentials');
  const { Client } = part('http');
  const soon = (ms) => new Date(Date.now() + ms).toISOString();
  function from(t, env, options = {}) {
    const client = new Client();
    t.after(() => client.close());
    return new Credentials({ HOME: '/nonexistent', ...env }, { client, local: client, region: 'eu-west-1', ...options });
  }
  const document = (id, ms) => JSON.stringify({ AccessKeyId: id, SecretAccessKey: 's', Token: 't', Expiration: soon(ms) });

  test('the usual order', async (t) => {
    const dir = temporary(t);
    const file = path.join(dir, 'credentials');
    writeFileSync(file, '# c\n[default]\naws_access_key_id = FILE\naws_secret_access_key=s = x\n\n[other]\naws_access_key_id=OTHER\naws_secret_access_key=s\naws_session_token=t\n');
    writeFileSync(path.join(dir, 'token'), 'jwt\n');
    const { url, got } = await metadata(t, {
      'POST /': `<R><AccessKeyId>WEB</AccessKeyId><SecretAccessKey>a&amp;b</SecretAccessKey><SessionToken>t</SessionToken><Expiration>${soon(3_600_000)}</Expiration></R>`,
      'GET /task': document('TASK', 3_600_000), 'PUT /latest/api/token': 'v2',
      'GET /latest/meta-data/iam/security-credentials/': 'role\n', 'GET /latest/meta-data/iam/security-credentials/role': document('NODE', 3_600_000),
    });
    const env = { AWS_ACCESS_KEY_ID: 'ENV', AWS_SECRET_ACCESS_KEY: 's', AWS_WEB_IDENTITY_TOKEN_FILE: path.join(dir, 'token'), AWS_ROLE_ARN: 'arn:aws:iam::1:role/r',
                  AWS_ENDPOINT_URL_STS: url, AWS_SHARED_CREDENTIALS_FILE: file, AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/task`,
                  AWS_CONTAINER_AUTHORIZATION_TOKEN: 'secret', AWS_EC2_METADATA_SERVICE_ENDPOINT: url };
    const id = async () => (await from(t, env).get()).accessKeyId;
    assert.equal(await id(), 'ENV');
    delete env.AWS_ACCESS_KEY_ID;
    assert.equal(await id(), 'WEB');
    const form = new URLSearchParams(got[0].body);
    assert.deepEqual([form.get('Action'), form.get('RoleArn'), form.get('WebIdentityToken')], ['AssumeRoleWithWebIdentity', 'arn:aws:iam::1:role/r', 'jwt']);
    assert.equal((await from(t, env).get()).secretAccessKey, 'a&b');
    delete env.AWS_ROLE_ARN;
    assert.equal(await id(), 'FILE');
    env.AWS_PROFILE = 'other';
    assert.equal((await from(t, env).get()).sessionToken, 't');
    delete env.AWS_PROFILE;
    env.AWS_SHARED_CREDENTIALS_FILE = '/nonexistent';
    assert.equal(await id(), 'TASK');
    assert.equal(got.at(-1).headers.authorization, 'secret');
    delete env.AWS_CONTAINER_CREDENTIALS_FULL_URI;
    assert.equal(await id(), 'NODE');
    // Version 2: nothing without the token.
    assert.deepEqual(got.slice(-3).map(({ what }) => what.split(' ')[0]), ['PUT', 'GET', 'GET']);
    assert.ok(got.slice(-2).every(({ headers }) => headers['x-aws-ec2-metadata-token'] === 'v2'));
    env.AWS_EC2_METADATA_DISABLED = 'true';
    await assert.rejects(id(), { message: 'no AWS credentials found' });
    env.AWS_CONTAINER_CREDENTIALS_FULL_URI = 'http://example.com/task';
    await assert.rejects(id(), /of this host/);
    env.AWS_PROFILE = 'absent';
    env.AWS_SHARED_CREDENTIALS_FILE = file;
    await assert.rejects(id(), /AWS_PROFILE has no keys there/);
  });

  test('are asked for again before they expire, and once for all who wait', async (t) => {
    let now = Date.now();
    const { url, got } = await metadata(t, { 'GET /task': document('TASK', 3_600_000) });
    const it = from(t, { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/task` }, { now: () => now });
    await Promise.all([it.get(), it.get(), it.get()]);
    now += 54 * 60_000;
    await it.get();
    assert.equal(got.length, 1);
    now += 2 * 60_000;
    await it.get();
    assert.equal(got.length, 2);
    it.expire();
    await it.get();
    assert.equal(got.length, 3);
  });

  test('a failure says where, never what', async (t) => {
    const { url } = await metadata(t, { 'GET /task': '{"AccessKeyId":"AKIASECRET","broken' });
    await assert.rejects(from(t, { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/task` }).get(),
                         (error) => /the container \(SyntaxError\)/.test(error.message) && !error.message.includes('AKIASECRET'));
  });
});
