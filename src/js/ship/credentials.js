// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Credentials in the usual order: variables, web identity, shared file, container,
// instance metadata. Kept in memory only, and fetched anew before they expire.

const fs = require('node:fs');
const { HttpError } = require('./http');
const { isRetryable } = require('./retry');
const shared = require('./credentials_file');
const { checked, BadUrl } = require('./url');
const { value: xml } = require('./xml');

const kEarlyMs = 5 * 60_000;
// What a task or pod is given to ask for its own credentials, without TLS.
const kContainerHosts = new Set(['127.0.0.1', 'localhost', '[::1]', '169.254.170.2', '169.254.170.23', '[fd00:ec2::23]']);

class NoCredentials extends Error {}

function complete({ accessKeyId, secretAccessKey, sessionToken, expires }) {
  if (!accessKeyId || !secretAccessKey) return null;
  const until = expires === undefined ? Infinity : Date.parse(expires);
  if (Number.isNaN(until)) return null;
  return { accessKeyId, secretAccessKey, sessionToken: sessionToken || undefined, expires: until };
}

function fromVariables(env) {
  return complete({ accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
                    sessionToken: env.AWS_SESSION_TOKEN });
}

async function fetched(client, request) {
  const answer = await client.send({ ...request, totalMs: 5_000, mostAnswer: 65_536 });
  if (answer.status === 200) return answer.body.toString();
  throw new HttpError(`it answered ${answer.status}`, { status: answer.status });
}

async function fromWebIdentity(env, client, region) {
  if (!env.AWS_WEB_IDENTITY_TOKEN_FILE || !env.AWS_ROLE_ARN) return null;
  const url = checked(env.AWS_ENDPOINT_URL_STS ||
    `https://sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}/`);
  const body = Buffer.from(String(new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity', Version: '2011-06-15', RoleArn: env.AWS_ROLE_ARN,
    RoleSessionName: env.AWS_ROLE_SESSION_NAME || 'node-vigil',
    WebIdentityToken: fs.readFileSync(env.AWS_WEB_IDENTITY_TOKEN_FILE, 'utf8').trim(),
  })));
  const text = await fetched(client, { url, method: 'POST', body, headers: {
    'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': body.length } });
  return complete({ accessKeyId: xml(text, 'AccessKeyId'), secretAccessKey: xml(text, 'SecretAccessKey'),
                    sessionToken: xml(text, 'SessionToken'), expires: xml(text, 'Expiration') });
}

function parsed(text) {
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = JSON.parse(text);
  return complete({ accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token, expires: Expiration });
}

async function fromContainer(env, local) {
  const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative, AWS_CONTAINER_CREDENTIALS_FULL_URI: full } = env;
  if (!relative && !full) return null;
  const url = relative ? new URL(relative, 'http://169.254.170.2') : new URL(full);
  if (url.protocol !== 'https:' && !kContainerHosts.has(url.hostname)) {
    throw new BadUrl('AWS_CONTAINER_CREDENTIALS_FULL_URI is http: and not of this host');
  }
  const file = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  const token = file ? fs.readFileSync(file, 'utf8').trim() : env.AWS_CONTAINER_AUTHORIZATION_TOKEN;
  return parsed(await fetched(local, { url, headers: token ? { Authorization: token } : {} }));
}

// IMDSv2 only: version 1 is what requests forged on a server reach.
async function fromInstance(env, local) {
  if (/^true$/i.test(env.AWS_EC2_METADATA_DISABLED ?? '')) return null;
  const base = checked(env.AWS_EC2_METADATA_SERVICE_ENDPOINT || 'http://169.254.169.254/');
  const at = (path) => new URL(path, base);
  const token = await fetched(local, { url: at('/latest/api/token'), method: 'PUT',
                                       headers: { 'X-aws-ec2-metadata-token-ttl-seconds': '21600', 'Content-Length': 0 } });
  const headers = { 'X-aws-ec2-metadata-token': token };
  const roles = '/latest/meta-data/iam/security-credentials/';
  const [role] = (await fetched(local, { url: at(roles), headers })).split('\n');
  return parsed(await fetched(local, { url: at(roles + encodeURIComponent(role.trim())), headers }));
}

class Credentials {
  // `client` for the public STS, `local` for addresses of this host, no proxy.
  constructor(env, { client, local, region, now = Date.now }) {
    this.sources = [
      ['the variables', () => fromVariables(env)],
      ['AWS_WEB_IDENTITY_TOKEN_FILE', () => fromWebIdentity(env, client, region)],
      ['the shared credentials file', () => shared.read(env, complete)],
      ['the container', () => fromContainer(env, local)],
      ['the instance metadata', () => fromInstance(env, local)],
    ];
    this.now = now;
    this.current = null;
    this.pending = null;
  }

  // The next get() asks the source again: the store called them expired.
  expire() {
    this.current = null;
  }

  get() {
    if (this.current !== null && this.now() < this.current.refresh) return Promise.resolve(this.current);
    this.pending ??= this.find().finally(() => { this.pending = null; });
    return this.pending;
  }

  async find() {
    const failed = [];
    let retry = false;
    for (const [name, source] of this.sources) {
      let found;
      try {
        found = await source();
      } catch (error) {
        // The text of a parser or of the system could quote what it read.
        retry = isRetryable(error) && name !== 'the instance metadata';
        failed.push(`${name} (${error instanceof HttpError || error instanceof BadUrl ? error.message : error.code ?? error.name})`);
        // One that is configured and fails is not silently replaced by another,
        // but for the last one, which is only tried.
        break;
      }
      if (found) {
        const left = found.expires - this.now();
        this.current = { ...found, refresh: found.expires - Math.min(kEarlyMs, left / 2) };
        return this.current;
      }
    }
    // What is there is good until it expires.
    if (this.current !== null && this.now() < this.current.expires) return this.current;
    const text = failed.length === 0 ? 'no AWS credentials found' : `no AWS credentials: failed: ${failed.join(', ')}`;
    throw Object.assign(new NoCredentials(text), { retry, told: true });
  }
}

module.exports = { Credentials, NoCredentials };
