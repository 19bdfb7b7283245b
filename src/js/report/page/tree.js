// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// One or two call trees as one that can be drawn: the same path is one node, and
// native frames may be folded into the function that called them.

export const KIND = { app: 0, module: 1, node: 2, native: 3, gc: 4, program: 5, all: 6 };

// Returns columns by node, parents before children, node 0 being all of it:
// parent, fn (-1: all; functions.name.length: native code alone), depth, self and
// total (one array for each source, us), x (where it begins, us of source 0), and
// children, the widest first.
export function build(functions, sources, foldNative) {
  const own = functions.name.length;
  const parent = [-1], fn = [-1], depth = [0];
  const self = sources.map(() => [0]);
  const total = sources.map(() => [0]);
  const seen = new Map();
  const child = (above, f) => {
    const key = above * (own + 2) + f;
    let node = seen.get(key);
    if (node === undefined) {
      node = parent.length;
      seen.set(key, node);
      parent.push(above);
      fn.push(f);
      depth.push(depth[above] + 1);
      for (const list of [...self, ...total]) list.push(0);
    }
    return node;
  };
  sources.forEach((tree, s) => {
    const at = new Int32Array(tree.fn.length);
    for (let i = 0; i < tree.fn.length; i++) {
      const above = tree.parent[i] === -1 ? 0 : at[tree.parent[i]];
      const fold = foldNative && functions.kind[tree.fn[i]] === KIND.native;
      at[i] = fold ? above : child(above, tree.fn[i]);
      const hidden = tree.hidden?.[i] ?? 0;
      // Native code that no JavaScript called.
      const to = fold && above === 0 && tree.self[i] + hidden > 0 ? child(0, own) : at[i];
      self[s][to] += tree.self[i];
      total[s][to] += tree.self[i] + hidden;
    }
    for (let i = parent.length - 1; i > 0; i--) total[s][parent[i]] += total[s][i];
  });
  return layout({ parent, fn, depth, self, total });
}

function layout(tree) {
  const { parent, total: [wide] } = tree;
  const children = parent.map(() => null);
  for (let i = 1; i < parent.length; i++) (children[parent[i]] ??= []).push(i);
  for (const list of children) list?.sort((a, b) => wide[b] - wide[a]);
  const x = new Float64Array(parent.length);
  let deepest = 0;
  // Parents come first, so their place is known.
  for (let i = 0; i < parent.length; i++) {
    deepest = Math.max(deepest, wide[i] > 0 ? tree.depth[i] : 0);
    let at = x[i];
    for (const c of children[i] ?? []) {
      x[c] = at;
      at += wide[c];
    }
  }
  return { ...tree, x, children, deepest };
}

// Time by function: self, and total in which a function that calls itself counts once.
export function byFunction(tree, source, functions) {
  const self = new Float64Array(functions + 1);
  const total = new Float64Array(functions + 1);
  const on = new Uint32Array(functions + 1);
  const stack = [0];
  // Each node comes twice: as it is, and as ~node when it is left.
  while (stack.length > 0) {
    const node = stack.pop();
    const f = tree.fn[node < 0 ? ~node : node];
    if (node < 0) {
      on[f]--;
      continue;
    }
    if (f >= 0) {
      self[f] += tree.self[source][node];
      if (on[f]++ === 0) total[f] += tree.total[source][node];
      stack.push(~node);
    }
    for (const c of tree.children[node] ?? []) stack.push(c);
  }
  return { self, total };
}

// What to look for: a regular expression, or the very text where it is none.
export function matcher(text) {
  if (text === '') return null;
  try {
    return new RegExp(text, 'i');
  } catch {
    return new RegExp(text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'i');
  }
}

// Of the time, what is in a function that matches or below one.
export function matched(tree, source, hit) {
  let sum = 0;
  const stack = [0];
  while (stack.length > 0) {
    const node = stack.pop();
    if (tree.fn[node] >= 0 && hit[tree.fn[node]]) sum += tree.total[source][node];
    else for (const c of tree.children[node] ?? []) stack.push(c);
  }
  return sum;
}
