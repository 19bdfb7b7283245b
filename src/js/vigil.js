// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The public module node:vigil, documented in docs/api.md. What is measured,
// and how it is laid out, is up to report.c; here it only becomes objects.

const {
  JSONParse,
  ObjectDefineProperties,
} = primordials;

const binding = internalBinding('vigil');
const {
  codes: {
    ERR_OPERATION_FAILED,
  },
} = require('internal/errors');
const { validateInteger } = require('internal/validators');

const kDefaultWindowMs = 10_000;
const kMinWindowMs = 1_000;
const kMaxWindowMs = 600_000;

function parse(text) {
  if (text === undefined)
    throw new ERR_OPERATION_FAILED('no memory for the report');
  return JSONParse(text);
}

/**
 * Lag of every event loop of this process.
 * @param {number} [windowMs] Length of the window, 1,000 to 600,000.
 * @returns {object}
 */
function lag(windowMs = kDefaultWindowMs) {
  validateInteger(windowMs, 'windowMs', kMinWindowMs, kMaxWindowMs);
  return parse(binding.lag(windowMs));
}

/**
 * All that is known about this process now.
 * @returns {object}
 */
function snapshot() {
  return parse(binding.snapshot());
}

/**
 * Raw histograms since the first poll of each loop; they merge by adding.
 * @returns {object}
 */
function histogram() {
  return parse(binding.histogram());
}

module.exports = {
  histogram,
  lag,
  snapshot,
};

// Not fixed at load time: a startup snapshot is loaded elsewhere.
ObjectDefineProperties(module.exports, {
  off: {
    __proto__: null,
    configurable: true,
    enumerable: true,
    get() { return parse(binding.status()).off; },
  },
  version: {
    __proto__: null,
    configurable: true,
    enumerable: true,
    get() { return parse(binding.status()).version; },
  },
});
