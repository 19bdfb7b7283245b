// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Native add-ons: built by the packaged npm's node-gyp with the machine's gcc,
// once against our headers and once against the official ones (as prebuilt
// add-ons are). Both must load and work in our binary.

import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { packaged, prefix, run, stock, temporary, top } from './helpers.mjs';

const gyp = path.join(prefix, 'lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js');

const check = `
  const assert = require('node:assert/strict');
  (async () => {
    const { square } = require('./build/Release/napi.node');
    assert.equal(await square(7), 49);
    const { Counter, bytes, seesCode } = require('./build/Release/classic.node');
    const counter = new Counter();
    counter.next();
    assert.equal(counter.next(), 2);
    assert.equal(bytes().toString(), 'bytes');
    assert.equal(seesCode(), true);
    const { sha256, checksum, ownLoop, sizes } = require('./build/Release/inside.node');
    assert.equal(sha256(), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    assert.equal(checksum(), 0x3610a686);
    assert.equal(ownLoop(), 1);
    assert.equal(sizes(), 1);
    console.log('ok');
  })();
`;

async function buildAndLoad(t, headers) {
  const dir = temporary(t);
  cpSync(path.join(top, 'test/addons'), dir, { recursive: true });
  const built = await run(t, [gyp, 'rebuild', `--nodedir=${headers}`, '--python=/usr/bin/python3'],
                          { cwd: dir, env: { HOME: dir, CC: 'gcc', CXX: 'g++', JOBS: '1' }, ms: 240_000 });
  assert.equal(built.code, 0, built.stdout + built.stderr);
  for (const env of [{}, { VIGIL: 'on' }, { VIGIL: 'off' }]) {
    const { code, stdout, stderr } = await run(t, ['-e', check], { cwd: dir, env });
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'ok\n', stderr: '' });
  }
}

describe('add-ons', { concurrency: 2 }, () => {
  test('built against our headers', { skip: packaged }, (t) => buildAndLoad(t, prefix));
  test('built against the official headers', { skip: packaged }, (t) => buildAndLoad(t, stock));
});
