// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Makes report.html of the directory of an incident. No piece of it is needed:
// of each that is missing or broken the page says why. Runs in a process of its
// own, never in the one that is watched.
//
// From the source tree: node make.js DIR

const fs = require('fs');
const path = require('path');
const { readAllocations } = require('./alloc');
const { blame } = require('./blame');
const { condense, share } = require('./condense');
const { blocks, readCpu, slices } = require('./cpu');
const { Functions } = require('./functions');
const { readHeap } = require('./heap');
const { readIncident, readStalls } = require('./incident');
const { Unreadable, json, size } = require('./read');
const { verdict } = require('./verdict');
const { writePage } = require('./write');

const kMaxManifest = 4 * 2 ** 20;
const kMaxProfile = 64 * 2 ** 20;
const kMaxSlices = 90;
const kMostBusy = 0.9;

// The form of the name of each piece.
const PIECES = {
  cpu: /^cpu-.*\.cpuprofile$/, before: /^before-.*\.cpuprofile$/, heap: /^heap-.*\.heapsnapshot$/,
  alloc: /^alloc-.*\.heapprofile$/, stalls: /^stalls\.json$/,
};

// A piece, or null and a reason in `missing`.
function attempt(missing, key, what, read) {
  try {
    return read();
  } catch (error) {
    // One that is not foreseen must not take the others along.
    missing[key] = error instanceof Unreadable ? `${what}: ${error.message}` : `${what}: it cannot be read (${error.message})`;
    return null;
  }
}

function files(dir, incident) {
  const listed = new Map(incident.files.map((file) => [file.name, file]));
  const out = [];
  for (const name of fs.readdirSync(dir).sort()) {
    if (!/^[\w.-]{1,200}$/.test(name) || name.startsWith('.') || name === 'report.html') continue;
    const stat = fs.lstatSync(path.join(dir, name), { throwIfNoEntry: false });
    if (!stat?.isFile()) continue;
    const { bytes = null, sha256 = null } = listed.get(name) ?? {};
    out.push({ name, bytes: stat.size, sha256, expected: bytes !== null && bytes !== stat.size ? bytes : null });
    listed.delete(name);
  }
  for (const { name, bytes, sha256 } of listed.values()) out.push({ name, bytes, sha256, gone: true });
  return out;
}

// A profile for the page: the tree, who is to blame, and how busy it was when.
function profile(cpu, functions, zeroUs, dense) {
  const span = cpu.endUs - cpu.startUs;
  // Samples that are far apart say nothing of single waits, and nothing parts two
  // busy periods between which no sample was idle.
  const waits = dense && cpu.busyUs < kMostBusy * span;
  const step = (least) => Math.max(least, span / kMaxSlices);
  return {
    ...condense(cpu, (fn) => functions.name[fn] === '(root)'),
    spanMs: span / 1000, busyMs: cpu.busyUs / 1000, gcMs: cpu.gcUs / 1000, samples: cpu.samples,
    blame: blame(cpu, functions),
    slices: slices(cpu, zeroUs, step(dense ? 250_000 : 1_000_000)),
    ...waits ? { lag: slices(cpu, zeroUs, step(1_000_000)), blocks: blocks(cpu, zeroUs) } : { lag: null, blocks: null },
  };
}

function collect(dir, options) {
  const missing = {};
  const manifest = attempt(missing, 'manifest', 'incident.json', () => json(dir, 'incident.json', kMaxManifest));
  const incident = readIncident(manifest);
  const all = files(dir, incident);
  const functions = new Functions();
  const piece = (key, read) => {
    const file = all.find(({ name }) => PIECES[key].test(name));
    const note = incident.notes[key];
    if (file === undefined) {
      if (note !== null) missing[key] = note;
      return null;
    }
    return attempt(missing, key, file.name, () => read(file.name));
  };
  const cpu = piece('cpu', (file) => readCpu(json(dir, file, kMaxProfile), functions));
  const past = piece('before', (file) => readCpu(json(dir, file, kMaxProfile), functions));
  // Both have the same clock, and the one ends about where the other begins.
  const zeroUs = past !== null ? past.endUs : cpu?.startUs ?? 0;
  const during = cpu && attempt(missing, 'cpu', 'the CPU profile', () => profile(cpu, functions, zeroUs, true));
  const before = past && attempt(missing, 'before', 'the profile before', () => profile(past, functions, zeroUs, false));
  const alloc = piece('alloc', (file) => readAllocations(json(dir, file, kMaxProfile), functions));
  const stalls = piece('stalls', (file) => readStalls(json(dir, file, kMaxProfile), incident.triggered));
  const heap = piece('heap', (file) => {
    if (options.heap === false) throw new Unreadable('it was left out, because reading it ended the first try');
    return readHeap(dir, file, { budget: options.heapBudget });
  });
  const trees = [during, before].filter((p) => p !== null).map(({ tree }) => tree);
  return {
    version: 1, incident, missing, files: all,
    verdict: verdict(incident, { during, before, alloc }),
    functions: share(trees, functions),
    profiles: { during, before }, alloc, stalls, heap,
  };
}

// Writes DIR/report.html, and returns { file, bytes, missing }. `page` is the page
// without its data, which deps/scripts.sh makes. options.heapBudget: bytes that
// retained sizes may take; options.heap: false leaves all of the heap out. Throws
// only when the page cannot be written.
function report(dir, page, options = {}) {
  const data = collect(dir, options);
  const bytes = writePage(path.join(dir, 'report.html'), page, data);
  return { file: path.join(dir, 'report.html'), bytes, missing: data.missing };
}

function main([dir, ...more]) {
  if (dir === undefined || more.length > 0) {
    console.error('usage: node make.js DIR');
    return 2;
  }
  try {
    const made = require('child_process').execFileSync(path.join(__dirname, '../../../deps/scripts.sh'),
                                                       { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
    const { file, bytes, missing } = report(dir, fs.readFileSync(path.join(made, 'page.html'), 'utf8'));
    console.log(`${file} ${size(bytes)}`);
    for (const why of Object.values(missing)) console.log(`  missing: ${why}`);
    return 0;
  } catch ({ message }) {
    console.error(`report: ${message}`);
    return 1;
  }
}

module.exports = { collect, report };

if (require.main === module) process.exitCode = main(process.argv.slice(2));
