// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// A heap snapshot as a table of constructors: how many there are, what they
// take, and what would be free without them. The file is streamed. Retained
// sizes need the whole graph: they are left out when that would take more
// memory than `budget`; the counts never are.

const { Unreadable, array, clip, number, object, size, stream } = require('./read');
const { Scanner } = require('./heap_scan');
const { NONE, bytesFor, dominators, walk, withoutEngine } = require('./heap_dominators');

const kBudget = 256 * 2 ** 20;
const kMaxFile = 8 * 2 ** 30;
const kMaxClasses = 200_000;
const kOthers = -1_000_000;  // The key of what comes after those.
const kRows = 150;
const kLargest = 12;
const kChain = 8;

// As Chrome DevTools calls what has no constructor.
const GROUPS = {
  __proto__: null,
  'array': '(array)', 'bigint': '(bigint)', 'closure': 'Function', 'code': '(compiled code)',
  'concatenated string': '(concatenated string)', 'hidden': '(system)', 'number': '(number)',
  'object shape': '(object shape)', 'regexp': 'RegExp', 'sliced string': '(sliced string)',
  'string': '(string)', 'symbol': '(symbol)', 'synthetic': '(synthetic)',
};

class Snapshot {
  constructor(fileBytes, budget) {
    this.fileBytes = fileBytes;
    this.budget = budget;
    this.nodes = 0;
    this.edges = 0;
    this.total = 0;
    this.names = new Map();
    this.lists = {};
  }

  header(header) {
    const { meta, node_count: nodes, edge_count: edges } = object(header);
    const field = (list, name) => {
      const at = array(object(meta)[list]).indexOf(name);
      if (at === -1) throw new Unreadable(`its format is not known: there is no "${name}"`);
      return at;
    };
    if (!(number(nodes) > 0) || !(number(edges) >= 0)) throw new Unreadable('its header has no counts');
    this.perNode = meta.node_fields.length;
    this.perEdge = meta.edge_fields.length;
    // Each number has at least two bytes in the file.
    if ((nodes * this.perNode + edges * this.perEdge) * 2 > this.fileBytes) {
      throw new Unreadable('the file is cut off, or its header is wrong');
    }
    this.nodeAt = { type: field('node_fields', 'type'), name: field('node_fields', 'name'),
                    size: field('node_fields', 'self_size'), edges: field('node_fields', 'edge_count'),
                    id: field('node_fields', 'id') };
    this.edgeAt = { type: field('edge_fields', 'type'), to: field('edge_fields', 'to_node') };
    this.nodeTypes = array(array(meta.node_types)[this.nodeAt.type]).map(String);
    const edgeTypes = array(array(meta.edge_types)[this.edgeAt.type]);
    this.weak = edgeTypes.indexOf('weak');
    this.shortcut = edgeTypes.indexOf('shortcut');
    this.expected = { nodes, edges };
    // By type: whether the name of the node is that of its constructor.
    this.byName = this.nodeTypes.map((type) => type === 'object' || type === 'native');
    this.retains = bytesFor(nodes, edges) <= this.budget;
    this.rows = [];
    this.slots = new Map();
    if (this.retains) {
      this.type = new Uint8Array(nodes);
      this.name = new Uint32Array(nodes);
      this.size = new Float64Array(nodes);
      this.id = new Uint32Array(nodes);
      this.count = new Uint32Array(nodes);  // Of edges.
      this.classOf = new Uint32Array(nodes);
      this.to = new Uint32Array(edges);
    }
    this.nodeList();
  }

  nodeList() {
    const { nodeAt: at, perNode, retains } = this;
    const row = new Float64Array(perNode);
    let field = 0;
    this.lists.nodes = (value) => {
      row[field] = value;
      if (++field < perNode) return;
      field = 0;
      const n = this.nodes++;
      if (n >= this.expected.nodes) throw new Unreadable('it has more nodes than its header says');
      const slot = this.add(row[at.type], row[at.name], row[at.size]);
      if (!retains) return;
      this.type[n] = row[at.type];
      this.name[n] = row[at.name];
      this.size[n] = row[at.size];
      this.count[n] = row[at.edges];
      this.id[n] = row[at.id];
      this.classOf[n] = slot;
    };
  }

  // Counts a node with its constructor; returns the number of that.
  add(type, name, bytes) {
    const key = this.byName[type] ? name : -1 - type;
    let slot = this.slots.get(key);
    if (slot === undefined) {
      const others = this.rows.length >= kMaxClasses;
      slot = others ? kMaxClasses : this.rows.length;
      if (slot === this.rows.length) this.rows.push({ key: others ? kOthers : key, count: 0, shallow: 0, retained: null });
      if (!others) {
        this.slots.set(key, slot);
        if (key >= 0) this.names.set(key, null);
      }
    }
    const row = this.rows[slot];
    row.count++;
    row.shallow += bytes;
    this.total += bytes;
    return slot;
  }

  // Edges come in the order of their nodes. What does not keep anything alive
  // is not taken: weak ones, and short cuts but for those of the root.
  edgeList() {
    const { edgeAt: at, perEdge, perNode } = this;
    const row = new Float64Array(perEdge);
    this.globals = [];  // Where the short cuts of the root lead.
    const first = this.first = new Uint32Array(this.nodes + 1);
    let field = 0, node = 0, left = this.count[0], taken = 0;
    this.lists.edges = (value) => {
      row[field] = value;
      if (++field < perEdge) return;
      field = 0;
      this.edges++;
      while (left === 0) {
        if (++node >= this.nodes) throw new Unreadable('it has more edges than its nodes say');
        first[node] = taken;
        left = this.count[node];
      }
      left--;
      const to = row[at.to] / perNode;
      const type = row[at.type];
      if (!Number.isInteger(to) || to >= this.nodes) throw new Unreadable('an edge leads nowhere');
      if (type === this.weak || (type === this.shortcut && node !== 0)) return;
      if (type === this.shortcut) this.globals.push(to);
      if (to !== node) this.to[taken++] = to;
    };
    this.endEdges = () => { while (++node <= this.nodes) first[node] = taken; };
  }

  listEnd(key) {
    if (key === 'nodes') {
      if (this.nodes !== this.expected.nodes) throw new Unreadable('nodes are missing');
      if (this.retains) this.edgeList();
    } else if (this.edges !== this.expected.edges) {
      throw new Unreadable('edges are missing');
    } else {
      this.endEdges();
      this.retained();
    }
  }

  // Of a constructor: the sum of what its objects keep alive, without those
  // that another of its objects keeps alive already.
  retained() {
    withoutEngine(this);
    const { node, number: numbers, reached, dominator } =
      dominators({ nodes: this.nodes, first: this.first, to: this.to });
    this.first = this.to = this.count = null;
    const kept = new Float64Array(reached);
    for (let v = 0; v < reached; v++) kept[v] = this.size[node[v]];
    for (let v = reached - 1; v > 0; v--) kept[dominator[v]] += kept[v];
    for (const row of this.rows) row.retained = 0;
    // Nothing but the root needs what the root does not reach.
    for (let n = 0; n < this.nodes; n++) {
      if (numbers[n] === NONE) this.rows[this.classOf[n]].retained += this.size[n];
    }
    walk({ reached, dominator }, (v, inside) => {
      const slot = this.classOf[node[v]];
      if (inside(slot)) return slot;
      this.rows[slot].retained += kept[v];
      return slot;
    }, this.rows.length);
    this.findLargest(node, reached, dominator, kept);
  }

  // The objects that keep most alive, and by what they are kept themselves.
  findLargest(node, reached, dominator, kept) {
    const top = [];
    const globals = new Set(this.globals);
    for (let v = 1; v < reached; v++) {
      const n = node[v];
      if (globals.has(n)) continue;
      if (this.nodeTypes[this.type[n]] === 'synthetic' || !this.byName[this.type[n]] && kept[v] < 2 * this.size[n]) continue;
      if (top.length === kLargest && kept[v] <= kept[top.at(-1)]) continue;
      let at = top.length;
      while (at > 0 && kept[top[at - 1]] < kept[v]) at--;
      top.splice(at, 0, v);
      if (top.length > kLargest) top.pop();
    }
    this.largest = top.filter((v, i) => i < 3 || kept[v] > 0.005 * this.total).map((v) => {
      const chain = [];
      for (let x = dominator[v]; x !== 0 && chain.length < kChain; x = dominator[x]) chain.push(node[x]);
      for (const n of [node[v], ...chain]) this.names.set(this.name[n], this.names.get(this.name[n]) ?? null);
      return { n: node[v], retained: kept[v], chain };
    });
  }

  wants(index) { return this.names.has(index); }
  string(index, text) { this.names.set(index, clip(text, 200)); }

  label(n) {
    const type = this.nodeTypes[this.type[n]];
    const name = this.names.get(this.name[n]) ?? '';
    if (this.byName[this.type[n]] || type === 'synthetic') return name || '(unnamed)';
    if (type === 'closure') return `${name || '(anonymous)'}()`;
    // What strings and numbers hold is nobody's business.
    const tells = /^(code|hidden|array|object shape)$/.test(type) && name !== '' && name.length < 60;
    return `${GROUPS[type] ?? `(${type})`}${tells ? ` ${name}` : ''}`;
  }

  summary() {
    const rows = this.rows.map(({ key, count, shallow, retained }) => ({
      name: key === kOthers ? '(others)' : key >= 0 ? this.names.get(key) ?? '(unnamed)'
        : GROUPS[this.nodeTypes[-1 - key]] ?? `(${this.nodeTypes[-1 - key]})`,
      count, shallow, retained,
    }));
    // The root of all is no row.
    const real = rows.filter(({ name }) => name !== GROUPS.synthetic);
    const by = (key) => [...real].sort((a, b) => b[key] - a[key]).slice(0, kRows);
    const shown = new Set([...by('shallow'), ...by('count').slice(0, 30), ...(this.retains ? by('retained') : [])]);
    return {
      nodes: this.nodes, edges: this.expected.edges, bytes: this.total, classes: real.length,
      rows: [...shown].sort((a, b) => (b.retained ?? b.shallow) - (a.retained ?? a.shallow)),
      largest: (this.largest ?? []).map(({ n, retained, chain }) => ({
        name: this.label(n), id: this.id[n], shallow: this.size[n], retained,
        chain: chain.map((c) => this.label(c)),
      })),
      noRetained: this.retains ? null
        : `Retained sizes are left out: ${this.nodes.toLocaleString('en')} objects with ` +
          `${this.expected.edges.toLocaleString('en')} references need ${size(bytesFor(this.nodes, this.expected.edges))}, ` +
          `the report may take ${size(this.budget)}. Chrome DevTools computes them.`,
    };
  }
}

function readHeap(dir, file, { budget = kBudget } = {}) {
  let scanner = null;
  let snapshot = null;
  stream(dir, file, (chunk, bytes) => {
    if (scanner === null) {
      if (bytes > kMaxFile) throw new Unreadable(`the file has ${size(bytes)}, the report reads up to ${size(kMaxFile)}`);
      snapshot = new Snapshot(bytes, budget);
      scanner = new Scanner(snapshot);
    }
    scanner.push(chunk);
  });
  scanner.end();
  if (snapshot.rows === undefined || snapshot.nodes === 0 || (snapshot.retains && snapshot.largest === undefined)) {
    throw new Unreadable('it is no heap snapshot');
  }
  return snapshot.summary();
}

module.exports = { readHeap };
