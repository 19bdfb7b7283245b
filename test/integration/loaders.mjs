// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What Chrome DevTools and speedscope make of files, for all tests that have
// some. The loaders run on the official binary, whatever is under test.

import assert from 'node:assert/strict';
import path from 'node:path';
import { MINUTE, run, stockNode, top } from './helpers.mjs';

// One result per file and loader, as test/loaders/load.mjs prints it.
export async function loadAll(t, files) {
  const { VIGIL_CACHE, VIGIL_DISTFILES } = process.env;
  // The first one in a fresh cache has packages to fetch.
  const { code, stdout, stderr } = await run(t, [path.join(top, 'test/loaders/load.mjs'), ...files], {
    bin: stockNode, env: { VIGIL_CACHE, VIGIL_DISTFILES }, ms: 4 * MINUTE,
  });
  const results = stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  assert.equal(code, results.some(({ errors }) => errors.length > 0) ? 1 : 0, stderr);
  for (const file of files) assert.ok(results.some((result) => result.file === file), stderr);
  return results;
}

// Asserts that both load all that they know. Returns the results by file name.
export async function checkLoads(t, files) {
  const byName = {};
  for (const result of await loadAll(t, files)) {
    assert.deepEqual(result.errors, [], `${result.loader} of ${result.file}`);
    (byName[path.basename(result.file)] ??= []).push(result);
  }
  for (const file of files) {
    assert.equal(byName[path.basename(file)].length, file.endsWith('.heapsnapshot') ? 1 : 2, file);
  }
  return byName;
}
