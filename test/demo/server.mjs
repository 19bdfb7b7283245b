// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A small shop. POST /order blocks the event loop, GET /health is fast.
// Usage: server.mjs [PORT]

import http from 'node:http';
import { makeOrder } from './orders.mjs';

const BLOCK_MS = 200;

// How many times one order must be parsed to block for BLOCK_MS here. By CPU
// time, and the least of a few, so that a busy machine does not make it few.
function calibrate() {
  const body = makeOrder();
  let least = Infinity;
  for (let i = 0; i < 5; i++) {
    const start = process.cpuUsage();
    JSON.parse(body);
    const { user, system } = process.cpuUsage(start);
    least = Math.min(least, (user + system) / 1000);
  }
  return Math.max(2, Math.ceil(BLOCK_MS / least));
}

const rules = calibrate();

// Every rule of the shop wants an order of its own to play with, and the
// author found JSON.parse() to be a handy way to copy one.
function parseOrder(body) {
  let amount = 0;
  for (let rule = 0; rule < rules; rule++) {
    const order = JSON.parse(body);
    amount = order.items.length;
  }
  return amount;
}

const server = http.createServer((request, response) => {
  if (request.method !== 'POST' || request.url !== '/order') {
    response.end('ok\n');
    return;
  }
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const items = parseOrder(Buffer.concat(chunks).toString());
    response.end(`${items} items\n`);
  });
});

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
