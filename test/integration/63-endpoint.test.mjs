// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The endpoint itself: when it is there, where it may be, what it does with
// clients that are slow, many or not of this protocol, and that the program
// cannot tell.

import assert from 'node:assert/strict';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, app, run, stockNode, temporary, threads, until } from './helpers.mjs';
import { ask, parse, start, told } from './told.mjs';

const isTelling = (pid) => threads(pid).includes('vigil-tell');
const where = (it) => it.line(/^vigil: metrics are at (\S+)\/metrics$/m, 'stderr').then(([, at]) => at);
const refused = (at) => ask(at, '/live').then(() => false, (err) => err.code === 'ECONNREFUSED');

// A connection: what it was sent so far, and whether it has ended.
function connect(t, at) {
  const { hostname, port } = new URL(at);
  const socket = net.connect(port, hostname);
  const it = { socket, got: '', ended: false };
  socket.setEncoding('latin1').on('data', (s) => { it.got += s; }).on('error', () => {})
    .on('close', () => { it.ended = true; });
  t.after(() => socket.destroy());
  return it;
}

describe('when', { concurrency: 3 }, () => {
  test('not unless it is asked for', async (t) => {
    // The control socket is served by the same thread: 67-control.
    const it = new App(t, [app('told.mjs')], { env: { VIGIL_CONTROL: 'off' } });
    await it.line(/^ready/m);
    await until(() => threads(it.pid).includes('vigil-watch'), 'the watch thread');
    const other = await start(t);
    assert.equal(isTelling(other.pid), true);
    assert.equal(isTelling(it.pid), false);
  });

  test('while it is watched; before that it measures, and takes no port', async (t) => {
    // A script that begins to serve when it is told.
    const script = `
      const vigil = require('node:vigil');
      process.on('SIGHUP', () => require('node:net').createServer().listen(0, '127.0.0.1'));
      setInterval(() => {}, 50);
      console.log('begun', vigil.snapshot().armed);`;
    const it = new App(t, ['-e', script], { env: { VIGIL_METRICS: '0' } });
    assert.equal((await it.line(/^begun (.*)$/m))[1], 'false');
    await until(() => threads(it.pid).includes('vigil-watch'), 'measuring');
    // As long as another one takes that serves.
    await start(t);
    assert.equal(isTelling(it.pid), false);
    assert.equal(it.stderr, '');
    it.kill('SIGHUP');
    it.at = await where(it);
    // The window began before it was asked.
    const m = parse((await ask(it.at, '/metrics')).body);
    assert.ok(m.value('nodejs_eventloop_lag_p99_seconds', { thread: 'main' }) >= 0);
    assert.ok(m.value('vigil_eventloop_polls_total', { thread: 'main' }) > 10);
  });

  test('from the start with VIGIL=on; it does not keep the process, nor show', async (t) => {
    const script = `
      setTimeout(() => {
        console.log(process.getActiveResourcesInfo(), process._getActiveHandles().length, process._getActiveRequests().length,
                    process.report.getReport().libuv.filter((h) => h.type === 'tcp' || h.type === 'timer').length);
      }, 2500);`;
    const env = { VIGIL: 'on', VIGIL_METRICS: '0', VIGIL_DIR: path.join(temporary(t), 'v') };
    const it = new App(t, ['-e', script], { env });
    assert.equal((await ask(await where(it), '/live')).status, 200);
    const ours = await it.exit();
    const official = await run(t, ['-e', script], { bin: stockNode });
    assert.deepEqual([ours.code, ours.signal, ours.stdout], [official.code, official.signal, official.stdout]);
  });

  test('the endpoint alone arms nothing', async (t) => {
    const it = new App(t, ['-e', `setInterval(() => {}, 50); console.log(1)`], { env: { VIGIL_METRICS: '0' } });
    await it.line(/^1/m);
    const other = await start(t);
    await until(async () => (await other.status()).threads[0].lag !== null, 'time');
    assert.equal(isTelling(it.pid), false);
  });

  test('not with VIGIL=off', async (t) => {
    const it = new App(t, [app('told.mjs')], { env: { VIGIL: 'off', VIGIL_METRICS: '0' } });
    await it.line(/^ready/m);
    await start(t);
    assert.deepEqual(threads(it.pid).filter((name) => name.startsWith('vigil')), []);
    assert.equal(it.stderr, '');
  });
});

describe('where', { concurrency: 3 }, () => {
  test('IPv6, and a port that is given is not talked of', async (t) => {
    const it = await start(t, [], { VIGIL_METRICS: '[::1]:0' });
    assert.match(it.at, /^http:\/\/\[::1\]:\d+$/);
    assert.equal((await ask(it.at, '/live')).body, 'live\n');
    const { port } = new URL(it.at);
    assert.equal(await refused(`http://127.0.0.1:${port}`), true);
    it.kill('SIGKILL');
    await it.end;
    const next = new App(t, [app('told.mjs')], { env: { VIGIL_METRICS: `[::1]:${port}`, VIGIL_DIR: it.dir } });
    await next.line(/^ready/m);
    await until(() => ask(it.at, '/live').then(({ status }) => status === 200, () => false), 'the next one');
    assert.equal(next.stderr, '');
  });

  test('a UNIX socket, and again after a process that was killed', async (t) => {
    const file = path.join(temporary(t), 'metrics.sock');
    for (let i = 0; i < 2; i++) {
      const it = await start(t, [], { VIGIL_METRICS: file });
      await until(() => ask(file, '/live').then(({ status }) => status === 200, () => false), 'an answer');
      assert.equal((statSync(file).mode & 0o777).toString(8), '660');
      assert.equal((await it.status()).pid, it.pid);
      assert.equal(it.stderr, '');
      it.kill('SIGKILL');
      await it.end;
      assert.equal(existsSync(file), true);
    }
  });

  test('a port that is taken: one line, and later without one', async (t) => {
    const first = await start(t);
    const { host } = new URL(first.at);
    const second = new App(t, [app('told.mjs')], { env: { VIGIL_METRICS: host, VIGIL_DIR: first.dir } });
    const [line] = await second.line(/^vigil: .*$/m, 'stderr');
    assert.equal(line, `vigil: VIGIL_METRICS="${host}" cannot be used now (address already in use): trying again, quietly`);
    await second.line(/^ready/m);
    assert.equal((await first.status()).pid, first.pid);
    first.kill('SIGKILL');
    await first.end;
    second.at = first.at;
    const status = await until(() => ask(first.at, '/status').then(({ body }) => JSON.parse(body), () => null), 'the other one');
    assert.equal(status.pid, second.pid);
    assert.equal(second.stderr, `${line}\n`);
  });

  test('each process of a cluster has a port of the range, Workers share one', async (t) => {
    // Some free ports in a row, as far as one can know.
    const probe = net.createServer().listen(0, '127.0.0.1');
    await new Promise((done) => probe.once('listening', done));
    const { port } = probe.address();
    await new Promise((done) => probe.close(done));
    const from = Math.min(port, 65_000);
    const script = `
      const cluster = require('node:cluster');
      const http = require('node:http');
      const { Worker } = require('node:worker_threads');
      if (cluster.isPrimary) for (let i = 0; i < 2; i++) cluster.fork();
      else {
        if (cluster.worker.id === 1) new Worker('setInterval(() => {}, 100)', { eval: true });
        const server = http.createServer((_, r) => r.end()).listen(0, '127.0.0.1', () => console.log('ready', server.address().port));
      }`;
    const cwd = temporary(t);
    writeFileSync(path.join(cwd, 'cluster.cjs'), script);
    const it = new App(t, ['cluster.cjs'], { cwd, env: { VIGIL_METRICS: `${from}-${from + 40}`, VIGIL_DIR: path.join(temporary(t), 'v') } });
    // A process of a cluster serves from its first connection on.
    const [, own] = await it.line(/^ready (\d+)[^]*ready/m);
    const at = await until(async () => {
      await ask(`http://127.0.0.1:${own}`, '/');
      const all = [...it.stderr.matchAll(/^vigil: metrics are at (\S+)\/metrics$/gm)].map(([, one]) => one);
      return all.length === 3 && all;
    }, () => `three endpoints; it said ${it.said()}`);
    assert.equal(new Set(at).size, 3);
    for (const one of at) assert.ok(new URL(one).port >= from && new URL(one).port <= from + 40, one);
    const all = await Promise.all(at.map((one) => until(async () => {
      const status = JSON.parse((await ask(one, '/status')).body);
      return status.threads.every(({ lag }) => lag) && status;
    }, 'a window')));
    assert.equal(new Set(all.map(({ pid }) => pid)).size, 3);
    assert.deepEqual(all.map(({ threads: some }) => some.length).sort(), [1, 1, 2]);
    assert.equal(it.vigil.length, 3);
    it.kill('SIGTERM');
  });

  test('an address that is not here: one line', async (t) => {
    const it = new App(t, [app('told.mjs')], { env: { VIGIL_METRICS: '192.0.2.1:9464' } });
    await it.line(/^vigil: VIGIL_METRICS="192\.0\.2\.1:9464" cannot be used now \(address not available\)/m, 'stderr');
    await it.line(/^ready/m);
    assert.equal(it.vigil.length, 1);
  });
});

describe('clients', { concurrency: 3 }, () => {
  test('only GET and HEAD, and nothing for other pages', async (t) => {
    const it = await start(t);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
      const { status, headers } = await ask(it.at, '/metrics', { method, headers: { origin: 'http://evil.test' } });
      assert.deepEqual([method, status, headers.allow], [method, 405, 'GET, HEAD']);
      assert.deepEqual(Object.keys(headers).filter((name) => name.startsWith('access-control')), []);
    }
    for (const what of ['/', '/metrics/', '/Metrics', '/../metrics', '/%6detrics', '//']) {
      assert.equal((await ask(it.at, what)).status, 404, what);
    }
    assert.equal((await ask(it.at, '/metrics?x=y')).status, 200);
    assert.equal((await it.metrics()).value('vigil_http_requests_total', { result: 'refused' }), 11);
  });

  test('who sends what is no request is cut off, and counted', async (t) => {
    const it = await start(t);
    const all = ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'hello\r\n\r\n', 'GET /metrics HTTP/9.9\r\n\r\n',
                 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '\0\0\0\0'].map((text) => {
      const one = connect(t, it.at);
      one.socket.write(Buffer.from(text, 'latin1'));
      return one;
    });
    await until(() => all.every((one) => one.ended), 'the ends');
    for (const { got } of all) assert.match(got, /^HTTP\/1\.1 400 Bad Request\r\n[^]*Connection: close\r\n/);
    const big = connect(t, it.at);
    big.socket.write(`GET /metrics HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`);
    const body = connect(t, it.at);
    body.socket.write('POST /metrics HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n');
    await until(() => big.ended && body.ended, 'the ends');
    assert.match(body.got, /^HTTP\/1\.1 413 /);
    const m = await it.metrics();
    assert.equal(m.value('vigil_http_requests_total', { result: 'malformed' }), 5);
    assert.equal(m.value('vigil_http_requests_total', { result: 'too-large' }), 2);
  });

  test('who is slow is cut off: with its request, and with its answer', async (t) => {
    const it = await start(t);
    const slow = connect(t, it.at);
    slow.socket.write('GET /metrics HTTP/1.1\r\n');
    const drip = setInterval(() => slow.socket.write('A: b\r\n'), 300);
    t.after(() => clearInterval(drip));
    // More answers than its and our buffers hold.
    const deaf = connect(t, it.at);
    deaf.socket.pause();
    for (let i = 0; i < 400; i++) deaf.socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => slow.ended, 'the end of the slow one');
    await told(it, (m) => m.value('vigil_http_dropped_total', { reason: 'slow' }) === 2, 'two that were slow', 30_000);
    assert.equal(slow.got, '');
  });

  test('many that do nothing do not keep others out', async (t) => {
    const it = await start(t);
    const all = Array.from({ length: 100 }, () => connect(t, it.at));
    await told(it, (m) => m.value('vigil_http_dropped_total', { reason: 'idle' }) >= 69, 'those that went');
    assert.ok((await it.metrics()).value('vigil_http_connections_open') <= 32);
    await until(() => all.filter((one) => one.ended).length >= 68, 'the ends');
    // When all are in the middle of a request, who comes waits for their end.
    const busy = Array.from({ length: 40 }, () => {
      const one = connect(t, it.at);
      one.socket.write('GET /live HTTP/1.1\r\n');
      return one;
    });
    await until(() => busy.every((one) => one.ended), 'their ends');
    const m = await it.metrics();
    assert.ok(m.value('vigil_http_dropped_total', { reason: 'slow' }) + m.value('vigil_http_dropped_total', { reason: 'full' }) +
              m.value('vigil_http_dropped_total', { reason: 'idle' }) >= 108);
    assert.equal(m.value('vigil_http_dropped_total', { reason: 'error' }), 0);
  });

  test('one connection serves many requests, one after the other or at once', async (t) => {
    const it = await start(t);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    for (let i = 0; i < 50; i++) assert.equal((await ask(it.at, i % 2 ? '/ready' : '/metrics', { agent })).status, 200);
    const one = connect(t, it.at);
    one.socket.write('GET /live HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(500) + 'GET /live HTTP/1.1\r\nConnection: close\r\n\r\n');
    await until(() => one.ended, 'all answers');
    assert.equal(one.got.split('HTTP/1.1 200 OK').length - 1, 501);
    const m = await it.metrics();
    assert.ok(m.value('vigil_http_connections_total') <= 3, 'connections');
  });
});
