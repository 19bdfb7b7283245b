// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What a user of the official 24.21.0 sees when they look at the binary.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { describe, differ, explained, needed } from '../differences.mjs';
import { environment, node, stockNode, top } from './helpers.mjs';

const run = (bin, ...args) => execFileSync(bin, args, {
  encoding: 'utf8', env: environment(), maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'pipe'],
});
const ours = describe(node);
const official = describe(stockNode);

test('node --version', () => {
  assert.equal(run(node, '--version'), 'v24.21.0\n');
});

test('process.versions', () => {
  assert.equal(ours.versions.vigil, '1');
  assert.equal(ours.versions.modules, '137');
  assert.equal(ours.versions.v8, official.versions.v8);
  const names = Object.keys(ours.versions).filter((name) => name !== 'vigil');
  assert.deepEqual(names, Object.keys(official.versions));
});

for (const kind of ['versions', 'config']) {
  test(`process.${kind} differs only where it is explained`, () => {
    assert.deepEqual(differ(ours[kind], official[kind]).map(([key]) => key).sort(),
                     Object.keys(explained[kind]).sort());
  });
}

test('process.release', () => {
  assert.deepEqual(ours.release, official.release);
});

test('shared libraries are those of the official binary', () => {
  for (const name of needed(node)) assert.ok(needed(stockNode).includes(name), name);
});

test('dynamic symbols of the official binary are there or explained', () => {
  run('/usr/bin/python3', path.join(top, 'test/symbols.py'), stockNode, node);
});

for (const option of ['--help', '--v8-options']) {
  test(`node ${option}`, () => {
    // The one default that is another: profiles need the positions (patches/).
    assert.equal(run(node, option).replace('default: --no-enable-lazy-source-positions',
                                           'default: --enable-lazy-source-positions'),
                 run(stockNode, option));
  });
}

// Everything that can be had by name, as one object.
const catalogue = `
  delete globalThis['node:vigil'];  // With -e every module is a global.
  const crypto = require('node:crypto');
  const versions = ['OPENSSL_VERSION_NUMBER', 'ZLIB_VERNUM'];
  const tree = (object) => Object.fromEntries(Object.getOwnPropertyNames(object).map((key) => {
    let value;
    try { value = object[key]; } catch {}
    const plain = value === null || !['object', 'function'].includes(typeof value) ||
      ['env', 'argv', 'execArgv', 'versions', 'builtinModules'].includes(key);
    return [key, plain ? typeof value : Object.getOwnPropertyNames(value)];
  }));
  console.log(JSON.stringify({
    features: process.features,
    flags: [...process.allowedNodeEnvironmentFlags],
    globals: tree(globalThis),
    process: tree(process),
    modules: require('node:module').builtinModules.map((name) => [name, tree(require(name))]),
    ciphers: crypto.getCiphers(), hashes: crypto.getHashes(), curves: crypto.getCurves(),
    constants: [crypto.constants, require('node:zlib').constants, require('node:os').constants],
    intl: ['calendar', 'collation', 'currency', 'numberingSystem', 'timeZone', 'unit']
      .map((name) => Intl.supportedValuesOf(name)),
  }, (key, value) => versions.includes(key) ? undefined : value));
`;

test('modules, globals, constants, ciphers and locales', () => {
  const args = ['--no-warnings', '--no-deprecation', '-e', catalogue];
  const a = JSON.parse(run(node, ...args));
  const b = JSON.parse(run(stockNode, ...args));
  a.modules = a.modules.filter(([name]) => name !== 'node:vigil');
  for (const key of Object.keys(b)) assert.deepEqual(a[key], b[key], key);
});
