// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// A bound on bytes per second, for all that this process sends: each chunk waits
// until the ones before it are paid for.

const { sleep } = require('./retry');

const kMostChunk = 64 * 1024;

class Rate {
  constructor(perSecond, now = () => performance.now()) {
    this.perSecond = perSecond;
    this.chunk = Math.max(1024, Math.min(kMostChunk, Math.floor(perSecond / 8)));
    this.now = now;
    this.free = -Infinity;  // When the line is free again, ms.
  }

  // What to wait before these bytes may go, ms.
  take(bytes) {
    const now = this.now();
    // Time that was not used is not saved up.
    this.free = Math.max(this.free, now);
    const wait = this.free - now;
    this.free += bytes * 1000 / this.perSecond;
    return wait;
  }

  // The same bytes in chunks, at the pace.
  async* pace(source, signal) {
    for await (const block of source) {
      for (let at = 0; at < block.length; at += this.chunk) {
        const chunk = block.subarray(at, at + this.chunk);
        const wait = this.take(chunk.length);
        if (wait > 0) await sleep(wait, signal);
        yield chunk;
      }
    }
  }
}

module.exports = { Rate };
