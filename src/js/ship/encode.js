// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// A file as it is stored: compressed as a stream, the same bytes each time, so
// that a second pass, or another process, can go on where one ended.

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const { pipeline } = require('node:stream');
const zlib = require('node:zlib');

const kSuffix = { gzip: '.gz', zstd: '.zst', off: '' };
const kType = { gzip: 'application/gzip', zstd: 'application/zstd' };
const kPlainType = { '.json': 'application/json', '.html': 'text/html; charset=utf-8', '.txt': 'text/plain; charset=utf-8' };

// What a browser shows at once from a link stays as it is.
function encodingOf(name, compress) {
  return name === 'incident.json' || name.endsWith('.html') ? 'off' : compress;
}

function storedAs(name, compress) {
  const encoding = encodingOf(name, compress);
  return { encoding, name: name + kSuffix[encoding],
           type: kType[encoding] ?? kPlainType[/\.\w+$/.exec(name)?.[0]] ?? 'application/octet-stream' };
}

function open(file) {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  return fs.promises.open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

const kRead = 256 * 1024;

// The file from its beginning, however often: a read stream would close it. With
// `again` a chunk is only good until the next but one is asked for, which spares
// the garbage collector all the file.
async function* contents(handle, seen, again) {
  const buffers = again ? [Buffer.allocUnsafe(kRead), Buffer.allocUnsafe(kRead)] : [];
  for (let position = 0, n = 0; ; n++) {
    const { bytesRead, buffer } = await handle.read({ buffer: buffers[n & 1] ?? Buffer.allocUnsafe(kRead), position });
    if (bytesRead === 0) return;
    position += bytesRead;
    const chunk = buffer.subarray(0, bytesRead);
    if (seen) {
      seen.hash.update(chunk);
      seen.bytes += bytesRead;
    }
    yield chunk;
  }
}

const kZstd = { params: { [zlib.constants.ZSTD_c_compressionLevel]: 3 } };

// The stored bytes; `seen`, when given, is { hash, bytes } of what was read.
function encoded(handle, encoding, { seen, again } = {}) {
  // Compressors have taken a chunk as large as this before they ask for the next.
  const source = contents(handle, seen, again || encoding !== 'off');
  if (encoding === 'off') return source;
  const squeezed = encoding === 'gzip' ? zlib.createGzip({ level: 6 }) : zlib.createZstdCompress(kZstd);
  // An error destroys `squeezed`, where the reader meets it.
  pipeline(source, squeezed, () => {});
  return squeezed;
}

// { bytes, sha256, md5, source: { bytes, sha256 } }, or null: more than `most`.
async function measure(handle, encoding, most) {
  const seen = { hash: createHash('sha256'), bytes: 0 };
  const sha256 = createHash('sha256');
  const md5 = createHash('md5');
  let bytes = 0;
  for await (const chunk of encoded(handle, encoding, { seen, again: true })) {
    bytes += chunk.length;
    if (bytes > most) return null;
    sha256.update(chunk);
    md5.update(chunk);
  }
  return { bytes, sha256: sha256.digest(), md5: md5.digest(), source: { bytes: seen.bytes, sha256: seen.hash.digest('hex') } };
}

// The stored bytes in blocks of `size`, the last one shorter. A block is only
// good until the next one is asked for.
async function* blocks(handle, encoding, size, seen) {
  const block = Buffer.allocUnsafe(size);
  let used = 0;
  for await (const chunk of encoded(handle, encoding, { seen, again: true })) {
    for (let at = 0; at < chunk.length;) {
      const n = chunk.copy(block, used, at);
      at += n;
      used += n;
      if (used === size) {
        yield block;
        used = 0;
      }
    }
  }
  if (used !== 0) yield block.subarray(0, used);
}

module.exports = { storedAs, open, encoded, measure, blocks };
