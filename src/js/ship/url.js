// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Which URLs may be spoken to. Without TLS only a network that is not the
// public one: whoever sits between would see evidence and could answer.

const { isIP } = require('node:net');

class BadUrl extends Error {}

const kLocalNames = /(^|\.)(localhost|local|internal|svc|svc\.cluster\.local|home\.arpa)$/;

function isPrivateAddress(host) {
  if (isIP(host) === 6) {
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(host);
    if (mapped) return isPrivateAddress(mapped[1]);
    return host === '::1' || /^f[cd][0-9a-f]{2}:/.test(host) || /^fe[89ab][0-9a-f]:/.test(host);
  }
  const [a, b] = host.split('.').map(Number);
  return a === 127 || a === 10 || (a === 192 && b === 168) || (a === 172 && b >= 16 && b < 32) ||
    (a === 169 && b === 254) || (a === 100 && b >= 64 && b < 128);
}

// Names without a dot and of these domains are resolved on the own network.
function isPrivate(hostname) {
  const host = hostname.toLowerCase().replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (isIP(host) !== 0) return isPrivateAddress(host);
  return !host.includes('.') || kLocalNames.test(host);
}

// Takes a URL from the configuration. What is thrown never repeats the URL: it
// may be a secret by itself.
function checked(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new BadUrl('it is no URL');
  }
  if (url.username !== '' || url.password !== '') throw new BadUrl('it holds a user name or a password');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new BadUrl('it is neither https: nor http:');
  if (url.protocol === 'http:' && !isPrivate(url.hostname)) {
    throw new BadUrl('http: is only taken for this host and private networks');
  }
  url.hash = '';
  return url;
}

module.exports = { BadUrl, checked, isPrivate };
