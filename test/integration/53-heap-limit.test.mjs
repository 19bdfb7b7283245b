// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A program whose heap reaches its limit leaves a heap snapshot, and ends as it
// does without us.

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, app, stockNode, temporary } from './helpers.mjs';
import { checkIncident, checkSnapshot, incidents, unfinished } from './incident.mjs';
import { open, read } from './heap.mjs';

const LIMIT = '--max-old-space-size=128';

// Runs leak.mjs to its end; `files` is what it left in its folder.
async function leak(t, how, { env = {}, flags = [], bin } = {}) {
  const top = temporary(t);
  const cwd = path.join(top, 'cwd');
  const dir = path.join(top, 'vigil');
  mkdirSync(cwd);
  const it = new App(t, [LIMIT, ...flags, app('leak.mjs'), how],
                     { bin, cwd, env: bin ? {} : { VIGIL: 'on', VIGIL_CAPTURE: 'heap', VIGIL_DIR: dir, ...env } });
  const end = await it.exit(3 * 60_000);
  return { ...end, vigil: it.vigil, dir, cwd, files: readdirSync(cwd) };
}

// The text of a crash without what differs each time: collections, of which the
// first lines are cut anywhere, addresses, files, and which limit it was in the end.
const crash = ({ code, signal, stderr }) => ({
  code, signal,
  stderr: stderr.replace(/^vigil: .*\n/gm, '')
    .replace(/(<--- Last few GCs --->)[^]*?(?=FATAL ERROR)/, '$1\n')
    .replace(/(Reached heap limit|Ineffective mark-compacts near heap limit)/, 'LIMIT')
    .replace(/^\s*\d+: 0x.*$/gm, '').replace(/\n+/g, '\n'),
});

function checkLeak(snapshot) {
  const heap = open(snapshot);
  const objects = [...heap.constructors()].filter(([name]) => name.startsWith('object ')).sort((a, b) => b[1].count - a[1].count);
  // Each has its array, which is no class of the program's.
  const [most] = objects.filter(([name]) => name !== 'object Array');
  assert.equal(most[0], 'object LeakedThing', JSON.stringify(objects.slice(0, 5)));
  // 2.4 KB each, of more than 100 MB.
  assert.ok(most[1].count > 40_000, JSON.stringify(most));
}

let official;
const stock = (t) => (official ??= leak(t, 'turns', { bin: stockNode }).then(crash));

describe('at the heap limit', { concurrency: 2 }, () => {
  for (const how of ['turns', 'once']) {
    test(`a program that leaks, ${how}, leaves a snapshot and ends as ever`, async (t) => {
      const end = await leak(t, how);
      assert.deepEqual(crash(end), await stock(t));
      assert.equal(end.vigil.length, 1, end.stderr);
      assert.match(end.vigil[0], /^the heap has reached its limit of 1\d\d MB \(main thread\), cause: /);
      const [dir, ...others] = incidents(end.dir);
      assert.deepEqual([...others, ...unfinished(end.dir)], []);
      const { manifest, snapshot } = checkIncident(dir);
      assert.deepEqual([manifest.rule.name, manifest.rule.onDemand, manifest.rule.unit], ['heap-limit', false, '%']);
      assert.equal(manifest.heapSnapshot.mode, 'fork');
      assert.ok(manifest.heapSnapshot.heapBytes > 100e6);
      checkLeak(snapshot);
      assert.deepEqual(end.files, []);
    });
  }

  test('while it is being profiled', async (t) => {
    const end = await leak(t, 'asked');
    assert.deepEqual(crash(end), await stock(t));
    const [dir, ...others] = incidents(end.dir);
    assert.deepEqual([...others, ...unfinished(end.dir)], []);
    const { manifest, profile, snapshot } = checkIncident(dir);
    assert.equal(manifest.rule.name, 'node:vigil');
    assert.ok(profile || manifest.noCpuProfile, JSON.stringify(manifest));
    checkLeak(snapshot);
  });

  test('nothing with VIGIL_NEAR_HEAP_LIMIT=0, or in a program that is not watched', async (t) => {
    for (const env of [{ VIGIL_NEAR_HEAP_LIMIT: '0' }, { VIGIL: 'auto' }, { VIGIL: 'off' }]) {
      const end = await leak(t, 'turns', { env });
      assert.deepEqual(crash(end), await stock(t));
      assert.deepEqual(end.vigil, []);
      assert.deepEqual([...incidents(end.dir), ...unfinished(end.dir), ...end.files], []);
    }
  });

  // Node's own, by flag and by call. Its snapshot is the program's wish.
  for (const [name, how, flags] of [['--heapsnapshot-near-heap-limit=1', 'turns', ['--heapsnapshot-near-heap-limit=1']],
                                    ['v8.setHeapSnapshotNearHeapLimit()', 'api', []]]) {
    test(`${name} does what it ever did, alone`, async (t) => {
      const ends = [await leak(t, how, { flags }), await leak(t, how, { flags, bin: stockNode })];
      for (const { files, cwd } of ends) {
        assert.equal(files.length, 1, `${files}`);
        assert.match(files[0], /^Heap\..*\.heapsnapshot$/);
        const snapshot = read(path.join(cwd, files[0]));
        checkSnapshot(snapshot);
        checkLeak(snapshot);
      }
      const [ours, theirs] = ends.map((end) => crash({ ...end, stderr: end.stderr.replace(/\S+Heap\.\S+/g, 'FILE') }));
      assert.deepEqual(ours, theirs);
      assert.deepEqual(ends[0].vigil, []);
      assert.deepEqual([...incidents(ends[0].dir), ...unfinished(ends[0].dir)], []);
    });
  }

  // Now and then the whole process ends with it, on the official binary, too: a
  // Worker may be at its limit again before it is told to stop. Seen in up to 7 of 25
  // runs on a busy machine; what is asserted for those is that we have no part in it.
  test('of a Worker, the Worker ends with an error, and nothing else', async (t) => {
    for (let i = 1; ; i++) {
      const end = await leak(t, 'worker');
      assert.deepEqual(end.vigil, []);
      assert.deepEqual([...incidents(end.dir), ...unfinished(end.dir), ...end.files], []);
      if (end.code === null && i < 6) {
        assert.match(end.stderr, /^FATAL ERROR: .*heap out of memory$/m);
        continue;
      }
      assert.deepEqual([end.code, end.stdout, end.stderr], [0, 'ERR_WORKER_OUT_OF_MEMORY\nexit 1\n', '']);
      break;
    }
  });
});
