// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// How often, and how long, something is tried again: full jitter, so that those
// who failed together do not come back together.

const kStatus = new Set([408, 429, 500, 502, 503, 504]);
const kNetwork = new Set(['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN',
                          'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'TIMEOUT', 'TORN', 'EPROTO']);
// The request has not left: nobody can have acted on it.
const kBefore = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN',
                         'EADDRNOTAVAIL']);

const kPolicy = { tries: 8, firstMs: 250, mostMs: 20_000, totalMs: 5 * 60_000, afterMostMs: 60_000 };

// The wait before try n + 1, after n tries.
function backoff(n, { firstMs, mostMs } = kPolicy, random = Math.random) {
  return random() * Math.min(mostMs, firstMs * 2 ** (n - 1));
}

// Retry-After: seconds or a date; ms, or 0.
function after(header, now = Date.now()) {
  if (header === undefined) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return ms > 0 ? ms : 0;
}

const isRetryable = (error) => error.retry ?? (kStatus.has(error.status) || kNetwork.has(error.code));
// Whether the other side may have done what was asked, as far as is known here.
const isUnknown = (error) => error.status === undefined && !kBefore.has(error.code) && error.sent !== false;

// What may be told of an error: our own words, and of others' only which it was,
// as their texts can quote what they were given.
function reasonOf(error) {
  if (error.told) return error.message;
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'it took too long';
  return `an error (${error.code ?? error.name})`;
}

function sleep(ms, signal) {
  return new Promise((done, fail) => {
    if (signal?.aborted) return fail(signal.reason);
    const end = () => {
      clearTimeout(timer);
      fail(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', end);
      done();
    }, ms);
    signal?.addEventListener('abort', end, { once: true });
  });
}

// Runs `work(n)` until it gives a value, fails for good, or the policy ends it.
// `wanted` can refuse to go on after an error.
async function retrying(work, { policy = {}, signal, wanted = isRetryable } = {}) {
  const p = { ...kPolicy, ...policy };
  const until = performance.now() + p.totalMs;
  for (let n = 1; ; n++) {
    try {
      return await work(n);
    } catch (error) {
      const wait = Math.max(backoff(n, p), Math.min(error.afterMs ?? 0, p.afterMostMs));
      if (n >= p.tries || signal?.aborted || !wanted(error) || performance.now() + wait > until) {
        error.tries = n;
        throw error;
      }
      await sleep(wait, signal);
    }
  }
}

module.exports = { kPolicy, backoff, after, isRetryable, isUnknown, reasonOf, sleep, retrying };
