// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// A sampling .heapprofile as the functions that allocated most.

const { Unreadable, array, isObject, number, object } = require('./read');

const kRows = 30;
const kMaxNodes = 1_000_000;
const kMaxDepth = 1_000;  // Callers beyond that are not credited.

function readAllocations(profile, functions) {
  const { head } = object(profile);
  if (!isObject(head)) throw new Unreadable('it is no allocation profile');
  const by = new Map();
  let total = 0;
  const stack = [{ node: head, on: null }];
  for (let i = 0; stack.length > 0 && i < kMaxNodes; i++) {
    const { node, on } = stack.pop();
    const fn = functions.ofFrame(node.callFrame);
    const self = Math.max(0, number(node.selfSize) ?? 0);
    total += self;
    let it = by.get(fn);
    if (!it) by.set(fn, it = { fn, self: 0, total: 0 });
    it.self += self;
    // One that calls itself counts once.
    const path = { fn, on };
    const seen = new Set();
    for (let at = path, depth = 0; self > 0 && at !== null && depth < kMaxDepth; at = at.on, depth++) {
      if (seen.has(at.fn)) continue;
      seen.add(at.fn);
      by.get(at.fn).total += self;
    }
    for (const child of array(node.children)) if (isObject(child)) stack.push({ node: child, on: path });
  }
  if (total === 0) throw new Unreadable('it has no samples');
  const rows = [...by.values()].filter((it) => it.self > 0)
    .sort((a, b) => b.self - a.self).slice(0, kRows);
  return {
    bytes: total,
    rows: rows.map(({ fn, self, total: all }) => ({
      ...functions.describe(fn), kind: functions.kind[fn], self, total: all,
    })),
  };
}

module.exports = { readAllocations };
