// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Makes tables of samples. Reads lines of `variant, round, metric, value`
// between tabs; compares each variant with the first one, round by round, by
// ratio or difference. A metric that is always 0 is left out.
//
//   table.mjs ratio|difference [--markdown] < samples

import { readFileSync } from 'node:fs';

const by = process.argv[2];
const markdown = process.argv[3] === '--markdown';
if (by !== 'ratio' && by !== 'difference') {
  console.error('usage: table.mjs ratio|difference [--markdown]');
  process.exit(2);
}

const metrics = new Map();  // metric -> variant -> round -> value
let baseName;
for (const line of readFileSync(0, 'utf8').trim().split('\n')) {
  const [variant, round, metric, value] = line.split('\t');
  baseName ??= variant;
  if (!metrics.has(metric))
    metrics.set(metric, new Map());
  const variants = metrics.get(metric);
  if (!variants.has(variant))
    variants.set(variant, new Map());
  variants.get(variant).set(round, Number(value));
}

function print(x) {
  const size = Math.abs(x);
  return x.toFixed(by === 'ratio' && size < 2 ? 4 : size < 10 ? 2 :
    size < 1000 ? 1 : 0);
}

// Median, and the smallest and the largest of all.
function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] :
    (sorted[middle - 1] + sorted[middle]) / 2;
  return `${print(median)} (${print(sorted[0])} .. ${print(sorted.at(-1))})`;
}

for (const [metric, variants] of metrics) {
  const base = variants.get(baseName);
  const values = [...variants.values()].flatMap((v) => [...v.values()]);
  if (values.every((x) => x === 0))
    continue;
  const rows = [[metric, 'median (min .. max)',
                 by === 'ratio' ? `ratio to ${baseName}` :
                   `more than ${baseName}`]];
  for (const [variant, rounds] of variants) {
    const compared = [];
    for (const [round, value] of rounds) {
      if (by === 'difference')
        compared.push(value - (base?.get(round) ?? 0));
      else
        compared.push(value / base.get(round));
    }
    rows.push([variant, spread(rounds.values()),
               variant === baseName ? '' : spread(compared)]);
  }
  console.log();
  if (markdown) {
    rows.splice(1, 0, ['---', '---:', '---:']);
    for (const row of rows)
      console.log(`| ${row.join(' | ')} |`);
  } else {
    for (const [name, ...cells] of rows)
      console.log((name.padEnd(34) +
        cells.map((cell) => cell.padStart(30)).join(' ')).trimEnd());
  }
}
