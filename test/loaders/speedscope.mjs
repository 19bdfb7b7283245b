// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Loads a file with speedscope's importer, and says what came out.
//
// npm has speedscope only as the released program for browsers, in one file and
// minified. Its importer needs no browser, and is in there as a module of its
// own, which the program loads late. So the program runs to the point where it
// would load that, and ends there instead, handing the module out.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';
import { cpuFaults, samplingFaults } from './faults.mjs';
import { summarize } from './summary.mjs';

export const formats = ['.cpuprofile', '.heapprofile'];

// All the program asks of a browser until then.
const browser = () => ({
  console: { log() {}, warn: console.warn, error: console.error },
  matchMedia: () => ({ matches: false }),
  self: {},
  window: { location: { hash: '', protocol: 'file:' } },
  TextDecoder, TextEncoder,
});

// What `pattern` matches in the program, which must be one thing.
function only(program, pattern) {
  const found = [...program.matchAll(pattern)];
  if (found.length !== 1) throw new Error(`${found.length} matches of ${pattern} in speedscope`);
  return found[0];
}

async function importer(folder) {
  const file = path.join(folder, 'speedscope.cjs');
  const program = readFileSync(file, 'utf8');
  const [, module] = only(program, /\((\w+),\{[^{}]*\bimportProfileGroupFromText:/g);
  const [late, promise] = only(program, new RegExp(
    `\\bvar \\w+=(Promise\\.resolve\\(\\)\\.then\\(\\(\\)=>\\(\\w+\\(\\),${module}\\)\\));`, 'g'));
  const cut = program.replace(late, () => `return ${promise};`);
  return vm.runInNewContext(cut, browser(), { filename: file });
}

function check(file, text) {
  const raw = JSON.parse(text);
  return path.extname(file) === '.cpuprofile' ? cpuFaults(raw) : samplingFaults(raw);
}

export async function load(folder, file) {
  const errors = [];
  let found = {};
  try {
    const text = readFileSync(file, 'utf8');
    const { importProfileGroupFromText } = await importer(folder);
    const { faults, endless } = check(file, text);
    errors.push(...faults);
    if (!endless) found = read(await importProfileGroupFromText(path.basename(file), text), errors);
  } catch (error) {
    errors.push(`${error}`);
  }
  return { file, loader: 'speedscope', ...found, errors };
}

function read(group, errors) {
  if (group === null) throw new Error('speedscope does not know this format');
  const [profile, ...more] = group.profiles;
  if (more.length > 0) errors.push(`speedscope finds ${more.length + 1} profiles`);
  const time = profile.getWeightUnit() === 'microseconds';
  const scale = time ? 1000 : 1;
  const found = summarize(profile.getGroupedCalltreeRoot(), {
    name: (node) => node.frame.name, self: (node) => node.getSelfWeight() / scale,
    children: (node) => node.children,
  });
  let sum = 0;
  profile.forEachFrame((frame) => { sum += frame.getSelfWeight() / scale; });
  if (Math.abs(sum - found.busy) > 1e-6 * sum) {
    errors.push(`speedscope's functions sum up to ${sum}, its calls to ${found.busy}`);
  }
  return { unit: time ? 'ms' : 'bytes', total: profile.getTotalWeight() / scale, ...found };
}
