// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The same figures of a call tree, whoever made it.

// V8's own names for what is not work.
export const IDLE = ['(root)', '(idle)'];

// `name`, `self` and `children` read a node. The root is no call. Idle time is
// not in `busy` nor in `top`: the ten functions with the most self weight, each
// with the stack, outermost first, on which it has most of that.
export function summarize(root, { name, self, children }) {
  const functions = new Map();
  const result = { calls: 0, depth: 0, busy: 0 };
  const walk = [{ node: root, stack: [] }];
  while (walk.length > 0) {
    const { node, stack } = walk.pop();
    result.depth = Math.max(result.depth, stack.length);
    for (const child of children(node)) {
      walk.push({ node: child, stack: [...stack, name(child)] });
      result.calls++;
    }
    if (node === root || IDLE.includes(name(node))) continue;
    const weight = self(node);
    result.busy += weight;
    const entry = functions.get(name(node)) ?? { self: 0, most: 0, stack: [] };
    functions.set(name(node), entry);
    entry.self += weight;
    if (weight > entry.most) Object.assign(entry, { most: weight, stack });
  }
  result.top = [...functions].map(([name, { self, stack }]) => ({ name, self, stack }))
    .sort((a, b) => b.self - a.self).slice(0, 10);
  return result;
}
