// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Figures and names as text for a terminal.

// Names come from programs and from disk: neither escapes nor new lines get out.
const clean = (text) => String(text).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?');

// As the report has it, with a decimal for short ones.
function duration(ms) {
  if (ms === null || ms === undefined) return '-';
  if (ms >= 3_600_000) return `${Math.floor(ms / 3_600_000)} h ${Math.round(ms % 3_600_000 / 60_000)} m`;
  if (ms >= 120_000) return `${Math.round(ms / 60_000)} m`;
  if (ms >= 9_950) return `${Math.round(ms / 1000)} s`;
  if (ms >= 995) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 9.95 || ms === 0) return `${ms.toFixed(0)} ms`;
  return ms >= 0.05 ? `${ms.toFixed(1)} ms` : '0 ms';
}

function size(bytes) {
  if (bytes === null || bytes === undefined) return '-';
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let i = 0;
  while (bytes >= 999.5 && i < units.length - 1) {
    bytes /= 1024;
    i++;
  }
  return `${bytes >= 9.95 || i === 0 ? bytes.toFixed(0) : bytes.toFixed(1)} ${units[i]}`;
}

const percent = (share) => (share === null || !Number.isFinite(share) ? '-' : `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`);

const amount = (value, unit) => (value === null || value === undefined ? '-' : unit === '%' ? `${value.toFixed(1)} %` : duration(value));

// Cells of a terminal.
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const cells = (c) => (/[\u0300-\u036f\u200b-\u200f\ufe00-\ufe0f]/.test(c) ? 0 : WIDE.test(c) ? 2 : 1);
const width = (text) => [...text].reduce((sum, c) => sum + cells(c), 0);

function cut(text, most) {
  if (width(text) <= most) return text;
  let out = '';
  let used = 0;
  for (const c of text) {
    if (used + cells(c) > most - 1) break;
    out += c;
    used += cells(c);
  }
  return most > 0 ? `${out}~` : '';
}

const pad = (text, to) => text + ' '.repeat(Math.max(0, to - width(text)));

// Rows of texts in columns; those in `right` go to the right.
function table(rows, right = []) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => width(row[i]))));
  return rows.map((row) => row.map((text, i) => (right.includes(i) ? ' '.repeat(widths[i] - width(text)) + text : pad(text, widths[i]))).join('  ').trimEnd());
}

// Lines of at most `most` cells, the first one after `first`, the others after as
// many spaces.
function wrap(text, most, first = '') {
  const lines = [];
  let line = first;
  let empty = true;
  for (const word of text.split(' ')) {
    if (!empty && width(line) + 1 + width(word) > most) {
      lines.push(line);
      line = ' '.repeat(width(first));
      empty = true;
    }
    line += (empty ? '' : ' ') + word;
    empty = false;
  }
  lines.push(line);
  return lines;
}

const columns = () => Math.max(40, Math.min(process.stdout.columns ?? 80, 120));

const print = (lines) => process.stdout.write(`${lines.join('\n')}\n`);
const printJson = (value) => process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);

module.exports = { amount, clean, columns, cut, duration, pad, percent, print, printJson, size, table, width, wrap };
