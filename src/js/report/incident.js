// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// incident.json and stalls.json as docs/incidents.md describes them, with each
// member either of its type or null.

const { array, boolean, clip, isObject, name, number, numbers, object, text } = require('./read');
const { cleanUrl } = require('./functions');

const CLASSES = ['js', 'native', 'gc', 'syscall', 'threadpool', 'starved', 'throttled', 'suspended'];
const kMaxSlices = 1_200;
const kMaxStalls = 60;
const kMaxLooks = 12;
const kMaxFrames = 200;
const kDayMs = 86_400_000;

const texts = (v) => array(v).filter((s) => typeof s === 'string').slice(0, 20).map((s) => clip(s, 200));

function cause(v) {
  const c = object(v);
  const figures = numbers(c.figures);
  const syscall = text(object(c.figures).syscall, 100);
  if (syscall !== null) figures.syscall = syscall;
  return {
    class: CLASSES.includes(c.class) ? c.class : 'unknown',
    text: text(c.text), possible: texts(c.possible), missing: texts(c.missing), figures,
  };
}

// Numbers of an object of objects: pool and gc by kind.
function byKind(v) {
  const out = {};
  for (const [kind, figures] of Object.entries(object(v)).slice(0, 20)) out[clip(kind, 60)] = numbers(figures);
  return out;
}

// Columns of the same length, or null.
function timeline(v) {
  if (!isObject(v) || !Array.isArray(v.atMs) || v.atMs.length === 0) return null;
  const at = v.atMs;
  const skip = Math.max(0, at.length - kMaxSlices);
  const out = {};
  for (const key of ['atMs', 'spanMs', 'p99Ms', 'maxMs', 'busyMs', 'gcMs', 'poolWaitMs']) {
    const column = array(v[key]);
    out[key] = column.length === at.length ? column.slice(skip).map(number) : null;
  }
  // Time only goes on.
  const grows = out.atMs.every((ms, i) => ms !== null && Math.abs(ms) < kDayMs && (i === 0 || ms > out.atMs[i - 1]));
  return grows && out.spanMs !== null && out.spanMs.every((ms) => ms > 0 && ms < kDayMs) ? out : null;
}

function readIncident(raw) {
  const m = object(raw);
  const process = object(m.process);
  const thread = object(m.thread);
  const rule = object(m.rule);
  const gc = object(m.gc);
  const pool = object(m.pool);
  return {
    schema: number(m.schema),
    triggered: time(m.triggered), finished: time(m.finished),
    headline: text(m.headline),
    process: { pid: number(process.pid), host: text(process.host, 256), vigil: text(process.vigil, 50) },
    thread: { id: number(thread.id), name: text(thread.name, 200) ?? 'a thread' },
    rule: {
      name: text(rule.name, 100), onDemand: boolean(rule.onDemand) ?? false,
      unit: rule.unit === 'ms' || rule.unit === '%' ? rule.unit : null,
      value: number(rule.value), limit: number(rule.limit),
      windowMs: number(rule.windowMs), forMs: number(rule.forMs),
    },
    cause: cause(m.cause),
    lag: numbers(m.lag),
    gc: { pausesInWindowMs: number(gc.pausesInWindowMs), sinceStart: byKind(gc.sinceStart) },
    pool: { queued: number(pool.queued), running: number(pool.running), sinceStart: byKind(pool.sinceStart) },
    timeline: timeline(m.timeline),
    suppressedBefore: number(m.suppressedBefore),
    captureMs: number(m.captureMs),
    notes: {
      cpu: text(m.noCpuProfile), heap: text(m.noHeapSnapshot), alloc: text(m.noAllocProfile),
      before: text(m.noProfileBefore), stalls: text(m.noStalls),
    },
    files: array(m.files).slice(0, 100).map(object)
      .filter((f) => typeof f.name === 'string')
      .map((f) => ({ name: clip(f.name, 255), bytes: number(f.bytes), sha256: text(f.sha256, 64) })),
  };
}

function time(v) {
  return typeof v === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(v) && !Number.isNaN(Date.parse(v)) ? v : null;
}

function frame(v) {
  const f = object(v);
  return {
    name: name(f.function), url: cleanUrl(f.url), line: number(f.line) ?? 0,
    module: text(f.module, 1_000),
  };
}

// The longest first. `atMs` is relative to the trigger, null where that is not known.
function readStalls(raw, triggered) {
  const s = object(raw);
  const zero = triggered === null ? null : Date.parse(triggered);
  const all = array(s.stalls).filter(isObject).map((stall) => ({
    began: time(stall.began), lastedMs: number(stall.lastedMs) ?? 0,
    atMs: zero === null || time(stall.began) === null ? null : Date.parse(stall.began) - zero,
    ended: boolean(stall.ended), ownWork: boolean(stall.ownWork) ?? false,
    cause: cause(stall.cause),
    looks: array(stall.looks).filter(isObject).slice(0, kMaxLooks).map((look) => ({
      afterMs: number(look.afterMs), state: text(look.state, 20), gc: boolean(look.gc) ?? false,
      syscall: text(look.syscall, 100), syscallNumber: number(look.syscallNumber), wchan: text(look.wchan, 100),
      noStack: text(look.noStack),
      stack: array(look.stack).slice(0, kMaxFrames).map(frame),
    })),
  }));
  all.sort((a, b) => b.lastedMs - a.lastedMs);
  return { sinceStart: number(s.stallsSinceStart), recorded: all.length, list: all.slice(0, kMaxStalls) };
}

module.exports = { readIncident, readStalls };
