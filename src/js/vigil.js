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
const {
  validateBoolean,
  validateFunction,
  validateInteger,
  validateObject,
} = require('internal/validators');
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
const kRounds = 3;
const kMaxEveryMs = 24 * 3600 * 1000;

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
  const directory = await ask(threadId, pieces, cpuProfileMs, 0);
  const manifest = await read(directory, 'incident.json');
  return { __proto__: null, directory, ...manifest };
}

async function read(directory, file) {
  const { readFile } = require('fs/promises');
  return JSONParse(await readFile(`${directory}/${file}`, 'utf8'));
}

function ask(threadId, pieces, cpuProfileMs, round) {
  const ticket = binding.capture(threadId, pieces, cpuProfileMs, round);
  if (ticket === 0)
    throw new ERR_OPERATION_FAILED('too many captures wait');
  return result(ticket);
}

/**
 * Looks at the heap of this thread three times, for what grows with the work.
 * @param {{work?: Function, everyMs?: number, requests?: number}} [options]
 *   What is between two looks: one of these. Default: a minute.
 * @returns {Promise<object>} leak.json, and its folder as `directory`.
 */
async function leakHunt(options = kEmptyObject) {
  validateObject(options, 'options');
  const { work, everyMs = 60_000, requests } = options;
  if (work !== undefined)
    validateFunction(work, 'options.work');
  validateInteger(everyMs, 'options.everyMs', 1, kMaxEveryMs);
  if (requests !== undefined)
    validateInteger(requests, 'options.requests', 1);
  if (parse(binding.status()).off)
    throw new ERR_OPERATION_FAILED('VIGIL is off');
  const { threadId } = require('internal/worker');
  let directory;
  for (let round = 1; round <= kRounds; round++) {
    if (round !== 1) {
      if (work !== undefined)
        await work();
      else if (requests !== undefined)
        await served(requests);
      else
        await require('timers/promises').setTimeout(everyMs);
    }
    directory = await ask(threadId, 0, 0, round);
  }
  const { noLeakHunt } = await read(directory, 'incident.json');
  if (noLeakHunt !== null)
    throw new ERR_OPERATION_FAILED(noLeakHunt);
  return { __proto__: null, directory, ...await read(directory, 'leak.json') };
}

// Resolves when servers of this thread have answered so many more requests.
function served(requests) {
  const { subscribe, unsubscribe } = require('diagnostics_channel');
  const kChannel = 'http.server.response.finish';
  return new Promise((resolve) => {
    let left = requests;
    function count() {
      if (--left > 0)
        return;
      unsubscribe(kChannel, count);
      resolve();
    }
    subscribe(kChannel, count);
  });
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
  leakHunt,
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
