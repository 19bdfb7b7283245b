// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Samples by variant, round and metric, as a Markdown table. The first variant is in
// figures, the others are compared with it round by round.

function median(sorted) {
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function digits(x) {
  const size = Math.abs(x);
  return x.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

// Median, and the smallest and largest of all.
export function spread(values, print = digits) {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0)
    return '';
  const text = print(median(sorted));
  return sorted.length === 1 ? text : `${text} (${print(sorted[0])} .. ${print(sorted.at(-1))})`;
}

export class Table {
  // metrics: [name, 'higher' | 'lower' is better: by ratio, or 'difference'][]
  constructor(variants, metrics) {
    this.variants = variants;
    this.metrics = metrics;
    this.rows = new Map(variants.map((variant) => [variant, new Map()]));
  }

  add(variant, round, values) {
    if (values.length !== this.metrics.length || !values.every(Number.isFinite))
      throw new Error(`${variant.name}: no figures: ${values}`);
    this.rows.get(variant).set(round, values);
  }

  // Of a variant and a metric, compared with the first variant in the same round.
  compared(variant, index) {
    const base = this.rows.get(this.variants[0]);
    const by = this.metrics[index][1];
    const values = [];
    for (const [round, row] of this.rows.get(variant)) {
      const [x, y] = [row[index], base.get(round)?.[index]];
      if (y !== undefined && (by === 'difference' || y !== 0))
        values.push(by === 'difference' ? x - y : x / y);
    }
    return values;
  }

  markdown() {
    const lines = [
      `| | ${this.metrics.map(([name]) => name).join(' | ')} |`,
      `|---|${this.metrics.map(() => '---:|').join('')}`,
    ];
    for (const variant of this.variants) {
      const cells = this.metrics.map(([, by], index) => {
        if (variant === this.variants[0])
          return spread([...this.rows.get(variant).values()].map((row) => row[index]));
        return by === 'difference' ?
          spread(this.compared(variant, index), (x) => (x < 0 ? '' : '+') + digits(x)) :
          spread(this.compared(variant, index), (x) => `${x.toFixed(3)}x`);
      });
      lines.push(`| ${variant.name} | ${cells.join(' | ')} |`);
    }
    return lines.join('\n');
  }
}
