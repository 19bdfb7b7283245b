// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Who keeps whom alive: dominators of a heap graph by the semi-NCA algorithm
// (Georgiadis, "Linear-Time Algorithms for Dominators and Related Problems",
// 2005), in typed arrays and without recursion.
//
// A graph has `nodes`, `first` (Uint32Array of nodes + 1: where the edges of a
// node begin) and `to` (Uint32Array: where they lead). Node 0 is the root.

const NONE = 0xffffffff;

// Numbers what the root reaches, depth first. `node` by number, `number` by
// node (NONE: not reached), `above` is the number of the tree's parent.
function depthFirst({ nodes, first, to }) {
  const node = new Uint32Array(nodes);
  const number = new Uint32Array(nodes).fill(NONE);
  const above = new Uint32Array(nodes);
  const next = first.slice(0, nodes);
  let reached = 1;
  number[0] = 0;
  // The stack is the chain of parents itself.
  for (let at = 0; ;) {
    const n = node[at];
    let child = NONE;
    while (next[n] < first[n + 1]) {
      const target = to[next[n]++];
      if (number[target] === NONE) {
        child = target;
        break;
      }
    }
    if (child !== NONE) {
      node[reached] = child;
      number[child] = reached;
      above[reached] = at;
      at = reached++;
    } else if (at === 0) {
      return { node, number, above, reached };
    } else {
      at = above[at];
    }
  }
}

// Edges backwards, between numbers.
function reversed({ first, to }, { node, number, reached }) {
  const start = new Uint32Array(reached + 1);
  for (let v = 0; v < reached; v++) {
    for (let e = first[node[v]]; e < first[node[v] + 1]; e++) start[number[to[e]] + 1]++;
  }
  for (let v = 0; v < reached; v++) start[v + 1] += start[v];
  const from = new Uint32Array(start[reached]);
  const fill = start.slice(0, reached);
  for (let v = 0; v < reached; v++) {
    for (let e = first[node[v]]; e < first[node[v] + 1]; e++) from[fill[number[to[e]]]++] = v;
  }
  return { start, from };
}

// The immediate dominator of each number.
function immediate({ above, reached }, { start, from }) {
  const semi = new Uint32Array(reached);
  const label = new Uint32Array(reached);
  const ancestor = Uint32Array.from(above.subarray(0, reached));
  const path = new Uint32Array(reached);
  for (let v = 0; v < reached; v++) semi[v] = label[v] = v;
  for (let w = reached - 1; w > 0; w--) {
    for (let e = start[w]; e < start[w + 1]; e++) {
      const v = from[e];
      let best;
      if (v <= w) {
        best = v;
      } else {
        // The least semidominator on the way up to what is not linked yet, all
        // numbers above w, and the way made short for the next one.
        let length = 0;
        for (let x = v; ancestor[x] > w; x = ancestor[x]) path[length++] = x;
        while (length-- > 0) {
          const x = path[length];
          const a = ancestor[x];
          if (semi[label[a]] < semi[label[x]]) label[x] = label[a];
          ancestor[x] = ancestor[a];
        }
        best = semi[label[v]];
      }
      if (best < semi[w]) semi[w] = best;
    }
    label[w] = w;
  }
  // The nearest common ancestor of the tree's parent and the semidominator.
  const dominator = ancestor;
  dominator[0] = 0;
  for (let w = 1; w < reached; w++) {
    let x = above[w];
    while (x > semi[w]) x = dominator[x];
    dominator[w] = x;
  }
  return dominator;
}

// Returns { node, number, reached, dominator }; dominators are numbers, and
// always smaller than what they dominate.
function dominators(graph) {
  const order = depthFirst(graph);
  const dominator = immediate(order, reversed(graph, order));
  return { node: order.node, number: order.number, reached: order.reached, dominator };
}

// What the program can reach from its globals is its own: that V8 holds it as
// well does not count, as in Chrome DevTools. Drops those edges.
function withoutEngine({ nodes, first, to, globals }) {
  const own = new Uint8Array(nodes);
  const stack = new Uint32Array(nodes);
  let top = 0;
  const mark = (n) => {
    if (own[n] !== 0) return;
    own[n] = 1;
    stack[top++] = n;
  };
  globals.forEach(mark);
  while (top > 0) {
    const n = stack[--top];
    for (let e = first[n]; e < first[n + 1]; e++) mark(to[e]);
  }
  let taken = first[1];
  for (let n = 1; n < nodes; n++) {
    const begin = first[n];
    first[n] = taken;
    for (let e = begin; e < first[n + 1]; e++) {
      if (own[n] !== 0 || own[to[e]] === 0) to[taken++] = to[e];
    }
  }
  first[nodes] = taken;
}

// Goes down the tree of dominators, whose parents have smaller numbers. `visit`
// is given a number and whether a class is on the way to it, and returns its class.
function walk({ reached, dominator }, visit, classes) {
  const child = new Uint32Array(reached).fill(NONE);
  const sibling = new Uint32Array(reached).fill(NONE);
  for (let v = reached - 1; v > 0; v--) {
    sibling[v] = child[dominator[v]];
    child[dominator[v]] = v;
  }
  const depth = new Uint32Array(classes);
  const slot = new Uint32Array(reached);
  const inside = (c) => depth[c] > 0;
  for (let v = 0; ;) {
    slot[v] = visit(v, inside);
    depth[slot[v]]++;
    if (child[v] !== NONE) {
      v = child[v];
      continue;
    }
    for (;;) {
      depth[slot[v]]--;
      if (v === 0) return;
      if (sibling[v] !== NONE) break;
      v = dominator[v];
    }
    v = sibling[v];
  }
}

// What this takes at once for that many nodes and edges, in bytes, with the
// graph itself and what heap.js keeps by node.
const bytesFor = (nodes, edges) => 72 * nodes + 8 * edges;

module.exports = { NONE, bytesFor, dominators, walk, withoutEngine };
