// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// A budget for all processes of a service, kept by the object store: slots of a
// period of time, each an object that only one can create (If-None-Match: *).
// Good as long as the store is honest about that, which is probed first.

const { createHash, randomUUID } = require('node:crypto');
const os = require('node:os');
const { isRetryable, sleep } = require('./retry');
const { join, part } = require('./identity');
const state = require('./state');

const kFile = 'fleet.json';
const kFull = 'full';
const kProbeMs = 24 * 3_600_000;
const kJitterMs = 250;
const kScouts = 0.1;
const kPatienceMs = 500;
const kSlowMs = 100;
const kAtOnce = 4;                // Requests that race for the probe's object.
const kConflicts = 6;

function sums(body) {
  return { bytes: body.length, sha256: createHash('sha256').update(body).digest(), md5: createHash('md5').update(body).digest() };
}

// 'made', 'taken' or 'conflict': somebody else writes it right now.
async function create(store, key, signal) {
  const body = Buffer.from(JSON.stringify({ host: os.hostname(), pid: process.pid, at: new Date().toISOString() }));
  const { status } = await store.put(key, { sums: sums(body), body, type: 'application/json', signal, taken: [409, 412],
                                            headers: { 'If-None-Match': '*' } });
  return { 409: 'conflict', 412: 'taken' }[status] ?? 'made';
}

// Waits out conflicts and a store that asks for patience; a conflict that lasts
// means that somebody gets it.
async function insist(store, key, signal) {
  for (let n = 1; ; n++) {
    try {
      const answer = await create(store, key, signal);
      if (answer !== 'conflict' || n > kConflicts) return answer;
    } catch (error) {
      if (n > kConflicts || signal?.aborted || !isRetryable(error)) throw error;
    }
    await sleep(20 + Math.random() * 40 * 2 ** Math.min(n, 4), signal);
  }
}

// Whether one, and only one, of several can create an object: in a row, and at
// the same time, as a store that looks first and writes then passes the former.
async function isHonest(store, folder, signal) {
  const key = join(folder, `probe-${randomUUID()}`);
  const answers = await Promise.all(Array.from({ length: kAtOnce }, () => create(store, key, signal)));
  const made = answers.filter((a) => a === 'made').length;
  if (made > 1) return false;
  // All may have been told to come again.
  if (made === 0 && await insist(store, key, signal) !== 'made') return false;
  return await insist(store, key, signal) === 'taken';
}

class Fleet {
  constructor({ dir, store, config, who, say }) {
    Object.assign(this, { dir, store, say, ...config.fleet });
    this.taken = 0;               // Slots that were found to be.
    this.folder = join(config.upload.prefix, 'fleet', part(who.service), part(who.version));
  }

  read() {
    return state.read(this.dir, kFile) ?? {};
  }

  keep(members) {
    try {
      state.write(this.dir, kFile, { schema: 1, ...this.read(), ...members });
    } catch {
      // It is asked again next time.
    }
  }

  // true, false, or undefined: nothing is known that is new enough.
  known(now = Date.now()) {
    const { probe } = this.read();
    const age = now - Date.parse(probe?.at);
    return probe?.store === this.store.name && age >= 0 && age < kProbeMs ? probe.honest === true : undefined;
  }

  async probe(signal) {
    const known = this.known();
    if (known !== undefined) return known;
    let honest;
    try {
      honest = await isHonest(this.store, this.folder, signal);
    } catch (error) {
      if (error.status !== 501) throw error;
      honest = false;  // It says itself that it has no such thing.
    }
    this.keep({ probe: { store: this.store.name, honest, at: new Date().toISOString() } });
    if (!honest) this.say('VIGIL_FLEET: this store lets several create the same object; the fleet budget is off, each process keeps its own');
    return honest;
  }

  bucket() {
    const at = Math.floor(this.store.now() / this.periodMs) * this.periodMs;
    // With its length: one of an hour and one of a minute can begin together.
    return `${new Date(at).toISOString().replace(/[:-]|\.\d{3}/g, '')}-${this.periodMs / 1000}s`;
  }

  // Whether somebody found all slots taken: one look instead of one try for each.
  // Who may not read, or meets a store in trouble, tries.
  async isFull(folder, signal) {
    if (this.slots === 1 || this.blind) return false;
    const { status } = await this.store.head(join(folder, kFull), signal).catch(() => ({}));
    this.blind = status === 403;
    return status === 200;
  }

  // When there was no time to ask for each slot: the store is there, and others have
  // some; that is a budget at work.
  late() {
    if (this.taken > 0) return 'no';
    this.say('the fleet budget cannot be asked: no answer in time');
    return 'local';
  }

  // 'yes': a slot is ours; 'no': all are taken; 'local': not to be had.
  async claim(signal) {
    if (!await this.probe(signal)) return 'local';
    // Those who trip together do not ask together.
    await sleep(Math.random() * kJitterMs, signal);
    const folder = join(this.folder, this.bucket());
    if (this.read().full === folder || await this.isFull(folder, signal)) return 'no';
    const scout = this.slots <= 2 || Math.random() < kScouts;
    let patience = kPatienceMs;
    for (const slot of shuffled(this.slots)) {
      const began = performance.now();
      if (await insist(this.store, join(folder, String(slot)), signal) === 'made') return 'yes';
      this.taken++;
      // When many trip at once most of them let a few find out, and a store that is
      // slow to answer gets time.
      const took = performance.now() - began;
      if (!scout && !this.blind && (this.taken === 1 || took > kSlowMs)) {
        await sleep(Math.max(patience, 2 * took) * (1 + Math.random()) / 2, signal);
        if (await this.isFull(folder, signal)) return 'no';
      }
      patience = 0;
    }
    // Others in this directory need not ask, others elsewhere not each slot.
    this.keep({ full: folder });
    if (this.slots > 1) await create(this.store, join(folder, kFull), signal).catch(() => {});
    return 'no';
  }
}

// 0..n-1 in random order, so that not all meet at the same slot.
function shuffled(n, random = Math.random) {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

module.exports = { Fleet, isHonest, shuffled };
