// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The public module node:vigil, documented in docs/api.md. What is measured,
// and how it is laid out, is up to report.c; here it only becomes objects.

const {
  JSONParse,
  ObjectDefineProperties,
  Promise,
} = primordials;

const binding = internalBinding('vigil');
const {
  codes: {
    ERR_OPERATION_FAILED,
  },
} = require('internal/errors');
const { validateBoolean, validateInteger, validateObject } = require('internal/validators');
const { UVException } = require('internal/errors');
const { kEmptyObject } = require('internal/util');

const kDefaultWindowMs = 10_000;
const kMinWindowMs = 1_000;
const kMaxWindowMs = 600_000;

// VIGIL__CAPTURE_* of config.h.
const kPieces = { __proto__: null, cpu: 1, heap: 2, alloc: 4, before: 8 };
const kWithout = 16;
const kMaxProfileMs = 60_000;
const kPollMs = 50;

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

/**
 * Captures this thread now, whatever the rules say.
 * @param {{cpu?: boolean, heap?: boolean, alloc?: boolean, before?: boolean, cpuProfileMs?: number}} [options]
 *   What to capture; none of them true: what VIGIL_CAPTURE says, but no
 *   allocation profile and nothing that is false.
 * @returns {Promise<object>} incident.json, and its folder as `directory`.
 */
async function capture(options = kEmptyObject) {
  validateObject(options, 'options');
  let pieces = 0;
  let without = 0;
  for (const name in kPieces) {
    if (options[name] === undefined)
      continue;
    validateBoolean(options[name], `options.${name}`);
    if (options[name])
      pieces |= kPieces[name];
    else
      without |= kPieces[name];
  }
  const { cpuProfileMs = 0 } = options;
  if (cpuProfileMs !== 0)
    validateInteger(cpuProfileMs, 'options.cpuProfileMs', 100, kMaxProfileMs);
  if (parse(binding.status()).off)
    throw new ERR_OPERATION_FAILED('VIGIL is off');
  const { threadId } = require('internal/worker');
  if (pieces === 0 && without !== 0)
    pieces = without | kWithout;
  const ticket = binding.capture(threadId, pieces, cpuProfileMs);
  if (ticket === 0)
    throw new ERR_OPERATION_FAILED('too many captures wait');
  const directory = await result(ticket);
  const { readFile } = require('fs/promises');
  const manifest = JSONParse(await readFile(`${directory}/incident.json`, 'utf8'));
  return { __proto__: null, directory, ...manifest };
}

// The watch thread cannot call JavaScript, so ask it now and then.
function result(ticket) {
  const { setTimeout } = require('timers');
  return new Promise((resolve, reject) => {
    function poll() {
      const path = binding.captured(ticket);
      if (path === undefined)
        setTimeout(poll, kPollMs);
      else if (typeof path === 'string')
        resolve(path);
      else
        reject(new UVException({ errno: path, syscall: 'capture' }));
    }
    poll();
  });
}

module.exports = {
  capture,
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
