// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// One file to one object, and the proof that it is there.

const { createHash } = require('node:crypto');
const { HttpError } = require('./http');
const { blocks, encoded, measure, open, storedAs } = require('./encode');
const { isRetryable, retrying } = require('./retry');

const kSingle = 64 * 2 ** 20;       // In parts above this.
const kPart = 8 * 2 ** 20;
const kParts = 9_000;               // S3 takes 10,000.
const kPolicy = { tries: 8, totalMs: 120_000 };

// A reason why this one file cannot be shipped; others may.
class BadFile extends Error {}

const changed = () => new BadFile('it is not what incident.json lists');
const unquote = (etag) => (typeof etag === 'string' ? etag.replace(/^(W\/)?"|"$/g, '') : '');
const isMd5 = (etag) => /^[0-9a-f]{32}$/i.test(etag);

// How an answer proves that what arrived is what was sent; null: it does not.
function proof({ headers }, sums) {
  const sha256 = headers['x-amz-checksum-sha256'];
  const etag = unquote(headers.etag);
  if (sha256 !== undefined) return sha256 === sums.sha256.toString('base64') ? 'sha256' : null;
  return isMd5(etag) && etag.toLowerCase() === sums.md5.toString('hex') ? 'md5' : null;
}

const unproven = () => new HttpError('the store has stored something else, or does not tell its checksum', { retry: true });

class Uploader {
  // `spool` remembers unfinished multipart uploads: get(key), set(key, value).
  constructor({ store, rate, spool, compress, signal, policy = {}, single = kSingle, part = kPart }) {
    Object.assign(this, { store, rate, spool, compress, signal, single, part });
    this.policy = { ...kPolicy, ...policy };
  }

  retrying(work) {
    return retrying(work, { policy: this.policy, signal: this.signal });
  }

  // Resolves to what the marker keeps of it.
  async file(path, { name, sha256 }, folder) {
    const { encoding, name: stored, type } = storedAs(name, this.compress);
    const key = `${folder}/${stored}`;
    const handle = await open(path);
    try {
      if (!(await handle.stat()).isFile()) throw new BadFile('it is no plain file');
      const sums = await measure(handle, encoding, this.single);
      const isListed = ({ source }) => !sha256 || source.sha256 === sha256;
      if (sums && !isListed(sums)) throw changed();
      const done = sums ? await this.whole(handle, encoding, key, type, sums)
        : await this.parts(handle, encoding, key, type);
      if (!isListed(done)) throw changed();
      return { name, key, encoding, type, bytes: done.source.bytes, sha256: done.source.sha256,
               storedBytes: done.bytes, etag: done.etag, proof: done.proof, seen: done.seen };
    } finally {
      await handle.close();
    }
  }

  async whole(handle, encoding, key, type, sums) {
    return this.retrying(async () => {
      const body = () => this.rate.pace(encoded(handle, encoding), this.signal);
      const answer = await this.store.put(key, { sums, type, body, signal: this.signal });
      const proven = proof(answer, sums);
      if (proven === null) throw unproven();
      const etag = unquote(answer.headers.etag);
      return { ...sums, proof: proven, ...await this.look(key, sums.bytes, etag, sums) };
    });
  }

  // Whether it is there by a request of its own: `seen` is 'head', or 'put' where
  // reading is not allowed and the answer to the upload has to do.
  async look(key, bytes, etag, sums) {
    const { status, headers } = await this.store.head(key, this.signal);
    if (status === 403) return { seen: 'put', etag };
    if (status === 404) throw new HttpError('the store does not have what it took', { retry: true });
    if (Number(headers['content-length']) !== bytes || (etag && unquote(headers.etag) !== etag)) throw unproven();
    const sha256 = headers['x-amz-checksum-sha256'];
    if (sums && sha256 !== undefined && sha256 !== sums.sha256.toString('base64')) throw unproven();
    return { seen: 'head', etag: unquote(headers.etag) };
  }

  async parts(handle, encoding, key, type) {
    for (let n = 0; ; n++) {
      try {
        return await this.partsOnce(handle, encoding, key, type);
      } catch (error) {
        // What was begun is gone, or was begun with other bytes.
        if (n !== 0 || !(error.again || error.s3 === 'NoSuchUpload')) throw error;
        await this.drop(key);
      }
    }
  }

  // Ends what was begun for a key. Does not fail: the store's lifecycle rule is
  // there for what is left.
  async drop(key) {
    const begun = this.spool.get(key);
    if (!begun) return;
    this.spool.set(key, undefined);
    await this.retrying(() => this.store.abort(key, begun.id, this.signal)).catch(() => {});
  }

  async partsOnce(handle, encoding, key, type) {
    const { size } = await handle.stat();
    let begun = this.spool.get(key);
    if (!begun) {
      const part = Math.max(this.part, Math.ceil(size / kParts / 2 ** 20) * 2 ** 20);
      const id = await this.retrying(() => this.store.begin(key, type, this.signal));
      begun = { id, store: this.store.name, encoding, part, began: new Date().toISOString(), parts: [] };
      this.spool.set(key, begun);
    }
    const source = { hash: createHash('sha256'), bytes: 0 };
    const etags = createHash('md5');
    const resumed = begun.parts.length;
    let bytes = 0;
    let number = 0;
    for await (const block of blocks(handle, encoding, begun.part, source)) {
      const sums = { bytes: block.length, sha256: createHash('sha256').update(block).digest(),
                     md5: createHash('md5').update(block).digest() };
      number++;
      bytes += block.length;
      etags.update(sums.md5);
      const there = begun.parts[number - 1];
      if (there) {
        if (there.sha256 !== sums.sha256.toString('base64')) throw Object.assign(new Error(), { again: true });
        continue;
      }
      begun.parts.push(await this.retrying(() => this.onePart(key, begun.id, number, sums, block)));
      this.spool.set(key, begun);
    }
    const expected = `${etags.digest('hex')}-${number}`;
    const done = await this.finish(key, begun, bytes, expected, resumed === number);
    this.spool.set(key, undefined);
    return { ...done, bytes, source: { bytes: source.bytes, sha256: source.hash.digest('hex') } };
  }

  async onePart(key, id, number, sums, block) {
    const body = () => this.rate.pace([block], this.signal);
    const answer = await this.store.part(key, id, number, sums, body, this.signal);
    const proven = proof(answer, sums);
    if (proven === null) throw unproven();
    return { etag: answer.headers.etag, sha256: sums.sha256.toString('base64'), proven };
  }

  // Each part was proven; the whole is if it has their size and their checksum.
  // `tried`: somebody may have done so, whose answer or marker was lost.
  async finish(key, { id, parts }, bytes, expected, tried) {
    return this.retrying(async () => {
      let etag;
      try {
        etag = unquote(await this.store.complete(key, id, parts, this.signal));
      } catch (error) {
        if (!tried || error.s3 !== 'NoSuchUpload') {
          tried ||= isRetryable(error);
          throw error;
        }
        const { status } = await this.store.head(key, this.signal);
        if (status !== 200) throw error;
        etag = expected;
      }
      // Some stores tell it only when they are asked again.
      const found = await this.look(key, bytes, etag);
      if (found.etag.toLowerCase() !== expected && found.seen !== 'head') throw unproven();
      return { ...found, proof: parts.every(({ proven }) => proven === 'sha256') ? 'sha256' : 'md5' };
    });
  }
}

module.exports = { Uploader, BadFile, proof, unquote };
