// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What an incident on disk must be, for all tests that make one.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { MINUTE, until } from './helpers.mjs';

const NAME = /^incident-\d{8}T\d{6}Z-\d+(-\d+)?$/;

// Complete incidents in a VIGIL_DIR, oldest first.
export function incidents(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir).filter((name) => name.startsWith('incident-')).sort()
    .map((name) => path.join(dir, name));
}

// Incidents in the making.
export function unfinished(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir).filter((name) => name.startsWith('.tmp-'));
}

// How many incidents the budget has refused since the last message; none by a
// state that is damaged.
export function suppressed(dir) {
  const file = path.join(dir, `.budget-${process.geteuid()}`, 'state');
  return existsSync(file) ? Number(/^suppressed (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? 0) : 0;
}

// Waits until `dir` holds `count` incidents and Vigil has spoken of the last
// one, which comes right after.
export async function waitForIncident(app, dir, count = 1, ms = 2 * MINUTE) {
  await until(() => {
    if (app.exited) throw new Error(`ended without incident ${count}; it said ${app.said()}`);
    return incidents(dir).length >= count;
  }, () => `incident ${count} in ${dir}; it said ${app.said()}`, ms);
  await until(() => app.vigil.filter(isIncident).length >= count,
              () => `line about incident ${count}; it said ${app.said()}`, MINUTE);
  return incidents(dir)[count - 1];
}

export const isIncident = (line) => /, cause: [a-z]+ \(.*incident-\d{8}T/.test(line);

const mode = (file) => (statSync(file).mode & 0o7777).toString(8);
const read = (file) => JSON.parse(readFileSync(file, 'utf8'));

// The files an incident may hold, and where it says why one is missing.
const PIECES = {
  profile: [/^cpu-\d{10}\.cpuprofile$/, 'noCpuProfile'],
  snapshot: [/^heap-\d{10}\.heapsnapshot$/, 'noHeapSnapshot'],
  alloc: [/^alloc-\d{10}\.heapprofile$/, 'noAllocProfile'],
  past: [/^before-\d{10}\.cpuprofile$/, 'noProfileBefore'],
  stalls: [/^stalls\.json$/, 'noStalls'],
};

// report.html comes after the incident, from a process of its own.
export const REPORT = 'report.html';
// What the helper has there for itself, and what it ships is not.
const IN_THE_MAKING = /^\.(report|manifest|shipped\.json)-(\d+\.tmp|tries)$|^shipped\.json$/;

export const hasReport = (dir) => read(path.join(dir, 'incident.json')).files.some(({ name }) => name === REPORT);

// Waits until the incident lists its report.
export function waitForReport(app, dir, ms = MINUTE) {
  return until(() => hasReport(dir), () => `${REPORT} in ${dir}; it said ${app.said()}`, ms);
}

// Checks all that every incident must be, with its report and before it. Returns
// its parts; those of PIECES are null where there is none.
export function checkIncident(dir) {
  assert.match(path.basename(dir), NAME);
  assert.equal(mode(dir), '700');
  const manifest = read(path.join(dir, 'incident.json'));
  assert.equal(manifest.schema, 1);
  assert.ok(Date.parse(manifest.triggered) <= Date.parse(manifest.finished));
  checkRule(manifest);
  assert.ok(manifest.lag.p50Ms <= manifest.lag.p99Ms && manifest.lag.p99Ms <= manifest.lag.maxMs);
  assert.ok(manifest.lag.busyMs <= manifest.lag.windowMs);
  checkTimeline(manifest);

  const all = manifest.files.map((file) => file.name);
  const there = readdirSync(dir).filter((name) => !IN_THE_MAKING.test(name));
  if (there.includes(REPORT) && !all.includes(REPORT)) there.splice(there.indexOf(REPORT), 1);
  assert.deepEqual(there.sort(), [...all, 'incident.json'].sort());
  const names = all.filter((name) => name !== REPORT);
  assert.equal(mode(path.join(dir, 'incident.json')), '600');
  for (const { name, bytes, sha256 } of manifest.files) {
    const content = readFileSync(path.join(dir, name));
    assert.equal(mode(path.join(dir, name)), '600', name);
    assert.equal(content.length, bytes, name);
    assert.equal(createHash('sha256').update(content).digest('hex'), sha256, name);
  }
  const parts = {};
  let known = 0;
  for (const [part, [form, why]] of Object.entries(PIECES)) {
    const found = names.filter((name) => form.test(name));
    assert.ok(found.length <= 1, `${names}`);
    known += found.length;
    parts[part] = found.length === 0 ? null : read(path.join(dir, found[0]));
    // Never both the file and a reason why not. One of them for the two that
    // every rule wants; the others may be of no use, or not be asked for.
    const reason = manifest[why];
    assert.ok(reason === null || (typeof reason === 'string' && reason !== ''), why);
    assert.ok(reason === null || found.length === 0, `${found} is there, ${why}: ${reason}`);
    if (!manifest.rule.onDemand && (part === 'profile' || part === 'snapshot')) {
      assert.equal(reason === null, found.length === 1, `${why}: ${reason}`);
    }
  }
  assert.equal(known, names.length, `${names}`);
  if (parts.profile) checkProfile(parts.profile);
  if (parts.past) checkProfile(parts.past);
  if (parts.snapshot) checkSnapshot(parts.snapshot);
  if (parts.alloc) checkAllocations(parts.alloc);
  if (parts.stalls) assert.ok(parts.stalls.stalls.length > 0);
  return { dir, manifest, names, ...parts };
}

function checkRule({ rule, lag }) {
  if (rule.onDemand) return;
  // Of a heap, at its limit is over it.
  assert.ok(rule.value > rule.limit || (rule.name === 'heap-limit' && rule.value === rule.limit), JSON.stringify(rule));
  // The figure is that of the same window.
  if (rule.name === 'lag-p99') assert.ok(Math.abs(lag.p99Ms - rule.value) < 0.001, JSON.stringify([rule, lag]));
}

// One on demand, or at the very start, may have none.
function checkTimeline({ timeline, rule, lag, triggered, finished }) {
  if (rule.name === 'lag-p99' || rule.name === 'gc-share') assert.ok(timeline, 'timeline');
  if (!timeline) return;
  const { atMs, spanMs, p99Ms, maxMs, busyMs, gcMs, poolWaitMs, ...rest } = timeline;
  const said = JSON.stringify({ timeline, lag, triggered, finished });
  assert.deepEqual(rest, {});
  const n = atMs.length;
  const last = n - 1;
  assert.ok(n > 0 && n <= 1200, said);
  const known = (ms, least, most) => typeof ms === 'number' && ms >= least && ms <= most + 0.001;
  for (const [name, column] of Object.entries(timeline)) assert.equal(column.length, n, name);
  for (let i = 0; i < n; i++) {
    assert.ok(known(spanMs[i], 0.001, 1e9) && known(atMs[i], i === 0 ? -1e9 : atMs[i - 1] + spanMs[i - 1] - 0.001, 1e9), said);
    if (p99Ms[i] === null) assert.deepEqual([maxMs[i], busyMs[i]], [null, null]);
    else assert.ok(known(busyMs[i], 0, spanMs[i]) && known(maxMs[i], 0, spanMs[i]) && known(p99Ms[i], 0, maxMs[i]), said);
    assert.ok(gcMs[i] === null || known(gcMs[i], 0, spanMs[i]), said);
    assert.ok(poolWaitMs[i] === null || known(poolWaitMs[i], 0, 1e9), said);
  }
  assert.ok(atMs[last] + spanMs[last] <= Date.parse(finished) - Date.parse(triggered) + 50, said);
  if (rule.name !== 'lag-p99') return;
  // Its last rows before the trigger are the window, which leaves out our own work.
  let i = atMs.findLastIndex((at, k) => at + spanMs[k] <= 1);
  let spans = 0, busy = 0;
  for (; i >= 0 && spans < lag.windowMs - 0.01; i--) {
    spans += spanMs[i];
    busy += busyMs[i];
  }
  assert.ok(Math.abs(spans - lag.windowMs) < 0.01 && busy >= lag.busyMs - 0.01, said);
}

// As Chrome DevTools wants it.
export function checkAllocations({ head, samples }) {
  const ids = new Set();
  const visit = (n) => {
    assert.equal(typeof n.callFrame.functionName, 'string');
    assert.ok(n.selfSize >= 0);
    ids.add(n.id);
    n.children.forEach(visit);
  };
  visit(head);
  for (const { nodeId } of samples) assert.ok(ids.has(nodeId));
}

// As Chrome DevTools wants it.
export function checkProfile(profile) {
  const ids = new Set(profile.nodes.map((n) => n.id));
  assert.equal(ids.size, profile.nodes.length);
  assert.ok(profile.samples.length > 0);
  assert.equal(profile.samples.length, profile.timeDeltas.length);
  for (const id of profile.samples) assert.ok(ids.has(id));
  for (const n of profile.nodes) {
    assert.equal(typeof n.callFrame.functionName, 'string');
    for (const id of n.children ?? []) assert.ok(ids.has(id));
  }
  assert.ok(profile.startTime < profile.endTime);
}

export function checkSnapshot({ snapshot, nodes, edges, strings }) {
  const { meta } = snapshot;
  const perNode = meta.node_fields.length;
  const perEdge = meta.edge_fields.length;
  assert.equal(nodes.length, snapshot.node_count * perNode);
  assert.equal(edges.length, snapshot.edge_count * perEdge);
  const name = meta.node_fields.indexOf('name');
  const edgeCount = meta.node_fields.indexOf('edge_count');
  const target = meta.edge_fields.indexOf('to_node');
  let sum = 0;
  for (let i = 0; i < nodes.length; i += perNode) {
    sum += nodes[i + edgeCount];
    if (typeof strings[nodes[i + name]] !== 'string') assert.fail(`node ${i} has no name`);
  }
  assert.equal(sum, snapshot.edge_count);
  for (let i = target; i < edges.length; i += perEdge) {
    if (edges[i] % perNode !== 0 || edges[i] >= nodes.length) assert.fail(`edge ${i} leads nowhere`);
  }
}

// V8's own names for time outside of the program's functions.
const IDLE = ['(idle)', '(root)'];

// Samples, busy samples, and busy samples with the function on the stack.
export function onStack(profile, functionName) {
  const parents = new Map();
  const byId = new Map(profile.nodes.map((n) => [n.id, n]));
  for (const n of profile.nodes) for (const id of n.children ?? []) parents.set(id, n.id);
  const has = new Map();
  const find = (id) => {
    if (id === undefined) return false;
    if (!has.has(id)) {
      has.set(id, byId.get(id).callFrame.functionName === functionName || find(parents.get(id)));
    }
    return has.get(id);
  };
  const busy = profile.samples.filter((id) => !IDLE.includes(byId.get(id).callFrame.functionName));
  return { all: profile.samples.length, busy: busy.length, found: busy.filter(find).length };
}

// Asserts that a function is on the stack in most of the busy samples, of
// which there are at least some.
export function checkGuilty(profile, functionName, share = 0.7, least = 50) {
  const { busy, found } = onStack(profile, functionName);
  assert.ok(busy >= least, `only ${busy} busy samples`);
  assert.ok(found >= share * busy, `${functionName} is in ${found} of ${busy} busy samples`);
}
