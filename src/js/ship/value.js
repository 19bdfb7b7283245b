// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Sizes and durations as the variables spell them; undefined for anything else.

const kSizes = { '': 1, B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 };
const kTimes = { '': 1000, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function scaled(text, units) {
  const [, digits, unit] = /^(\d{1,15})([A-Za-z]*)$/.exec(text) ?? [];
  if (digits === undefined || !Object.hasOwn(units, unit)) return undefined;
  const value = Number(digits) * units[unit];
  return Number.isSafeInteger(value) ? value : undefined;
}

const bytes = (text) => scaled(text, kSizes);
const milliseconds = (text) => scaled(text, kTimes);

module.exports = { bytes, milliseconds };
