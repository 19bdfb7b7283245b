// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Call trees as the page gets them: the nodes that take time, parents first, as
// columns of small numbers. What is more than the page can hold is left out,
// the least first, and its time kept with the node above it.

const kMaxNodes = 50_000;

function totals({ order, parent, self }) {
  const total = Float64Array.from(self);
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i];
    if (parent[node] !== -1) total[parent[node]] += total[node];
  }
  return total;
}

// Returns { tree, leftOut, leftOutMs }. `tree` has the columns parent (-1: none),
// fn, self and, where something was left out, hidden (us).
function condense(cpu, isRoot, most = kMaxNodes) {
  const { order, parent, fn, self } = cpu.tree;
  const total = totals(cpu.tree);
  const place = new Map(order.map((node, i) => [node, i]));
  // A parent has at least the time of its child, and comes before it.
  const timed = order.filter((node) => total[node] > 0 && !isRoot(fn[node]));
  const kept = timed.length <= most ? timed
    : [...timed].sort((a, b) => total[b] - total[a] || place.get(a) - place.get(b))
      .slice(0, most).sort((a, b) => place.get(a) - place.get(b));
  const at = new Map(kept.map((node, i) => [node, i]));
  const out = { parent: [], fn: [], self: [] };
  for (const node of kept) {
    const above = parent[node] === -1 ? undefined : at.get(parent[node]);
    out.parent.push(above ?? -1);
    out.fn.push(fn[node]);
    out.self.push(Math.round(self[node]));
  }
  let leftOutUs = 0;
  if (kept.length < timed.length) {
    out.hidden = kept.map(() => 0);
    for (const node of timed) {
      if (at.has(node)) continue;
      leftOutUs += self[node];
      let above = parent[node];
      while (above !== -1 && !at.has(above)) above = parent[above];
      if (above !== -1) out.hidden[at.get(above)] += Math.round(self[node]);
    }
  }
  return { tree: out, leftOut: timed.length - kept.length, leftOutMs: Math.round(leftOutUs / 1000) };
}

// The functions of several trees as one table, renumbered in all of them.
function share(trees, functions) {
  const used = new Map();
  for (const tree of trees) {
    tree.fn = tree.fn.map((fn) => {
      if (!used.has(fn)) used.set(fn, used.size);
      return used.get(fn);
    });
  }
  return functions.pack(used.keys());
}

module.exports = { condense, share };
