// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A sample of Node's own tests with the official binary and with ours; all of
// them run by test/upstream/run.sh, which takes longer (its README.md).

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { environment, node, stock, top } from './helpers.mjs';

const upstream = path.join(top, 'test/upstream');

function end(t, file, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: upstream, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] });
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text) => { said += text; });
    child.stderr.setEncoding('utf8').on('data', (text) => { said += text; });
    child.on('error', reject).on('close', (code) => resolve({ code, said }));
  });
}

test('the table knows a difference, a reason and a stale one', async (t) => {
  assert.deepEqual(await end(t, 'python3', ['-B', 'check_table.py']), { code: 0, said: 'ok\n' });
});

test('a sample of Node\'s own tests', { timeout: 600_000 }, async (t) => {
  const { code, said } = await end(t, './run.sh', ['--sample', '--again', '-j', '2'],
                                   { VIGIL_NODE: node, VIGIL_STOCK: stock });
  t.diagnostic(said);
  assert.equal(code, 0, said);
  // Not an empty run that has nothing to complain of.
  const count = (row) => Number(new RegExp(`^${row} +(\\d+)$`, 'm').exec(said)?.[1]);
  assert.ok(count('passed by both') > 0.8 * count('in all'), said);
  assert.ok(count('in all') > 300, said);
});
