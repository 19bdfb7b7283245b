// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What is wrong inside a file. The loaders need this: both DevTools and
// speedscope silently drop what they can't place, and neither ends on a cycle.

// Adds what is not a tree below `root`. `children` maps an id to those of its
// node. Says whether there is a cycle: a walk down or up may never end.
function treeFaults(faults, ids, root, children) {
  const parents = new Map([...ids].map((id) => [id, []]));
  for (const id of ids) {
    for (const child of children(id)) {
      if (ids.has(child)) parents.get(child).push(id);
      else faults.push(`node ${id} has a child ${child}, which is not there`);
    }
  }
  for (const [id, its] of parents) {
    if (its.length !== (id === root ? 0 : 1)) faults.push(`node ${id} has the parents [${its}]`);
  }
  // Taking away who has no parent left, again and again, leaves the cycles.
  const left = new Map([...parents].map(([id, its]) => [id, its.length]));
  const gone = [...ids].filter((id) => left.get(id) === 0);
  for (const id of gone) {
    for (const child of children(id)) {
      if (!ids.has(child)) continue;
      left.set(child, left.get(child) - 1);
      if (left.get(child) === 0) gone.push(child);
    }
  }
  if (gone.length < ids.size) faults.push(`${ids.size - gone.length} nodes are in a cycle or below one`);
  return gone.length < ids.size;
}

export function cpuFaults({ nodes, samples, timeDeltas, startTime, endTime }) {
  const faults = [];
  if (!Array.isArray(nodes) || nodes.length === 0) return { faults: ['no nodes'], endless: true };
  const byId = new Map(nodes.map((node) => [node.id, node]));
  if (byId.size !== nodes.length) faults.push(`${nodes.length - byId.size} nodes share an id`);
  const endless = treeFaults(faults, new Set(byId.keys()), nodes[0].id,
                             (id) => byId.get(id).children ?? []);
  const lost = (samples ?? []).filter((id) => !byId.has(id));
  if (lost.length > 0) faults.push(`${lost.length} samples are of node ${lost[0]}, which is not there`);
  if (samples?.length !== timeDeltas?.length) {
    faults.push(`${samples?.length} samples have ${timeDeltas?.length} time deltas`);
  }
  const odd = (timeDeltas ?? []).filter((delta) => !Number.isFinite(delta));
  if (odd.length > 0) faults.push(`${odd.length} time deltas are like ${odd[0]}`);
  if (!(endTime >= startTime)) faults.push(`it ends at ${endTime} and begins at ${startTime}`);
  return { faults, endless };
}

export function samplingFaults({ head, samples }) {
  const faults = [];
  const ids = new Set();
  const walk = [head];
  for (const node of walk) {
    if (ids.has(node.id)) faults.push(`two nodes have the id ${node.id}`);
    ids.add(node.id);
    if (!(node.selfSize >= 0)) faults.push(`node ${node.id} has a size of ${node.selfSize}`);
    if (Array.isArray(node.children)) walk.push(...node.children);
    else faults.push(`node ${node.id} has no children array`);
  }
  const lost = (samples ?? []).filter(({ nodeId }) => !ids.has(nodeId));
  if (lost.length > 0) {
    faults.push(`${lost.length} samples are of node ${lost[0].nodeId}, which is not there`);
  }
  return { faults, nodes: ids.size };
}

export function snapshotFaults({ snapshot, nodes, edges, strings }) {
  const faults = [];
  const { meta } = snapshot;
  const perNode = meta.node_fields.length;
  const perEdge = meta.edge_fields.length;
  for (const [what, values, count] of [['nodes', nodes, snapshot.node_count * perNode],
                                       ['edges', edges, snapshot.edge_count * perEdge]]) {
    if (values.length !== count) faults.push(`${what} has ${values.length} numbers, not ${count}`);
  }
  const name = meta.node_fields.indexOf('name');
  const edgeCount = meta.node_fields.indexOf('edge_count');
  let owned = 0, nameless = 0, nowhere = 0;
  for (let i = 0; i < nodes.length; i += perNode) {
    owned += nodes[i + edgeCount];
    if (typeof strings[nodes[i + name]] !== 'string') nameless++;
  }
  for (let i = meta.edge_fields.indexOf('to_node'); i < edges.length; i += perEdge) {
    if (edges[i] % perNode !== 0 || edges[i] >= nodes.length) nowhere++;
  }
  if (owned * perEdge !== edges.length) {
    faults.push(`the nodes own ${owned} edges of ${edges.length / perEdge}`);
  }
  if (nameless > 0) faults.push(`${nameless} nodes have no name`);
  if (nowhere > 0) faults.push(`${nowhere} edges lead nowhere`);
  return { faults };
}
