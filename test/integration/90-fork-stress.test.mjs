// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Forked heap snapshots of a program that does everything at once. The long one
// is test/stress/fork.sh.

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { MINUTE, node } from './helpers.mjs';
import { addons, noAddons } from './31-native.mjs';
import { checkFile } from '../stress/fork-check.mjs';
import { stress } from '../stress/fork.mjs';
import { works } from '../stress/fork-works.mjs';

const SNAPSHOTS = 10;

test('ten snapshots of a busy program', { timeout: 5 * MINUTE }, async (t) => {
  const names = Object.keys(works).filter((name) => !noAddons || name !== 'native');
  const faults = [];
  const good = [];
  const end = await stress({
    node, snapshots: SNAPSHOTS, names, keep: 2, flags: [], idle: true, env: noAddons ? {} : { ADDONS: addons('weak.cc', 'finalize.c') },
    say: (text) => faults.push(text),
    each(it) {
      if (!it.file) return faults.push(JSON.stringify(it));
      try {
        checkFile(path.join(it.directory, it.file), it.name);
        good.push(it);
      } catch (error) {
        faults.push(error.message);
      }
    },
  });
  assert.deepEqual(faults, []);
  assert.equal(good.length, SNAPSHOTS);
  assert.deepEqual(end, { code: 0, signal: null, stderr: '', left: [] });
  for (const { mode, forkMs } of good) assert.ok(mode === 'fork' && forkMs > 0);
  t.diagnostic(`stopped for ${good.map(({ restMs, forkMs }) => (restMs + forkMs).toFixed(1)).join(', ')} ms`);
});
