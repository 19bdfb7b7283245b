// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// For the tests 31 to 39: programs that ask node:vigil, and native add-ons of
// test/addons for them, built by the machine's gcc alone.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { App, MINUTE, packaged, prefix, top } from './helpers.mjs';

// A reason to skip what needs an add-on, or false.
export const noAddons = packaged;

const C = ['gcc', '-std=gnu11'];
const CXX = ['g++', '-std=gnu++20', '-fno-rtti', '-Wno-unused-parameter'];

// The folder with the given add-ons, files of test/addons, for the environment
// of a program.
export function addons(...files) {
  const dir = mkdtempSync(path.join(tmpdir(), 'vigil-addons-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  for (const file of files) {
    const { ext, name } = path.parse(file);
    const [compiler, ...flags] = ext === '.c' ? C : CXX;
    execFileSync(compiler, [...flags, '-D_GNU_SOURCE', '-O1', '-Wall', '-Wextra', '-Werror',
                            '-Wno-missing-field-initializers', '-fPIC', '-shared', '-pthread',
                            '-isystem', path.join(prefix, 'include/node'), '-o', path.join(dir, `${name}.node`),
                            path.join(top, 'test/addons', file)]);
  }
  return dir;
}

// What programs have. Times are in ms of the monotonic clock, as vigil's.
const PRELUDE = `
  const vigil = require('node:vigil');
  const { Worker, isMainThread, threadId, workerData, parentPort } = require('node:worker_threads');
  const native = (name) => require(process.env.ADDONS + '/' + name + '.node');
  const now = () => Number(process.hrtime.bigint()) / 1e6;
  const word = new Int32Array(new SharedArrayBuffer(4));
  const block = (ms) => {
    const begin = now();
    while (now() - begin < ms) Atomics.wait(word, 0, 0, ms - (now() - begin));
    return now() - begin;
  };
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const until = async (probe) => { let v; while (!(v = await probe())) await sleep(20); return v; };
  const main = () => vigil.snapshot().loops.find((l) => l.kind === 'main');
  // A timer may run before the first poll: that is start-up still.
  const started = () => until(() => main().sinceStart.startupMs !== null);
  const others = () => vigil.snapshot().loops.filter((l) => l.kind === 'other');
  setTimeout(() => process.exit(99), 240_000).unref();
`;

// Runs the body of an async function in a process of its own, and gives what
// it returns. It must not say anything.
export async function inside(t, body, { env, flags = [], ms = 4 * MINUTE } = {}) {
  const source = `${PRELUDE}(async () => { ${body} })().then((value) => {
    process.stdout.write(JSON.stringify(value ?? null));
  });`;
  const it = new App(t, [...flags, '-e', source], { env });
  const end = await it.exit(ms);
  assert.equal(end.code, 0, it.said());
  assert.equal(end.stderr, '');
  return JSON.parse(end.stdout);
}

// Buckets of histogram() that `after` has more in than `before`: for each
// period between the two the least and the first length it cannot have.
export function newPeriods(before, after, scheme) {
  const had = new Map(before.map((b) => [b.lowerNs, b.count]));
  return after.flatMap(({ lowerNs, count }) => {
    const width = lowerNs < scheme.linearBelowNs ? scheme.linearWidthNs
      : 2 ** Math.floor(Math.log2(lowerNs)) / scheme.bucketsPerOctave;
    const upperNs = lowerNs >= scheme.lastLowerNs ? Infinity : lowerNs + width;
    return Array(count - (had.get(lowerNs) ?? 0)).fill([lowerNs / 1e6, upperNs / 1e6]);
  });
}

// `least <= actual <= most`, with a reason that shows all three.
export function within(actual, least, most, what) {
  assert.ok(actual >= least && actual <= most, `${what}: ${actual}, not ${least} to ${most}`);
}
