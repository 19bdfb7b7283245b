// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { command, folder, tool } from '../lib.mjs';

const dir = folder({
  'package.json': { name: 'tested', private: true },
  'a.test.js': "const assert = require('assert'); describe('a', () => { it('is sync', () => assert(1)); it('is async', () => new Promise((done) => setImmediate(done))); it.skip('waits', () => {}); });",
  'b.test.mjs': "import assert from 'node:assert'; describe('b', () => { it('fails', () => assert.deepEqual({ a: 1 }, { a: 2 })); });",
});
for (const extra of [[], ['--parallel', '--jobs', '2']]) {
  const { stdout } = tool(command('mocha'), ['--reporter', 'json', ...extra, 'a.test.js', 'b.test.mjs'], { cwd: dir, code: 1 });
  const { stats, failures } = JSON.parse(stdout);
  console.log(stats.passes, stats.pending, stats.failures, failures[0].err.message);
}
