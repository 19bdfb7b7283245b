// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Which processes are watched. All of them are blocked in the same way; only
// those that serve (or are told to by VIGIL=on) may write an incident.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import dgram from 'node:dgram';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, app, isWatching, temporary, threads } from './helpers.mjs';
import { checkIncident, checkGuilty, incidents, unfinished, waitForIncident } from './incident.mjs';

const QUICK = { ...FAST, VIGIL_CAPTURE: 'cpu' };

function start(t, kind, { env = {}, args = [], stdio } = {}) {
  const dir = path.join(temporary(t), 'vigil');
  const it = new App(t, [app('serve.mjs'), kind, ...args],
                     { env: { ...QUICK, VIGIL_DIR: dir, ...env }, stdio });
  it.dir = dir;
  return it;
}

async function isWatched(it, pid = it.pid) {
  const { manifest, profile } = checkIncident(await waitForIncident(it, it.dir));
  assert.equal(manifest.process.pid, pid);
  assert.match(manifest.noHeapSnapshot, /VIGIL_CAPTURE/);
  checkGuilty(profile, 'guiltyHandler');
  assert.equal(it.vigil.length, 1);
}

// Not before another process, which began later and does serve, has written
// an incident of its own.
async function isNotWatched(t, it) {
  const [, child] = await it.line(/^ready ?(\d*)/m);
  const partner = start(t, 'tcp');
  await isWatched(partner);
  assert.equal(isWatching(partner.threads()), true);
  for (const pid of child ? [it.pid, child] : [it.pid]) {
    assert.ok(threads(pid).length > 0, it.said());
    assert.equal(isWatching(threads(pid)), false);
  }
  assert.deepEqual(incidents(it.dir).concat(unfinished(it.dir)), []);
  assert.deepEqual(it.vigil, []);
}

describe('watched', { concurrency: 4 }, () => {
  test('who listens on TCP', (t) => isWatched(start(t, 'tcp')));

  test('who listens on a UNIX socket', (t) => {
    return isWatched(start(t, 'unix', { args: [path.join(temporary(t), 'socket')] }));
  });

  test('who receives on a bound UDP socket', (t) => isWatched(start(t, 'udp')));

  test('who is given a listening socket', async (t) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    await isWatched(start(t, 'inherited', { stdio: ['ignore', 'pipe', 'pipe', server._handle.fd] }));
  });

  test('a cluster worker that is handed connections', async (t) => {
    const it = start(t, 'cluster');
    const [, pid] = await it.line(/^worker (\d+)/m);
    const [, port] = await it.line(/^ready (\d+)/m);
    const socket = net.connect(Number(port), '127.0.0.1');
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    await isWatched(it, Number(pid));
  });

  test('who says VIGIL=on, as a consumer of a queue', (t) => {
    return isWatched(start(t, 'none', { env: { VIGIL: 'on' } }));
  });
});

describe('not watched', { concurrency: 4 }, () => {
  test('who does not serve', (t) => isNotWatched(t, start(t, 'none')));

  test('who connects to others', async (t) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    await isNotWatched(t, start(t, 'client', { env: { port: String(server.address().port) } }));
  });

  test('who sends datagrams', async (t) => {
    const socket = dgram.createSocket('udp4');
    await new Promise((done) => socket.bind(0, '127.0.0.1', done));
    t.after(() => socket.close());
    await isNotWatched(t, start(t, 'udp-client', { env: { port: String(socket.address().port) } }));
  });

  test('a child that gets messages but no connections', (t) => isNotWatched(t, start(t, 'fork')));

  test('who serves with VIGIL=off', async (t) => {
    await isNotWatched(t, start(t, 'tcp', { env: { VIGIL: 'off' } }));
    const off = new App(t, ['-p', 'process.versions.vigil'], { env: { VIGIL: 'off' } });
    assert.equal((await off.exit()).stdout, '1\n');
  });
});
