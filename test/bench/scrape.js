// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Both sides of scrape.sh.
//
//   scrape.js serve WORKERS BLOCK_SECONDS
//     A server with idle Workers. Prints its port; SIGHUP blocks its loop for
//     that long with work that allocates. Ends by itself.
//   scrape.js scrape METRICS_URL APP_PORT PID RATE SECONDS
//     RATE scrapes a second: with the loop idle, then has it blocked, and goes
//     on in four ways, SECONDS each. Prints a line for each.

const { readFileSync, readdirSync } = require('node:fs');
const http = require('node:http');

function serve(workers, seconds) {
  const { Worker } = require('node:worker_threads');
  for (let i = 0; i < workers; i++)
    new Worker('setInterval(() => {}, 100)', { eval: true });
  setTimeout(() => process.exit(), (seconds + 120) * 1000);
  process.on('SIGHUP', () => {
    const order = JSON.stringify(Array.from({ length: 500 }, (_, i) => ({ i, name: `item ${i}` })));
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end) JSON.parse(order);
  });
  http.createServer((req, res) => res.end('ok\n')).listen(0, '127.0.0.1', function() {
    console.log(this.address().port);
  });
}

// CPU time of the threads of that name, in ms.
function cpuMs(pid, name) {
  let ns = 0;
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const at = `/proc/${pid}/task/${tid}`;
    if (readFileSync(`${at}/comm`, 'utf8').trim() === name)
      ns += Number(readFileSync(`${at}/schedstat`, 'utf8').split(' ')[0]);
  }
  return ns / 1e6;
}

function get(options) {
  return new Promise((resolve, reject) => {
    http.get(options, (response) => {
      let bytes = 0;
      response.on('data', (chunk) => { bytes += chunk.length; }).on('error', reject)
        .on('end', () => resolve({ status: response.statusCode, bytes }));
    }).on('error', reject);
  });
}

const slow = [];

// An open loop: each scrape has its instant, whatever became of those before
// it, and its time counts from then.
async function phase(name, url, pid, rate, seconds, keepAlive, openmetrics) {
  const agent = new http.Agent({ keepAlive });
  const { hostname: host, port, pathname: path } = new URL(url);
  const headers = openmetrics ? { accept: 'application/openmetrics-text;version=1.0.0' } : {};
  const took = [], all = [];
  let errors = 0, bytes = 0, late = 0;
  const cpu = cpuMs(pid, 'vigil-tell');
  const begin = performance.now();
  for (let i = 0; i < rate * seconds; i++) {
    const due = begin + i * 1000 / rate;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((done) => setTimeout(done, wait));
    const sent = performance.now();
    late = Math.max(late, sent - due);
    all.push(get({ host, port, path, headers, agent, timeout: 10_000 }).then((answer) => {
      const now = performance.now();
      took.push(now - due);
      if (now - due > 50)
        slow.push(`${(now / 1000).toFixed(1)} s: ${(now - sent).toFixed(0)} ms, sent ${(sent - due).toFixed(0)} ms late`);
      bytes = answer.bytes;
      errors += answer.status !== 200;
    }, () => errors++));
  }
  await Promise.all(all);
  agent.destroy();
  took.sort((a, b) => a - b);
  const at = (q) => took[Math.max(0, Math.ceil(q * took.length) - 1)];
  const row = [name, took.length, errors, at(0.5), at(0.99), at(1), took.filter((ms) => ms > 50).length,
               late, bytes, (cpuMs(pid, 'vigil-tell') - cpu) / took.length];
  console.log(row.map((v) => (typeof v === 'number' && !Number.isInteger(v) ? v.toFixed(2) : v)).join('\t'));
}

async function scrape(url, port, pid, rate, seconds) {
  const run = (name, ...how) => phase(name, url, pid, rate, seconds, ...how);
  await run('idle loop, text', true, false);
  process.kill(pid, 'SIGHUP');
  await new Promise((done) => setTimeout(done, 500));
  const blocked = performance.now();
  const answer = get({ host: '127.0.0.1', port, path: '/' }).then(() => performance.now() - blocked);
  await run('blocked, text', true, false);
  await run('blocked, OpenMetrics', true, true);
  await run('blocked, text, new connections', false, false);
  await run('blocked, OpenMetrics, new connections', false, true);
  const over = performance.now() - blocked;
  const ms = await answer;
  if (ms < over) throw new Error(`the loop was blocked for ${ms} ms only, not ${over}`);
  if (slow.length > 0) console.log(`# over 50 ms at ${slow.slice(0, 12).join('; ')}`);
  console.log(`# meanwhile the server itself did not answer for ${(ms / 1000).toFixed(1)} s`);
}

const [what, ...args] = process.argv.slice(2);
if (what === 'serve') serve(...args.map(Number));
else scrape(args[0], ...args.slice(1).map(Number));
