// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Incidents of things that are known, for the report: one as the binary would
// write it, and pieces that are large, broken or hostile.

import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';

export const EPOCH = 1_790_000_000;

export const manifest = (more = {}) => ({
  schema: 1, triggered: new Date(EPOCH * 1000).toISOString(), finished: new Date(EPOCH * 1000 + 10_500).toISOString(),
  headline: 'event loop lag p99 is 257 ms over the last 10.0 s (limit 50 ms, main thread)',
  process: { pid: 314, ppid: 1, host: 'web-7', vigil: '1' }, thread: { id: 0, name: 'main thread' },
  rule: { name: 'lag-p99', onDemand: false, unit: 'ms', value: 257, limit: 50, windowMs: 10_000, forMs: 10_000 },
  cause: { class: 'js', text: 'JavaScript ran in 86 % of 44 samples', missing: [], figures: { spanMs: 10_000, busyMs: 4000, cpuMs: 3900, gcMs: 100 } },
  lag: { windowMs: 10_000, p50Ms: 0, p90Ms: 160, p99Ms: 257, p999Ms: 334, meanMs: 41, maxMs: 344, busyMs: 4000, periods: 100, polls: 100, events: 90 },
  gc: { pausesInWindowMs: 100, sinceStart: {} }, pool: { queued: 0, running: 0, sinceStart: {} },
  suppressedBefore: 0, captureMs: 12,
  noCpuProfile: null, noHeapSnapshot: null, noAllocProfile: null, noProfileBefore: null, noStalls: null,
  files: [], ...more,
});

// Writes pieces, by name: objects as JSON, strings as they are.
export function incident(dir, pieces) {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const [name, content] of Object.entries(pieces)) {
    writeFileSync(path.join(dir, name), typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });
  }
  return dir;
}

export const frame = (functionName, url = '', lineNumber = -1, columnNumber = url ? 0 : -1) =>
  ({ functionName, url, scriptId: '0', lineNumber, columnNumber });

// A profile of stacks: [ms, frame, frame...] with the leaf last, one after the
// other. An empty stack is idle.
export function profile(stacks, startTime = 1_000_000) {
  const nodes = [{ id: 1, callFrame: frame('(root)'), hitCount: 0, children: [] }];
  const byKey = new Map();
  const child = (parent, callFrame) => {
    const key = `${parent.id} ${JSON.stringify(callFrame)}`;
    let node = byKey.get(key);
    if (!node) {
      nodes.push(node = { id: nodes.length + 1, callFrame, hitCount: 0, children: [] });
      parent.children.push(node.id);
      byKey.set(key, node);
    }
    return node;
  };
  const samples = [], timeDeltas = [];
  let us = startTime, last = startTime;
  for (const [ms, ...frames] of stacks) {
    const node = (frames.length > 0 ? frames : [frame('(idle)')]).reduce(child, nodes[0]);
    for (let t = 0; t < ms; t++, us += 1000) {
      samples.push(node.id);
      timeDeltas.push(us - last);
      last = us;
      node.hitCount++;
    }
  }
  return { nodes, startTime, endTime: us, samples, timeDeltas };
}

// One of so many nodes, wide and deep, whose times are known to add up.
export function largeProfile(count) {
  const nodes = [{ id: 1, callFrame: frame('(root)'), hitCount: 0, children: [] }];
  for (let i = 1; i < count; i++) {
    const parent = nodes[Math.floor((i - 1) / 3)];
    nodes.push({ id: i + 1, callFrame: frame(`fn${i % 5000}`, `file:///app/part${i % 40}.js`, i % 5000), hitCount: 1, children: [] });
    parent.children.push(i + 1);
  }
  const samples = nodes.slice(1).map(({ id }) => id);
  return { nodes, startTime: 0, endTime: samples.length * 1000, samples, timeDeltas: samples.map((_, i) => (i === 0 ? 0 : 1000)) };
}

// Streams a snapshot: a root that holds `lists` arrays of `length` objects of the
// class Thing, each of which holds a string alone.
export function largeSnapshot(file, lists, length) {
  const meta = {
    node_fields: ['type', 'name', 'id', 'self_size', 'edge_count', 'detachedness'],
    node_types: [['hidden', 'array', 'string', 'object', 'code', 'closure', 'regexp', 'number', 'native', 'synthetic'],
                 'string', 'number', 'number', 'number', 'number'],
    edge_fields: ['type', 'name_or_index', 'to_node'],
    edge_types: [['context', 'element', 'property', 'internal', 'hidden', 'shortcut', 'weak'], 'string_or_number', 'node'],
  };
  const nodes = 1 + lists * (1 + 2 * length);
  const edges = lists * (1 + 2 * length);
  const fd = openSync(file, 'w', 0o600);
  let text = `{"snapshot":${JSON.stringify({ meta, node_count: nodes, edge_count: edges, trace_function_count: 0 })},\n"nodes":[`;
  const put = (s) => {
    text += s;
    if (text.length > 1 << 20) {
      writeSync(fd, text);
      text = '';
    }
  };
  put(`9,0,1,0,${lists},0`);
  let id = 3;
  for (let i = 0; i < lists; i++) {
    put(`\n,3,1,${id += 2},16,${length},0`);
    for (let k = 0; k < length; k++) put(`\n,3,2,${id += 2},40,1,0\n,2,3,${id += 2},24,0,0`);
  }
  put('],\n"edges":[');
  const size = 1 + 2 * length;
  let first = true;
  const edge = (type, name, node) => {
    put(`${first ? '' : '\n,'}${type},${name},${node * 6}`);
    first = false;
  };
  for (let i = 0; i < lists; i++) edge(1, i, 1 + i * size);
  for (let i = 0; i < lists; i++) {
    const list = 1 + i * size;
    for (let k = 0; k < length; k++) edge(1, k, list + 1 + 2 * k);
    for (let k = 0; k < length; k++) edge(2, 4, list + 2 + 2 * k);
  }
  put('],\n"trace_function_infos":[],"trace_tree":[],"samples":[],"locations":[],\n"strings":["(root)","Array","Thing \\"\\u00e4\\\\","text","value"]}');
  writeSync(fd, text);
  closeSync(fd);
  return { nodes, edges };
}
