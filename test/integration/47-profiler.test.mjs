// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What the patches to V8's CPU profiler promise, and that Node's own tests of
// it still pass.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { MINUTE, app, environment, node } from './helpers.mjs';

const run = promisify(execFile);

const cache = process.env.VIGIL_CACHE ||
  path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'vigil');
const source = path.join(cache, 'work/node');

test('every profile names what was compiled before it', async () => {
  // Hot code by on-stack replacement, with a function inlined into it.
  const { stdout } = await run(node, [app('hot.mjs')], { env: environment() });
  const profiles = stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(profiles.length, 6);
  for (const { by, self, busy } of profiles) {
    const hot = (self.hotInner ?? 0) + (self.hotOuter ?? 0);
    assert.ok(busy > 50, `${by}: ${busy} busy samples`);
    assert.ok(hot / busy >= 0.95, `${by}: ${JSON.stringify(self)}`);
    // The loop is in hotInner, whatever it was inlined into.
    assert.ok((self.hotInner ?? 0) / busy >= 0.5, `${by}: ${JSON.stringify(self)}`);
  }
});

test('callbacks of the API keep their names', async () => {
  const { stdout } = await run(node, [app('callbacks.mjs')], { env: environment() });
  const names = JSON.parse(stdout);
  for (const name of ['open', 'read', 'close', 'update', 'digest', 'memoryUsage']) {
    assert.ok(names.includes(name), `no ${name} among ${names}`);
  }
});

test('lines are counted alike in one-byte and two-byte source', async () => {
  const { stdout } = await run(node, [app('lines.mjs')], { env: environment() });
  const { lines, profiled } = JSON.parse(stdout);
  for (const { ends, oneByte, twoByte, expected } of lines) {
    assert.deepEqual([oneByte, twoByte], [expected, expected], JSON.stringify(ends));
  }
  // Of a profile's functions, and of the lines in them that took time.
  assert.deepEqual(profiled.functionLine, profiled.expectedFunctionLine);
  assert.ok(profiled.ticks.length > 0);
  for (const line of profiled.ticks) assert.ok(profiled.expectedTicks.includes(line), JSON.stringify(profiled));
});

const TESTS = [
  'sequential/test-cpu-prof*', 'sequential/test-diagnostic-dir*', 'sequential/test-worker-prof',
  'parallel/test-heap-prof*', 'parallel/test-debugger-profile*', 'parallel/test-worker-cpu-profile',
  'parallel/test-worker-heap-profile', 'parallel/test-inspector-stop-profile*',
  'parallel/test-v8-cpu-profile', 'parallel/test-v8-coverage', 'parallel/test-warn-sigprof',
];

test("Node's own tests of its profilers", {
  skip: !existsSync(path.join(source, 'tools/test.py')) && `no source tree at ${source}`,
  timeout: 5 * MINUTE,
}, async () => {
  const { stdout } = await run('/usr/bin/python3',
    ['tools/test.py', `--shell=${node}`, '-j2', '-p', 'tap', ...TESTS],
    { cwd: source, env: environment(), maxBuffer: 1 << 26 }).catch((error) => error);
  const results = stdout.match(/^(not )?ok .*/gm) ?? [];
  assert.ok(results.length >= 30, stdout);
  assert.deepEqual(results.filter((line) => line.startsWith('not ok') &&
                                            !line.includes('# TODO')), []);
});
