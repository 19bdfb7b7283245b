// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Blocks its loop once in each phase, and prints what node:vigil saw of each:
// its own measure of the block, of all that passed, and the change of the
// figures. On the main thread, or with the argument "worker" in a Worker.

import { execSync, spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { lookup } from 'node:dns';
import { readFile, readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { randomBytes } from 'node:crypto';
import vigil from 'node:vigil';
import { MessageChannel, Worker, isMainThread, threadId } from 'node:worker_threads';

const BLOCK_MS = 120;
const { ADDONS, FIFO } = process.env;
const native = createRequire(import.meta.url)(`${ADDONS}/blocks.node`);
const now = () => Number(process.hrtime.bigint()) / 1e6;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function block() {
  const begin = now();
  native.sleep(BLOCK_MS);
  return now() - begin;
}

const timed = (fn) => {
  const begin = now();
  fn();
  return now() - begin;
};

// Each calls `done` with the length of its block, from inside of the phase.
const phases = {
  timer(done) { setTimeout(() => done(block()), 1); },
  interval(done) {
    const timer = setInterval(() => { clearInterval(timer); done(block()); }, 1);
  },
  immediate(done) { setTimeout(() => setImmediate(() => done(block())), 1); },
  nextTick(done) { setTimeout(() => process.nextTick(() => done(block())), 1); },
  promise(done) { setTimeout(() => Promise.resolve().then(() => done(block())), 1); },
  microtask(done) { setImmediate(() => queueMicrotask(() => done(block()))); },
  'accepted connection'(done) {
    const server = net.createServer((socket) => {
      socket.destroy();
      server.close();
      done(block());
    }).listen(0, '127.0.0.1', () => net.connect(server.address().port, '127.0.0.1').on('error', () => {}));
  },
  'HTTP request'(done) {
    const server = http.createServer((request, response) => {
      const took = block();
      response.end();
      server.close();
      done(took);
    }).listen(0, '127.0.0.1', () => http.get({ port: server.address().port, agent: false }, (r) => r.resume()));
  },
  datagram(done) {
    const socket = dgram.createSocket('udp4', () => { socket.close(); done(block()); });
    socket.bind(0, '127.0.0.1', () => socket.send('x', socket.address().port, '127.0.0.1'));
  },
  close(done) {
    const server = net.createServer().listen(0, '127.0.0.1', () => server.close(() => done(block())));
  },
  'file read'(done) { readFile('/proc/self/stat', () => done(block())); },
  'name lookup'(done) { lookup('localhost', () => done(block())); },
  'work of the pool'(done) { randomBytes(64, () => done(block())); },
  message(done) {
    const { port1, port2 } = new MessageChannel();
    port1.on('message', () => { port1.close(); done(block()); });
    port2.postMessage(0);
  },
  'end of a child'(done) { spawn('true', { stdio: 'ignore' }).on('exit', () => done(block())); },
  signal(done) {
    process.once('SIGUSR2', () => done(block()));
    process.kill(process.pid, 'SIGUSR2');
  },
  'add-on that spins'(done) { setTimeout(() => done(native.spin(BLOCK_MS)), 1); },
  'add-on that sleeps in a system call'(done) { setTimeout(() => done(native.sleep(BLOCK_MS)), 1); },
  execSync(done) { setTimeout(() => done(timed(() => execSync(`sleep ${BLOCK_MS / 1000}`))), 1); },
  'readFileSync on a FIFO'(done) {
    setTimeout(() => {
      spawn('sh', ['-c', `sleep ${BLOCK_MS / 1000}; echo x > ${FIFO}`], { stdio: 'ignore' });
      done(timed(() => readFileSync(FIFO)));
    }, 1);
  },
  'garbage collection'(done) {
    const keep = Array.from({ length: 200_000 }, (_, i) => ({ i, s: [i] }));
    setTimeout(() => {
      const took = timed(() => globalThis.gc());
      keep.length = 1;
      done(took);
    }, 1);
  },
};

const mine = (report) => report.loops.find((l) => l.threadId === threadId);

async function measure(phase) {
  await sleep(1);
  const begin = now();
  const { busy } = mine(vigil.histogram());
  const before = mine(vigil.snapshot());
  const took = await new Promise((done) => phases[phase](done));
  // A poll behind it: now the period has ended.
  await sleep(1);
  await sleep(1);
  const after = mine(vigil.snapshot());
  const { scheme, loops } = vigil.histogram();
  return { phase, took, wall: now() - begin, open: before.sinceStart.openMs, scheme,
           before: busy, after: mine({ loops }).busy,
           active: after.sinceStart.activeMs - before.sinceStart.activeMs,
           longest: after.sinceStart.longestMs };
}

if (!isMainThread) delete phases.signal;  // The main thread has them all.
if (isMainThread && process.argv[2] === 'worker') {
  new Worker(new URL(import.meta.url));
} else {
  // A handle of a signal does not keep a loop alive; and a test has an end.
  const alive = setTimeout(() => process.exit(99), 240_000);
  // A timer may run before the first poll.
  while (mine(vigil.snapshot()).sinceStart.startupMs === null) await sleep(20);
  const all = [];
  for (const phase of Object.keys(phases)) all.push(await measure(phase));
  clearTimeout(alive);
  console.log(JSON.stringify(all));
}
