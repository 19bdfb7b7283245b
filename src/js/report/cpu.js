// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// A .cpuprofile as a call tree with times, the busy periods its samples show,
// and whom the time is owed to.

const { Unreadable, array, number, object } = require('./read');
const { KIND } = require('./functions');

const IDLE = '(idle)';
const kMostUs = 3600e6;  // No profile of ours is as long as an hour.

// The tree in an order in which parents come first.
function readTree(nodes, functions) {
  const at = new Map();
  nodes.forEach((node, i) => at.set(object(node).id, i));
  const parent = new Int32Array(nodes.length).fill(-1);
  nodes.forEach((node, i) => {
    for (const id of array(object(node).children)) {
      const child = at.get(id);
      // Its first parent wins, and nothing is its own.
      if (child !== undefined && child !== i && parent[child] === -1) parent[child] = i;
    }
  });
  const children = nodes.map(() => []);
  const stack = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (parent[i] === -1) stack.push(i);
    else children[parent[i]].push(i);  // Backwards, as the stack wants them.
  }
  // What only a circle of parents leads to is never reached.
  const order = [];
  while (stack.length > 0) {
    const i = stack.pop();
    order.push(i);
    for (const child of children[i]) stack.push(child);
  }
  const fn = nodes.map((node) => functions.ofFrame(object(node).callFrame));
  return { at, parent, order, fn };
}

// The time of each sample lasts until the next one.
function* moments(profile, at) {
  const samples = array(profile.samples);
  const deltas = array(profile.timeDeltas);
  const end = number(profile.endTime) ?? Infinity;
  let us = number(profile.startTime) ?? 0;
  us += Math.max(0, number(deltas[0]) ?? 0);
  for (let i = 0; i < samples.length; i++) {
    const delta = i + 1 < samples.length ? number(deltas[i + 1]) ?? 0 : Number.isFinite(end) ? end - us : 0;
    const next = us + Math.max(0, delta);
    const node = at.get(samples[i]);
    if (node !== undefined) yield { node, from: us, to: next };
    us = next;
  }
}

// Returns { startUs, endUs, busyUs, idleUs, gcUs, intervalUs, tree, periods, gcAt }:
// `tree` has parent, fn, self (us) and lines (ticks by line) by node; `periods`
// are pairs of begin and end, in us, of what was busy without an idle sample.
function readCpu(profile, functions) {
  const { nodes, samples } = object(profile);
  if (!Array.isArray(nodes) || !Array.isArray(samples)) throw new Unreadable('it is no CPU profile');
  if (samples.length === 0 || nodes.length === 0) throw new Unreadable('it has no samples');
  const tree = readTree(nodes, functions);
  tree.self = new Float64Array(nodes.length);
  tree.lines = nodes.map((node) => array(object(node).positionTicks));
  const out = {
    startUs: number(profile.startTime) ?? 0, endUs: 0, busyUs: 0, idleUs: 0, gcUs: 0,
    samples: samples.length, periods: [], gc: [], tree,
  };
  const idle = tree.fn.map((fn) => functions.name[fn] === IDLE || functions.name[fn] === '(root)');
  const isGc = tree.fn.map((fn) => functions.kind[fn] === KIND.gc);
  const extend = (list, from, to) => {
    if (list.length > 0 && list[list.length - 1] === from) list[list.length - 1] = to;
    else list.push(from, to);
  };
  for (const { node, from, to } of moments(profile, tree.at)) {
    out.endUs = to;
    if (idle[node]) {
      out.idleUs += to - from;
      continue;
    }
    tree.self[node] += to - from;
    out.busyUs += to - from;
    extend(out.periods, from, to);
    if (isGc[node]) {
      out.gcUs += to - from;
      extend(out.gc, from, to);
    }
  }
  if (out.endUs <= out.startUs) throw new Unreadable('its samples have no time');
  if (out.endUs - out.startUs > kMostUs || Math.abs(out.startUs) > Number.MAX_SAFE_INTEGER) {
    throw new Unreadable('its times cannot be true');
  }
  return out;
}

// How much of [from, to) is in these pairs of begin and end, which are sorted.
function overlap(pairs, from, to) {
  let sum = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    sum += Math.max(0, Math.min(pairs[i + 1], to) - Math.max(pairs[i], from));
  }
  return sum;
}

// What arrives in [from, to) waits for the end of its busy period: the wait that
// one in a hundred of it exceeds, in us.
function waits(periods, from, to) {
  let max = 0;
  for (let i = 0; i < periods.length; i += 2) {
    if (periods[i] < to && periods[i + 1] > from) max = Math.max(max, periods[i + 1] - Math.max(periods[i], from));
  }
  const exceed = (x) => {
    let sum = 0;
    for (let i = 0; i < periods.length; i += 2) {
      sum += Math.max(0, Math.min(to, periods[i + 1] - x) - Math.max(from, periods[i]));
    }
    return sum;
  };
  let low = 0, high = max;
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2;
    if (exceed(middle) > 0.01 * (to - from)) low = middle;
    else high = middle;
  }
  return high;
}

const round = (v, digits = 3) => Number(v.toFixed(digits));

// Slices of a profile for the time line, in ms relative to `zeroUs`: where each
// begins, the shares of it that were busy and in GC, and the lag. A slice at the
// end that is shorter than half of one is left out.
function slices(cpu, zeroUs, stepUs) {
  const out = { stepMs: stepUs / 1000, atMs: [], busy: [], gc: [], p99Ms: [] };
  const pairs = { busy: window(cpu.periods), gc: window(cpu.gc) };
  for (let from = cpu.startUs; from < cpu.endUs && out.atMs.length < 600; from += stepUs) {
    const to = Math.min(from + stepUs, cpu.endUs);
    if (to - from < stepUs / 2 && out.atMs.length > 0) break;
    const busy = pairs.busy(from, to);
    out.atMs.push(round((from - zeroUs) / 1000, 1));
    out.busy.push(round(overlap(busy, from, to) / (to - from)));
    out.gc.push(round(overlap(pairs.gc(from, to), from, to) / (to - from)));
    out.p99Ms.push(round(waits(busy, from, to) / 1000));
  }
  return out;
}

// The pairs that reach into [from, to); asked with growing edges, so that each
// pair is looked at a few times only.
function window(pairs) {
  let first = 0;
  return (from, to) => {
    while (first < pairs.length && pairs[first + 1] <= from) first += 2;
    let last = first;
    while (last < pairs.length && pairs[last] < to) last += 2;
    return pairs.slice(first, last);
  };
}

// The longest busy periods, in the order of time: columns of begin, relative to
// `zeroUs`, and length, in ms.
function blocks({ periods }, zeroUs, most = 400) {
  const all = [];
  for (let i = 0; i < periods.length; i += 2) all.push([periods[i], periods[i + 1] - periods[i]]);
  const kept = all.sort((a, b) => b[1] - a[1]).slice(0, most).sort((a, b) => a[0] - b[0]);
  return { atMs: kept.map(([us]) => round((us - zeroUs) / 1000, 2)), lengthMs: kept.map(([, us]) => round(us / 1000, 2)) };
}

module.exports = { blocks, readCpu, slices, waits };
