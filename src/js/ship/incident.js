// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The incidents of a directory, and what their manifests say. A manifest is read
// as if somebody else had written it.

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const state = require('./state');

const kName = /^incident-\d{8}T\d{6}Z-\d+(-\d+)?$/;
const kFile = /^[A-Za-z0-9][A-Za-z0-9._-]{0,120}$/;
const kManifest = 'incident.json';
const kMarker = 'shipped.json';

const isObject = (v) => typeof v === 'object' && v !== null && !Array.isArray(v);
const object = (v) => (isObject(v) ? v : {});
const number = (v) => (Number.isFinite(v) ? v : null);
const text = (v, most = 1000) => (typeof v === 'string' ? v.slice(0, most).replace(/[\p{Cc}\u2028\u2029]+/gu, ' ') : '');

// Names, the oldest first, of this user's finished incidents.
function list(dir) {
  let entries;
  try {
    entries = fs.readdirSync(dir, { withFileTypes: true });
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
  return entries.filter((entry) => entry.isDirectory() && kName.test(entry.name)).map(({ name }) => name)
    .filter((name) => fs.lstatSync(path.join(dir, name), { throwIfNoEntry: false })?.uid === process.geteuid())
    .sort();
}

// Rows of the timeline from `from` to `to` (ms, relative to the trigger) in few figures.
function figures({ atMs, spanMs, p99Ms, maxMs, busyMs, gcMs }, from, to) {
  if (!Array.isArray(atMs) || !Array.isArray(spanMs)) return null;
  const rows = atMs.keys().filter((n) => atMs[n] >= from && atMs[n] + spanMs[n] <= to).toArray();
  const of = (column) => (Array.isArray(column) ? rows.map((n) => number(column[n])).filter((v) => v !== null) : []);
  const span = of(spanMs).reduce((a, b) => a + b, 0);
  if (!(span > 0)) return null;
  const middle = (values) => (values.length === 0 ? null : values.sort((a, b) => a - b)[values.length >> 1]);
  const most = (values) => (values.length === 0 ? null : Math.max(...values));
  const share = (values) => (values.length === 0 ? null : round(values.reduce((a, b) => a + b, 0) / span, 3));
  return { spanMs: round(span), p99Ms: round(middle(of(p99Ms))), maxMs: round(most(of(maxMs))),
           busyShare: share(of(busyMs)), gcShare: share(of(gcMs)) };
}

const round = (v, digits = 1) => (v === null ? null : Number(v.toFixed(digits)));

// What alerts and keys are made of. null: there is no manifest (any more).
function facts(dir, name) {
  const m = state.read(path.join(dir, name), kManifest);
  if (m === null) return null;
  const { process: p, thread, rule, cause, lag } = Object.fromEntries(
    ['process', 'thread', 'rule', 'cause', 'lag'].map((key) => [key, object(m[key])]));
  const triggered = Number.isFinite(Date.parse(m.triggered)) ? new Date(m.triggered).toISOString() : dateOf(name);
  const host = text(p.host, 200) || 'unknown';
  const pid = Number.isSafeInteger(p.pid) ? p.pid : 0;
  const windowMs = number(lag.windowMs);
  const began = -((number(rule.windowMs) ?? 0) + (number(rule.forMs) ?? 0));
  return {
    name, triggered, host, pid,
    // The same for whoever ships it, and no other incident's.
    id: createHash('sha256').update([name, triggered, host, pid].join('\0')).digest('hex').slice(0, 32),
    finished: Number.isFinite(Date.parse(m.finished)) ? new Date(m.finished).toISOString() : null,
    headline: text(m.headline) || 'an incident',
    thread: { id: Number.isSafeInteger(thread.id) ? thread.id : null, name: text(thread.name, 200) },
    rule: { name: text(rule.name, 100), unit: text(rule.unit, 20) || null, value: round(number(rule.value), 3),
            limit: round(number(rule.limit), 3), windowMs: number(rule.windowMs), forMs: number(rule.forMs) },
    cause: { class: text(cause.class, 50) || 'unknown', text: text(cause.text) },
    p99Ms: round(number(lag.p99Ms)), windowMs: round(windowMs),
    before: figures(object(m.timeline), -Infinity, began < 0 ? began : -1),
    during: lag.p99Ms === undefined ? null
      : { spanMs: round(windowMs), p99Ms: round(number(lag.p99Ms)), maxMs: round(number(lag.maxMs)),
          busyShare: windowMs > 0 && number(lag.busyMs) !== null ? round(lag.busyMs / windowMs, 3) : null,
          gcShare: windowMs > 0 && number(object(m.gc).pausesInWindowMs) !== null ? round(m.gc.pausesInWindowMs / windowMs, 3) : null },
    suppressed: Number.isSafeInteger(m.suppressedBefore) ? m.suppressedBefore : 0,
    files: files(dir, name, m.files),
  };
}

function dateOf(name) {
  const [, y, mo, d, h, mi, s] = /^incident-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(name);
  return new Date(Date.UTC(y, mo - 1, d, h, mi, s)).toISOString();
}

// What is listed, the report even if it is not, and the manifest itself, last:
// with it the incident in the store is whole.
function files(dir, name, listed) {
  const out = (Array.isArray(listed) ? listed : []).filter((f) => typeof f?.name === 'string' && kFile.test(f.name) && f.name !== kManifest && f.name !== kMarker)
    .slice(0, 100).map((f) => ({ name: f.name, bytes: number(f.bytes), sha256: /^[0-9a-f]{64}$/.test(f.sha256) ? f.sha256 : null }));
  const report = 'report.html';
  if (!out.some((f) => f.name === report) && fs.existsSync(path.join(dir, name, report))) {
    out.push({ name: report, bytes: null, sha256: null });
  }
  return [...out, { name: kManifest, bytes: null, sha256: null }];
}

module.exports = { list, facts, figures, kManifest, kMarker, kName };
