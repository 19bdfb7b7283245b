// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// One shipper at a time for a directory, whatever container it runs in. Node has
// no flock(); SQLite takes a record lock of the kernel on the file, which ends with
// the process that holds it, and of which no number can go stale.

const fs = require('node:fs');
const path = require('node:path');
const { sleep } = require('./retry');

const kFile = 'ship.lock';

// Node calls its SQLite experimental on stderr; that is not for the program's log.
function sqlite() {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return require('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}

// Returns a lock with release(), or null: another process has it.
function take(dir) {
  const file = path.join(dir, kFile);
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = fs.constants;
  const { DatabaseSync } = sqlite();
  fs.closeSync(fs.openSync(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600));
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    // Nothing is ever written, so there is no journal either.
    db.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (error.errcode === 5) return null;  // SQLITE_BUSY
    throw error;
  }
  return { release: () => db.close() };
}

// Waits for it, as who has it may have looked before our incident was there.
async function wait(dir, mostMs, signal) {
  for (const until = performance.now() + mostMs; ;) {
    const lock = take(dir);
    if (lock !== null || performance.now() > until) return lock;
    await sleep(200 + Math.random() * 600, signal);
  }
}

module.exports = { take, wait };
