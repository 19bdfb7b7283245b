// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The store: requests that are signed, and answers that are understood.

const { createHash } = require('node:crypto');
const { HttpError } = require('./http');
const { encodeKey, presigned, signed } = require('./sign');
const { value: xml, escape } = require('./xml');

const kEmpty = createHash('sha256').digest('hex');
// Refusals of a header rather than of what was asked.
const kNoHeader = new Set(['InvalidRequest', 'InvalidArgument', 'NotImplemented', 'HeadersNotSupported', 'UnsupportedHeader']);
const kExpired = new Set(['ExpiredToken', 'TokenRefreshRequired', 'InvalidToken']);
const kRetry = new Set(['SlowDown', 'InternalError', 'ServiceUnavailable', 'RequestTimeout', 'OperationAborted',
                        'BadDigest', 'XAmzContentSHA256Mismatch', 'IncompleteBody']);

class Store {
  constructor({ bucket, prefix, base, pathStyle, region, client, credentials }) {
    Object.assign(this, { bucket, prefix, base, region, client, credentials });
    this.host = pathStyle ? base.host : `${bucket}.${base.host}`;
    const root = base.pathname.replace(/\/+$/, '');
    this.root = pathStyle ? `${root}/${bucket}` : root;
    // Where requests go: the name in TLS, too, is that of the bucket.
    this.url = new URL(`${base.protocol}//${this.host}`);
    this.checksums = true;  // Until the store refuses them.
    this.skewMs = 0;
  }

  // What its answers are remembered for.
  get name() {
    return `${this.base.origin}/${this.bucket}/${this.prefix}`;
  }

  now() {
    return Date.now() + this.skewMs;
  }

  path(key) {
    return `${this.root}/${encodeKey(key)}`;
  }

  // One request; what is no success is thrown, unless `taken` knows its status.
  async call(request) {
    for (let n = 0; ; n++) {
      const answer = await this.once(request);
      if (answer.status < 300 || request.taken?.includes(answer.status)) return answer;
      const error = this.refused(request, answer);
      if (n < 2 && this.helped(error, answer)) continue;
      throw error;
    }
  }

  async once({ method, key, query = '', headers = {}, sha256 = kEmpty, body, signal, totalMs }) {
    const credentials = await this.credentials.get();
    const request = signed({ host: this.host, method, path: this.path(key) + query, headers, sha256 },
                           credentials, this.region, this.now());
    return this.client.send({ url: this.url, method, ...request, body, signal, totalMs });
  }

  // Whether the same request may succeed now.
  helped({ s3, status }, { headers }) {
    if (s3 === 'RequestTimeTooSkewed' && headers.date) {
      const skew = Date.parse(headers.date) - Date.now();
      if (Number.isFinite(skew)) this.skewMs = skew;
      return Number.isFinite(skew);
    }
    if (status === 400 || status === 403) {
      if (kExpired.has(s3)) {
        this.credentials.expire();
        return true;
      }
    }
    return false;
  }

  // Only the code: the rest of such an answer can quote an access key.
  refused({ method, key }, { status, headers, body, afterMs }) {
    const s3 = xml(body.toString('utf8', 0, 16_384), 'Code')?.slice(0, 60);
    const region = headers['x-amz-bucket-region'];
    let text = `the store answers ${status}${s3 ? ` ${s3}` : ''}`;
    if (status >= 300 && status < 400) {
      text += `, and redirects are not followed${/^[a-z0-9-]+$/.test(region ?? '') ? `: set AWS_REGION=${region}` : ''}`;
    }
    return new HttpError(text, { status, s3, afterMs, method, key, retry: kRetry.has(s3) || undefined });
  }

  // Runs a call that carries checksums; without them when the store refuses such
  // headers.
  async withChecksums(make) {
    if (!this.checksums) return make(false);
    try {
      return await make(true);
    } catch (error) {
      if (![400, 501].includes(error.status) || !(error.status === 501 || kNoHeader.has(error.s3))) throw error;
      const answer = await make(false);
      this.checksums = false;
      return answer;
    }
  }

  // `sums`: { bytes, sha256, md5 } of the body, as Buffers.
  put(key, { sums, body, type, query, headers = {}, signal, taken, totalMs }) {
    return this.withChecksums((checksums) => this.call({
      method: 'PUT', key, query, body, signal, taken, totalMs, sha256: sums.sha256.toString('hex'),
      headers: {
        'Content-Length': sums.bytes, 'Content-MD5': sums.md5.toString('base64'),
        ...(type && { 'Content-Type': type }),
        ...(checksums && { 'x-amz-checksum-sha256': sums.sha256.toString('base64') }), ...headers,
      },
    }));
  }

  head(key, signal) {
    return this.call({ method: 'HEAD', key, signal, taken: [403, 404],
                       headers: this.checksums ? { 'x-amz-checksum-mode': 'ENABLED' } : {} });
  }

  async begin(key, type, signal) {
    const answer = await this.withChecksums((checksums) => this.call({
      method: 'POST', key, query: '?uploads', signal,
      headers: { 'Content-Length': 0, 'Content-Type': type, ...(checksums && { 'x-amz-checksum-algorithm': 'SHA256' }) },
    }));
    const id = xml(answer.body.toString(), 'UploadId');
    if (!id) throw new HttpError('the store gives no upload id', { retry: false });
    return id;
  }

  part(key, id, number, sums, body, signal) {
    return this.put(key, { sums, body, signal, query: `?partNumber=${number}&uploadId=${encodeURIComponent(id)}` });
  }

  async complete(key, id, parts, signal) {
    const body = Buffer.from(`<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${
      parts.map(({ etag, sha256, proven }, n) => `<Part><PartNumber>${n + 1}</PartNumber><ETag>${escape(etag)}</ETag>${
        proven === 'sha256' ? `<ChecksumSHA256>${escape(sha256)}</ChecksumSHA256>` : ''}</Part>`).join('')
    }</CompleteMultipartUpload>`);
    const request = { method: 'POST', key, query: `?uploadId=${encodeURIComponent(id)}`, body, signal,
                      sha256: createHash('sha256').update(body).digest('hex'),
                      headers: { 'Content-Length': body.length, 'Content-Type': 'application/xml' } };
    const answer = await this.call(request);
    const text = answer.body.toString();
    // It may say 200 first and find an error later.
    if (/<Error[\s>]/.test(text)) throw this.refused(request, { ...answer, status: 500 });
    return xml(text, 'ETag');
  }

  abort(key, id, signal) {
    return this.call({ method: 'DELETE', key, query: `?uploadId=${encodeURIComponent(id)}`, signal, taken: [404] });
  }

  // A link to read it, and until when it works, ms.
  async link(key, forMs) {
    const credentials = await this.credentials.get();
    const now = this.now();
    const seconds = Math.max(1, Math.floor(Math.min(forMs, credentials.expires - now) / 1000));
    return { href: presigned({ base: this.base, host: this.host, path: this.path(key) }, credentials, this.region, seconds, now),
             expires: now + seconds * 1000 };
  }
}

module.exports = { Store };
