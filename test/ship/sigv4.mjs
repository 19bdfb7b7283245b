// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// SigV4 as the specification has it, to check what a client signed: independent
// of the library that the product signs with.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const hmac = (key, data) => createHmac('sha256', key).update(data).digest();
const encode = (s) => encodeURIComponent(s).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

function same(a, b) {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

// null when the request is signed well, else an S3 error code.
export function check(req, keys, now = Date.now()) {
  const url = new URL(req.url, 'http://host');
  const query = [...url.searchParams].filter(([k]) => k !== 'X-Amz-Signature')
    .map(([k, v]) => [encode(k), encode(v)]).sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] < b[1] ? -1 : 1));
  const presigned = url.searchParams.has('X-Amz-Signature');
  let credential, signedHeaders, signature, date, payload;
  if (presigned) {
    credential = url.searchParams.get('X-Amz-Credential');
    signedHeaders = url.searchParams.get('X-Amz-SignedHeaders');
    signature = url.searchParams.get('X-Amz-Signature');
    date = url.searchParams.get('X-Amz-Date');
    payload = 'UNSIGNED-PAYLOAD';
  } else {
    const m = /^AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})$/.exec(req.headers.authorization ?? '');
    if (!m) return 'AccessDenied';
    [, credential, signedHeaders, signature] = m;
    date = req.headers['x-amz-date'];
    payload = req.headers['x-amz-content-sha256'];
  }
  const [id, day, region, service, end] = credential.split('/');
  const key = keys[id];
  if (!key) return 'InvalidAccessKeyId';
  const token = presigned ? url.searchParams.get('X-Amz-Security-Token') ?? undefined : req.headers['x-amz-security-token'];
  if (key.token !== token) return 'InvalidToken';
  if (key.expired) return 'ExpiredToken';
  if (region !== (key.region ?? 'us-east-1') || service !== 's3' || end !== 'aws4_request' || !date?.startsWith(day)) return 'AuthorizationHeaderMalformed';
  const at = Date.parse(date.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'));
  if (presigned) {
    if (now > at + 1000 * Number(url.searchParams.get('X-Amz-Expires'))) return 'AccessDenied';
  } else if (!(Math.abs(now - at) < 15 * 60_000)) {
    return 'RequestTimeTooSkewed';
  }
  const names = signedHeaders.split(';');
  // Everything that says something to the store has to be signed.
  const needed = Object.keys(req.headers).filter((n) => n === 'host' || n.startsWith('x-amz-') || (!presigned && /^(content-md5|content-type|if-none-match)$/.test(n)));
  if (needed.some((n) => !names.includes(n))) return 'AccessDenied';
  const canonical = [
    req.method, url.pathname.split('/').map((p) => encode(decodeURIComponent(p))).join('/'),
    query.map((p) => p.join('=')).join('&'),
    ...names.map((n) => `${n}:${String(req.headers[n] ?? '').trim().replace(/ +/g, ' ')}`), '', names.join(';'), payload,
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', date, `${day}/${region}/s3/aws4_request`, sha256(canonical)].join('\n');
  const signing = ['aws4_request'].reduce(hmac, hmac(hmac(hmac(`AWS4${key.secret}`, day), region), 's3'));
  return same(hmac(signing, text).toString('hex'), signature) ? null : 'SignatureDoesNotMatch';
}
