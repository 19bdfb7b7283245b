// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A little load for server.mjs: a health check every 100 ms, and orders.
// Ends after SECONDS (at most 300), or when the server goes. Loopback only.
// Usage: load.mjs URL SECONDS [ORDERS_PER_MINUTE]

import http from 'node:http';
import { makeOrder } from './orders.mjs';

const url = new URL(process.argv[2]);
const seconds = Math.min(Number(process.argv[3]), 300);
const ordersPerMinute = Math.min(Number(process.argv[4] ?? 100), 600);
if (url.hostname !== '127.0.0.1') throw new Error('only 127.0.0.1');

const agents = {
  GET: new http.Agent({ keepAlive: true, maxSockets: 16 }),
  POST: new http.Agent({ keepAlive: true, maxSockets: 2 }),
};
const order = ordersPerMinute > 0 ? makeOrder() : '';
const waits = [];
let orders = 0;
let waiting = 0;

function request(method, path, body) {
  const start = performance.now();
  waiting++;
  return new Promise((done) => {
    http.request(new URL(path, url), { method, agent: agents[method] }, (response) => {
      response.resume().on('end', () => done(performance.now() - start));
    }).on('error', end).end(body);
  }).finally(() => waiting--);
}

function end() {
  waits.sort((a, b) => a - b);
  const ms = (q) => Math.round(waits[Math.min(waits.length - 1, Math.floor(q * waits.length))] ?? 0);
  console.log(`load: ${orders} orders; ${waits.length} health checks took ` +
              `${ms(0.5)} ms (median), ${ms(0.99)} ms (99 %), ${ms(1)} ms (worst)`);
  process.exit(0);
}

setInterval(async () => {
  if (waiting < 16) waits.push(await request('GET', '/health'));
}, 100);
if (ordersPerMinute > 0) {
  setInterval(async () => {
    if (waiting < 16) await request('POST', '/order', order).then(() => orders++);
  }, 60_000 / ordersPerMinute);
}
setTimeout(end, seconds * 1000);
process.on('SIGTERM', end);
