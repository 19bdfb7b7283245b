// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A small shop service with what services have: much data that stays, caches
// that are bounded or fill once, connections that live, and garbage. It leaks
// nothing itself; the programs next to it each add one thing to a request.
//
// Prints the paths of three heap snapshots: in the steady state, after work, and
// after the same work again. Arguments: a folder, requests per round.

import { EventEmitter } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import v8 from 'node:v8';

const [folder, requests] = [process.argv[2], Number(process.argv[3] ?? 400)];

class Product {
  constructor(id) {
    this.id = id;
    this.name = `product ${id}`;
    this.price = { amount: id * 1.07, currency: id % 2 ? 'EUR' : 'USD' };
    this.tags = [`tag-${id % 97}`, `shelf-${id % 31}`];
    this.stock = new Map([['north', id % 7], ['south', id % 11]]);
  }
}

class Lru {
  #most;
  #entries = new Map();
  constructor(most) { this.#most = most; }
  get(key, make) {
    const value = this.#entries.get(key) ?? make(key);
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#most) this.#entries.delete(this.#entries.keys().next().value);
    return value;
  }
}

const catalog = new Map();
const byTag = {};
for (let id = 0; id < 12_000; id++) {
  const product = new Product(id);
  catalog.set(`sku-${id}`, product);
  for (const tag of product.tags) (byTag[tag] ??= []).push(product);
}

export const settings = new EventEmitter();
const pages = new Lru(300);
const templates = new Map();
const latest = new Array(256);
const sessions = new Map();
let served = 0;

// Fills when the work begins, with more than any leak, and then never again.
function template(name) {
  let made = templates.get(name);
  if (!made) {
    const parts = Array.from({ length: 200 }, (_, i) => ({ at: i, text: `${name}:${i}` }));
    made = { parts, compiled: new Function('data', `return ${JSON.stringify(name)} + data.id;`) };
    templates.set(name, made);
  }
  return made;
}

function render(url) {
  const { compiled } = template(`template-${served % 120}`);
  const product = catalog.get(`sku-${served % catalog.size}`);
  return { url, html: compiled(product).repeat(20), at: process.hrtime.bigint(), product };
}

// What each program adds: `extra(req, res, body)`.
export function serve(extra) {
  const server = http.createServer((req, res) => {
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('end', () => {
      const body = Buffer.concat(chunks);
      served++;
      const page = pages.get(req.url, render);
      latest[served % latest.length] = { url: req.url, bytes: body.length };
      // A session of its own for each visitor, who leaves again.
      const visitor = req.headers['x-visitor'];
      sessions.set(visitor, { visitor, seen: served, basket: [page.product] });
      const leave = setTimeout(() => {}, 60_000);
      extra?.(req, res, body);
      clearTimeout(leave);
      sessions.delete(visitor);
      res.setHeader('content-type', 'text/html');
      res.end(page.html);
    });
  });
  // While a snapshot is taken no connection may grow too old.
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1', () => measure(server));
}

async function round(server, count, label) {
  const { port } = server.address();
  const body = Buffer.alloc(24 * 1024, label);
  let left = count;
  const worker = async () => {
    while (left-- > 0) {
      await new Promise((done, fail) => {
        const request = http.request({
          port, host: '127.0.0.1', agent, method: 'POST',
          path: `/item/${label}/${left}?session=${left % 50}`,
          headers: { 'x-visitor': `${label}-${left}` },
        }, (res) => res.resume().on('end', done));
        request.on('error', fail).end(body);
      });
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

// Collections and turns of the loop, until the heap does not shrink any more.
async function settle() {
  let last = Infinity;
  for (let i = 0; i < 20; i++) {
    global.gc();
    await new Promise((done) => setImmediate(done));
    const { used_heap_size: used } = v8.getHeapStatistics();
    if (i > 3 && used >= last - 4096) return;
    last = used;
  }
}

async function measure(server) {
  const names = [];
  const snapshot = async (n) => {
    await settle();
    names.push(v8.writeHeapSnapshot(path.join(folder, `${n}.heapsnapshot`)));
  };
  // Fills the bounded cache and the pool of connections.
  await round(server, 320, 'warm');
  templates.clear();
  await snapshot(1);
  await round(server, requests, 'first');
  await snapshot(2);
  await round(server, requests, 'second');
  await snapshot(3);
  console.log(JSON.stringify(names));
  agent.destroy();
  server.close();
  server.closeAllConnections();
}
