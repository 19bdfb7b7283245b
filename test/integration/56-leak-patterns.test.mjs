// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The leak hunt's analysis (src/leak*.c), on heaps of real programs: each of the
// four patterns of leaks must be named first, and a program without one must
// not be suspected. The programs take the snapshots themselves here.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { MINUTE, app, run, stockNode, temporary, top } from './helpers.mjs';

const ROUND = 400;              // Requests; see apps/leaks/service.mjs.

let tools;
before(() => {
  tools = mkdtempSync(path.join(tmpdir(), 'vigil-leak-'));
  const src = path.join(top, 'src');
  const sources = readdirSync(src).filter((name) => /^(leak.*|json|os|set|text)\.c$/.test(name))
    .map((name) => path.join(src, name));
  for (const name of ['compare', 'retained']) {
    execFileSync('gcc', ['-std=c11', '-D_GNU_SOURCE', '-O2', '-I', src, '-o', path.join(tools, name),
                         path.join(top, 'test/leak', `${name}.c`), ...sources, '-lpthread']);
  }
});
after(() => rmSync(tools, { recursive: true, force: true }));

// The three heaps of a program, and what is said about them.
async function hunt(t, name) {
  const folder = temporary(t);
  const taken = await run(t, ['--expose-gc', app(`leaks/${name}.mjs`), folder, `${ROUND}`],
                          { ms: 3 * MINUTE });
  assert.equal(taken.code, 0, taken.stderr);
  const snapshots = JSON.parse(taken.stdout);
  const { code, stdout, stderr } = await run(t, snapshots, { bin: path.join(tools, 'compare') });
  assert.equal(code, 0, stderr);
  return { snapshots, text: stderr, ...JSON.parse(stdout) };
}

const near = (value, expected, part, what) =>
  assert.ok(Math.abs(value - expected) <= part * expected, `${what}: ${value}, not about ${expected}`);

// The first suspect, with what is true of all of them.
function first({ heaps, suspects, text }, kind, name) {
  assert.ok(suspects.length > 0, text);
  const [suspect] = suspects;
  assert.equal(suspect.kind, kind, text);
  assert.equal(suspect.name, name, text);
  assert.ok(text.includes(`1. ${name} (`), text);
  assert.ok(suspect.path.some(({ edge }) => name.endsWith(edge.replace(/^\./, '')) && edge !== ''), text);
  assert.ok(text.includes(suspect.advice), text);
  // One thing leaks; what else is reported is small: strings of the bounded list
  // are longer in one round than in another.
  for (const other of suspects.slice(1)) {
    assert.ok(other.bytesPerRound < suspect.bytesPerRound / 4, text);
  }
  near(suspect.objectsPerRound, ROUND, 0.02, 'objects per round');
  // The cache that filled in the first round is larger than most leaks here.
  assert.ok(heaps[1].bytes - heaps[0].bytes > 2e6);
  return suspect;
}

test('no leak, no suspect', { timeout: 5 * MINUTE }, async (t) => {
  const { heaps, suspects, text } = await hunt(t, 'none');
  assert.deepEqual(suspects, [], text);
  assert.match(text, /^Nothing grew by [0-9.]+ KB or more in both rounds\.$/m);
  assert.ok(heaps[0].objects > 150_000);
});

test('a Map without bounds', { timeout: 5 * MINUTE }, async (t) => {
  const found = first(await hunt(t, 'cache'), 'cache', 'previews');
  assert.equal(found.class, 'Map');
  assert.deepEqual(found.containers, [1, 1, 1]);
  assert.equal(found.parts[0].class, 'Object');
  assert.ok(found.bytesPerRound > ROUND * 300, `${found.bytesPerRound}`);
});

test('listeners on a singleton', { timeout: 5 * MINUTE }, async (t) => {
  const found = first(await hunt(t, 'listeners'), 'listeners', 'EventEmitter._events.currency');
  assert.match(found.parts[0].class, /^function/);
  assert.equal(found.holds.edge, 'view');
});

test('closures that hold a request', { timeout: 5 * MINUTE }, async (t) => {
  const found = first(await hunt(t, 'closures'), 'closures', 'postponed');
  assert.match(found.parts[0].class, /^function/);
  assert.deepEqual([found.holds.edge, found.holds.class], ['req', 'IncomingMessage']);
  // The request, and the body with it.
  assert.ok(found.bytesPerRound > ROUND * 24 * 1024, `${found.bytesPerRound}`);
});

test('slices of Buffers', { timeout: 5 * MINUTE }, async (t) => {
  const hunted = await hunt(t, 'buffers');
  const found = first(hunted, 'buffers', 'prefixes');
  assert.equal(found.parts[0].class, 'Buffer');
  assert.ok(found.bytesPerRound > ROUND * 24 * 1024, `${found.bytesPerRound}`);

  // The sizes are those that DevTools shows.
  const { VIGIL_CACHE, VIGIL_DISTFILES } = process.env;
  const [, , snapshot] = hunted.snapshots;
  const sizes = path.join(path.dirname(snapshot), 'retained');
  writeFileSync(sizes, execFileSync(path.join(tools, 'retained'), [snapshot], { maxBuffer: 1 << 28 }));
  const { code, stdout, stderr } = await run(t, [path.join(top, 'test/leak/devtools.mjs'), snapshot, sizes], {
    bin: stockNode, env: { VIGIL_CACHE, VIGIL_DISTFILES }, ms: 4 * MINUTE,
  });
  assert.equal(code, 0, stderr);
  const compared = JSON.parse(stdout);
  assert.deepEqual(compared.different, []);
  assert.equal(compared.nodes, compared.listed);
  assert.equal(compared.nodes, JSON.parse(readFileSync(snapshot, 'utf8')).snapshot.node_count);
  assert.ok(compared.same > compared.nodes * 0.8, stdout);
  // And the array retains what was said of it.
  assert.ok(readFileSync(sizes, 'utf8').split('\n').includes(`${found.retainedBytes[2]}`));
});
