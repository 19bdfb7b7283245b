// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Links to what was shipped: signed ones that end, or those of a console.

const { encodeKey } = require('./sign');

async function make(config, store, file) {
  if (config.link === null) return {};
  if (config.link === 'presign') {
    const { href, expires } = await store.link(file.key, config.linkMs);
    return { link: href, expires };
  }
  const values = { bucket: encodeURIComponent(store.bucket), key: encodeKey(file.key) };
  return { link: config.link.replace(/\{(bucket|key)\}/g, (_, name) => values[name]) };
}

// What one opens first.
const kOrder = [/^report\.html$/, /^leak\.txt$/, /^cpu-/, /^before-/, /^alloc-/, /^heap-/, /^stalls/, /^leak/, /^incident\.json$/];
const rank = ({ name }) => (kOrder.findIndex((re) => re.test(name)) + kOrder.length) % kOrder.length;

// { evidence, linksExpire } for the alert.
async function all(config, store, files) {
  const evidence = [];
  let expires = Infinity;
  for (const file of [...files].sort((a, b) => rank(a) - rank(b))) {
    const made = await make(config, store, file);
    expires = Math.min(expires, made.expires ?? Infinity);
    evidence.push({ name: file.name, bytes: file.bytes, sha256: file.sha256, encoding: file.encoding,
                    storedBytes: file.storedBytes, object: `s3://${store.bucket}/${file.key}`, link: made.link ?? null });
  }
  return { evidence, linksExpire: expires === Infinity ? null : new Date(expires).toISOString() };
}

module.exports = { all };
