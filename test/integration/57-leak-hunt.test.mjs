// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The leak hunt from end to end: three forks, a summary of each, one incident.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, MINUTE, app, temporary } from './helpers.mjs';
import { incidents } from './incident.mjs';

const QUIET = {
  VIGIL: 'on', VIGIL_COOLDOWN: '0s', VIGIL_LAG_P99_MS: '60000', VIGIL_STALL_TRIGGER: 'off', VIGIL_GC_SHARE: 'off',
  VIGIL_OLD_SPACE_SHARE: 'off', VIGIL_POOL_WAIT_P99_MS: 'off',  VIGIL_REPORT: 'off',
};

async function hunt(t, how, env = {}) {
  const dir = path.join(temporary(t), 'vigil');
  const it = new App(t, [app('leaky.mjs'), how], { env: { ...QUIET, VIGIL_DIR: dir, ...env } });
  const { code, stdout, stderr } = await it.exit(4 * MINUTE);
  assert.equal(code, 0, it.said());
  return { found: JSON.parse(stdout), dir, stderr };
}

function checkFirst({ name, class: kind, kind: what, bytesPerRound, objectsPerRound }, requests) {
  assert.deepEqual([name, kind, what], ['previews', 'Map', 'cache']);
  assert.ok(objectsPerRound >= requests * 0.9, `${objectsPerRound}`);
  // 20 strings, and the array that holds them.
  assert.ok(bytesPerRound > objectsPerRound * 400, `${bytesPerRound}`);
}

describe('the leak hunt', { concurrency: 2 }, () => {
  test('with work: named first, one incident', async (t) => {
    const { found, dir, stderr } = await hunt(t, 'work');
    checkFirst(found.suspects[0], 300);
    // Exactly: the work is the same.
    assert.equal(found.suspects[0].objectsPerRound, 300);
    const all = incidents(dir);
    assert.equal(all.length, 1, JSON.stringify(all));
    const [folder] = all;
    assert.equal(found.directory, folder);
    assert.deepEqual(readdirSync(folder).sort(), ['incident.json', 'leak.json', 'leak.txt']);
    const manifest = JSON.parse(readFileSync(path.join(folder, 'incident.json'), 'utf8'));
    assert.deepEqual([manifest.rule.name, manifest.rule.onDemand], ['leak-hunt', true]);
    assert.match(manifest.headline, /^leak hunt: previews grows by \d+ KB each round \(1 suspect, main thread\)$/);
    assert.match(readFileSync(path.join(folder, 'leak.txt'), 'utf8'), /^1\. previews \(Map\): .* more each round$/m);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
    assert.match(stderr, /leak\.json, leak\.txt\n$/);
  });

  test('with requests', async (t) => {
    const { found } = await hunt(t, 'requests');
    checkFirst(found.suspects[0], 300);
  });

  test('with time, of a Worker', async (t) => {
    const { found, dir } = await hunt(t, 'time', { WORKER: '1' });
    checkFirst(found.suspects[0], 10);
    const manifest = JSON.parse(readFileSync(path.join(incidents(dir)[0], 'incident.json'), 'utf8'));
    assert.equal(manifest.thread.id, 1);
  });

  test('nothing grows: no suspect', async (t) => {
    const { found, stderr } = await hunt(t, 'work', { LEAK: 'no' });
    assert.deepEqual(found.suspects, []);
    assert.match(stderr, /leak hunt: nothing grows with the work/);
  });

  test('by the clock, with VIGIL_LEAK', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const it = new App(t, [app('leaky.mjs'), 'clock'],
                       { env: { ...QUIET, VIGIL_DIR: dir, VIGIL_LEAK: 'on', VIGIL_LEAK_EVERY: '2s' } });
    await it.line(/leak hunt: previews grows by/, 'stderr', 4 * MINUTE);
    assert.equal(incidents(dir).length, 1);
    it.kill();
  });

  test('says why when it cannot', async (t) => {
    const { found } = await hunt(t, 'work', { VIGIL_HEAP_MODE: 'inprocess' });
    assert.deepEqual(found.code, 'ERR_OPERATION_FAILED');
    assert.match(found.message, /it needs VIGIL_HEAP_MODE=fork/);
  });
});
