// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// ship.json: the multipart uploads that were begun and not finished, of all
// incidents of the directory. Only who holds the lock writes it.

const fs = require('node:fs');
const path = require('node:path');
const state = require('./state');

const kFile = 'ship.json';
// A lifecycle rule has ended it by then, and its parts are worth nothing.
const kMostMs = 7 * 86_400_000;

class Spool {
  constructor(dir, store) {
    this.dir = dir;
    this.store = store;
    this.uploads = new Map();
    for (const [key, begun] of Object.entries(state.read(dir, kFile)?.uploads ?? {})) {
      if (typeof begun?.id === 'string' && Array.isArray(begun.parts) && Number.isSafeInteger(begun.part)) {
        this.uploads.set(key, begun);
      }
    }
  }

  // What an Uploader wants, for the files of one incident.
  of(incident) {
    return {
      get: (key) => {
        const begun = this.uploads.get(key);
        return begun?.store === this.store ? begun : undefined;
      },
      set: (key, begun) => {
        if (begun === undefined) this.uploads.delete(key);
        else this.uploads.set(key, { ...begun, incident });
        this.save();
      },
    };
  }

  save() {
    state.write(this.dir, kFile, { schema: 1, uploads: Object.fromEntries(this.uploads) });
  }

  // Keys of this store whose incident is gone. Forgets those of other stores that
  // are long over.
  abandoned(now = Date.now()) {
    const keys = [];
    let forgot = false;
    for (const [key, begun] of this.uploads) {
      if (begun.store !== this.store) forgot = (!(now - Date.parse(begun.began) < kMostMs) && this.uploads.delete(key)) || forgot;
      else if (!fs.existsSync(path.join(this.dir, String(begun.incident)))) keys.push(key);
    }
    if (forgot) this.save();
    return keys;
  }
}

module.exports = { Spool };
