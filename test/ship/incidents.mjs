// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Incidents as the program writes them, made by hand: for the shipper they are
// files.

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const sha256 = (data) => createHash('sha256').update(data).digest('hex');

// Text that gzip makes about four times smaller, the same for a seed.
export function filler(bytes, seed = 1) {
  const out = Buffer.allocUnsafe(bytes);
  let x = (seed * 2654435761) >>> 0;
  for (let i = 0; i < bytes; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    out[i] = 97 + ((x >>> 24) & 7);
  }
  return out;
}

// Returns { name, dir, files: { name: Buffer } }.
export function incident(dir, { at = new Date(Date.now() - 5_000), pid = 4711, files, manifest = {} } = {}) {
  const seconds = at.toISOString().replace(/[:-]|\.\d{3}/g, '');
  const name = `incident-${seconds}-${pid}`;
  const own = path.join(dir, name);
  mkdirSync(own, { mode: 0o700, recursive: true });
  const epoch = Math.floor(at / 1000);
  files ??= { [`cpu-${epoch}.cpuprofile`]: filler(40_000), [`heap-${epoch}.heapsnapshot`]: filler(300_000, 2), 'stalls.json': Buffer.from('{}') };
  for (const [file, data] of Object.entries(files)) writeFileSync(path.join(own, file), data, { mode: 0o600 });
  const rows = Array.from({ length: 60 }, (_, n) => n - 60);
  writeFileSync(path.join(own, 'incident.json'), JSON.stringify({
    schema: 1, triggered: at.toISOString(), finished: new Date(+at + 3000).toISOString(),
    headline: 'event loop lag p99 is 380 ms over the last 10.0 s (limit 50 ms, main thread)',
    process: { pid, ppid: 1, host: 'pod-7', vigil: '1' }, thread: { id: 0, name: 'main thread' },
    rule: { name: 'lag-p99', onDemand: false, unit: 'ms', value: 380.04, limit: 50, windowMs: 10_000, forMs: 10_000 },
    cause: { class: 'js', text: 'JavaScript ran in 86 % of 44 samples', missing: [], figures: {} },
    lag: { windowMs: 10_000, p50Ms: 1, p90Ms: 200, p99Ms: 380.04, p999Ms: 400, meanMs: 90, maxMs: 412.3, busyMs: 9_400, periods: 10, polls: 9, events: 0 },
    gc: { pausesInWindowMs: 300 }, suppressedBefore: 2,
    timeline: { atMs: rows.map((n) => n * 1000), spanMs: rows.map(() => 1000), p99Ms: rows.map((n) => (n < -20 ? 4 : 380)),
                maxMs: rows.map((n) => (n < -20 ? 9 : 412)), busyMs: rows.map((n) => (n < -20 ? 400 : 940)), gcMs: rows.map(() => 10) },
    files: Object.entries(files).map(([file, data]) => ({ name: file, bytes: data.length, sha256: sha256(data) })), ...manifest,
  }, null, 2), { mode: 0o600 });
  return { name, dir: own, files };
}
