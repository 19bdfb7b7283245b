// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A small S3 for what a real one does not do when asked: answers 409, 412, 503 at
// a given request, answers nothing, tears connections, lies. It checks signatures
// and checksums, and counts.

import { createHash, randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { check } from './sigv4.mjs';

const digest = (name, data, as) => createHash(name).update(data).digest(as);
const KEYS = { AKIDEXAMPLE: { secret: 'a/secret+key' } };

// `fault(request, n)` may give { status, code, headers, tear, hang, late } for a
// request: instead of doing it or, with `late`, after it was done.
export async function store(t, { keys = KEYS, fault = () => null, checksums = true, conditional = 'honest', head = true,
                                 tls, etag = (md5) => md5, delayMs = 0 } = {}) {
  const objects = new Map();
  const uploads = new Map();
  const requests = [];
  const wanted = new Map();
  const options = { fault, checksums, conditional, head, keys, etag, now: () => Date.now() };

  function answer(res, status, headers = {}, body = '') {
    res.writeHead(status, { 'Content-Length': Buffer.byteLength(body), ...headers });
    res.end(res.req.method === 'HEAD' ? '' : body);
  }
  const refuse = (res, status, code, headers) => answer(res, status, { 'Content-Type': 'application/xml', ...headers },
    `<?xml version="1.0"?><Error><Code>${code}</Code><AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId></Error>`);

  async function act(req, res, body) {
    const url = new URL(req.url, 'http://host');
    const key = decodeURIComponent(url.pathname);
    const query = url.searchParams;
    const entry = { method: req.method, key, query: url.search, headers: req.headers, bytes: body.length, at: performance.now() };
    requests.push(entry);
    const f = options.fault(entry, requests.length) ?? {};
    const stop = () => {
      if (f.tear) return req.socket.destroy(), true;
      if (f.hang) return true;
      if (f.status) return refuse(res, f.status, f.code ?? 'Error', f.headers), true;
      return false;
    };
    if (!f.late && stop()) return;
    const denied = check(req, options.keys, options.now());
    if (denied) return refuse(res, denied.startsWith('Expired') || denied === 'InvalidToken' ? 400 : 403, denied, { Date: new Date(options.now()).toUTCString() });
    const h = req.headers;
    if (h['x-amz-content-sha256'] && h['x-amz-content-sha256'] !== digest('sha256', body, 'hex')) return refuse(res, 400, 'XAmzContentSHA256Mismatch');
    if (h['content-md5'] && h['content-md5'] !== digest('md5', body, 'base64')) return refuse(res, 400, 'BadDigest');
    const sha256 = digest('sha256', body, 'base64');
    if (h['x-amz-checksum-sha256'] && !options.checksums) return refuse(res, 501, 'NotImplemented');
    if (h['x-amz-checksum-sha256'] && h['x-amz-checksum-sha256'] !== sha256) return refuse(res, 400, 'BadDigest');
    const sums = h['x-amz-checksum-sha256'] ? { 'x-amz-checksum-sha256': sha256 } : {};
    const reply = (...args) => { if (!f.late || !stop()) answer(res, ...args); };
    const upload = query.get('uploadId');
    if (upload !== null && !uploads.has(upload)) return refuse(res, 404, 'NoSuchUpload');

    switch (req.method) {
      case 'PUT': {
        const made = options.etag(digest('md5', body, 'hex'));
        if (upload !== null) {
          uploads.get(upload).parts.set(Number(query.get('partNumber')), { body, md5: digest('md5', body) });
          return reply(200, { ETag: `"${made}"`, ...sums });
        }
        if (h['if-none-match'] === '*' && options.conditional !== 'lies') {
          if (options.conditional === 'none') return refuse(res, 501, 'NotImplemented');
          if (objects.has(key)) return refuse(res, 412, 'PreconditionFailed');
          // One that looks, and writes a little later.
          if (options.conditional === 'racy') await new Promise((done) => setTimeout(done, 30));
        }
        objects.set(key, { body, type: h['content-type'], etag: made, ...sums });
        return reply(200, { ETag: `"${made}"`, ...sums });
      }
      case 'POST': {
        if (query.has('uploads')) {
          const id = randomUUID();
          uploads.set(id, { key, type: h['content-type'], parts: new Map() });
          return reply(200, {}, `<R><UploadId>${id}</UploadId></R>`);
        }
        const { parts, type } = uploads.get(upload);
        const listed = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(([, n]) => parts.get(Number(n)));
        if (listed.some((p) => p === undefined) || listed.slice(0, -1).some((p) => p.body.length < 5 * 2 ** 20)) return refuse(res, 400, 'EntityTooSmall');
        const made = `${digest('md5', Buffer.concat(listed.map((p) => p.md5)), 'hex')}-${listed.length}`;
        objects.set(key, { body: Buffer.concat(listed.map((p) => p.body)), type, etag: made });
        uploads.delete(upload);
        return reply(200, {}, `<R><ETag>&quot;${made}&quot;</ETag></R>`);
      }
      case 'DELETE':
        uploads.delete(upload);
        return reply(204);
      default: {
        if (req.method === 'HEAD' && !options.head) return refuse(res, 403, 'AccessDenied');
        const object = objects.get(key);
        if (!object) return refuse(res, 404, 'NoSuchKey');
        return reply(200, { ETag: `"${object.etag}"`, 'Content-Length': object.body.length, 'Content-Type': object.type ?? '',
                            ...(h['x-amz-checksum-mode'] && object['x-amz-checksum-sha256'] && { 'x-amz-checksum-sha256': object['x-amz-checksum-sha256'] }) },
                     object.body);
      }
    }
  }

  const server = (tls ? https : http).createServer({ ...tls, keepAliveTimeout: 60_000 }, (req, res) => {
    const parts = [];
    req.on('data', (d) => parts.push(d));
    req.once('error', () => {});
    req.once('end', () => setTimeout(() => act(req, res, Buffer.concat(parts)), delayMs));
  });
  server.on('clientError', (_, socket) => socket.destroy());
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await new Promise((done) => server.once('listening', done));
  t.after(() => new Promise((done) => {
    server.close(done);
    server.closeAllConnections();
  }));
  const { port } = server.address();
  return {
    server, objects, uploads, requests, wanted, options, port, url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    env: { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'a/secret+key', AWS_EC2_METADATA_DISABLED: 'true',
           VIGIL_UPLOAD: 's3://bucket/pre', VIGIL_UPLOAD_ENDPOINT: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, VIGIL_SERVICE: 'shop', VIGIL_VERSION: '1.2' },
    did: (method, re = /./) => requests.filter((r) => r.method === method && re.test(r.key + r.query)),
  };
}
