// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// SigV4, by aws4.

const aws4 = require('aws4');

const stamp = (ms) => new Date(ms).toISOString().replace(/[:-]|\.\d{3}/g, '');
const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const encodeKey = (key) => key.split('/').map(encode).join('/');

// Returns { path, headers } to send. Every header of the request is signed.
function signed({ host, method, path, headers, sha256 }, credentials, region, nowMs) {
  const request = aws4.sign({
    service: 's3', region, method, path,
    headers: { Host: host, 'X-Amz-Date': stamp(nowMs), 'X-Amz-Content-Sha256': sha256, ...headers },
  }, credentials);
  return { path: request.path, headers: request.headers };
}

// A link that reads one object until it expires.
function presigned({ base, host, path }, credentials, region, seconds, nowMs) {
  const request = aws4.sign({
    service: 's3', region, method: 'GET', signQuery: true, headers: { Host: host },
    path: `${path}?X-Amz-Date=${stamp(nowMs)}&X-Amz-Expires=${seconds}`,
  }, credentials);
  return `${base.protocol}//${host}${request.path}`;
}

module.exports = { signed, presigned, encodeKey };
