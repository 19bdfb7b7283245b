// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Does one thing after the other, each for a known time with a quiet one before
// it: blocks the loop, collects garbage, has a read wait for the only thread of
// the pool. Prints what it did and when, as Unix time in ms, one JSON a line;
// then "done" and goes on. Usage: --expose-gc seconds.mjs, with UV_THREADPOOL_SIZE=1

import { pbkdf2 } from 'node:crypto';
import { stat } from 'node:fs';
import http from 'node:http';
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

const QUIET_MS = 2500;
const now = () => performance.timeOrigin + performance.now();

const did = (what, from, more = {}) => console.log(JSON.stringify({ what, from, to: now(), ...more }));

function block(ms) {
  const from = now();
  while (now() < from + ms);
  did('block', from);
}

// What Node itself measures of the pauses is printed beside it.
async function collect(ms) {
  let gcMs = 0;
  const observer = new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) gcMs += duration; });
  observer.observe({ entryTypes: ['gc'] });
  const kept = Array.from({ length: 100_000 }, (_, i) => ({ i }));
  const from = now();
  while (now() < from + ms) globalThis.gc();
  const to = now();
  await sleep(100);
  observer.disconnect();
  did('gc', from, { to, gcMs, kept: kept.length });
}

// Resolves once the work that has the thread is done, and the read that waited
// for it: `taken` is when the read got its turn, at the latest.
const wait = () => new Promise((resolve) => {
  const from = now();
  let free;
  pbkdf2('password', 'salt', 400_000, 64, 'sha512', () => { free = now(); });
  stat('/', () => {
    did('wait', from, { free, taken: now() });
    resolve();
  });
});

http.createServer((_, response) => response.end()).listen(0, '127.0.0.1', async () => {
  await sleep(QUIET_MS);
  block(300);
  await sleep(QUIET_MS);
  block(1700);  // Over at least one edge.
  await sleep(QUIET_MS);
  await collect(800);
  await sleep(QUIET_MS);
  await wait();
  await sleep(QUIET_MS);
  console.log('done');
});
