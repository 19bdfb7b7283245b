// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Whether a heap snapshot is complete, and holds what was planted.

import { readFileSync } from 'node:fs';
import { RING } from './fork-works.mjs';

// Throws what is wrong. `name`: the property of the global object that holds the
// first of a ring of objects.
export function checkFile(file, name) {
  const { snapshot, nodes, edges, strings } = JSON.parse(readFileSync(file, 'utf8'));
  const { node_fields: nodeFields, edge_fields: edgeFields, edge_types: [edgeTypes] } = snapshot.meta;
  const perNode = nodeFields.length;
  const perEdge = edgeFields.length;
  const at = (field) => nodeFields.indexOf(field);
  const nameOf = (n) => strings[nodes[n + at('name')]];
  const fail = (what) => { throw new Error(`${file}: ${what}`); };
  if (nodes.length !== snapshot.node_count * perNode) fail('nodes are missing');
  if (edges.length !== snapshot.edge_count * perEdge) fail('edges are missing');

  const firstEdge = new Map();  // By the node's index.
  const nameId = strings.indexOf(name);
  if (nameId < 0) fail(`there is no string ${name}`);
  const property = edgeTypes.indexOf('property');
  let first;
  let edge = 0;
  for (let n = 0; n < nodes.length; n += perNode) {
    firstEdge.set(n, edge);
    const end = edge + nodes[n + at('edge_count')] * perEdge;
    if (nameOf(n) === undefined) fail(`node ${n} has no name`);
    for (; edge < end; edge += perEdge) {
      if (edges[edge + 2] % perNode !== 0 || edges[edge + 2] >= nodes.length) fail(`edge ${edge} leads nowhere`);
      if (edges[edge] === property && edges[edge + 1] === nameId && nameOf(edges[edge + 2]) === 'Planted') first = edges[edge + 2];
    }
  }
  if (edge !== edges.length) fail('edges are left over');
  if (first === undefined) fail(`nothing holds ${name}`);

  const follow = (n, by) => {
    const begin = firstEdge.get(n);
    for (let e = begin; e < begin + nodes[n + at('edge_count')] * perEdge; e += perEdge) {
      if (edges[e] === property && strings[edges[e + 1]] === by) return edges[e + 2];
    }
    return fail(`object ${n} has no ${by}`);
  };
  let one = first;
  for (let i = 0; i < RING; i++) {
    if (nameOf(one) !== 'Planted') fail(`object ${i} is a ${nameOf(one)}`);
    const label = nameOf(follow(one, 'label'));
    if (label !== `${name}-${i}`) fail(`object ${i} is ${label}`);
    if (nodes[one + at('self_size')] < 16) fail(`object ${i} has no size`);
    one = follow(one, 'next');
  }
  if (one !== first) fail('the ring is open');
  return { nodes: snapshot.node_count };
}
