// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A blocked process that serves in the way its argument says, or does not
// serve. Prints "ready" and a detail. Usage: serve.mjs KIND [PATH]

import { fork } from 'node:child_process';
import cluster from 'node:cluster';
import dgram from 'node:dgram';
import http from 'node:http';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { blockForever } from './block.mjs';

const ready = (detail = '') => console.log(`ready ${detail}`);
const [kind, path] = process.argv.slice(2);
const local = '127.0.0.1';

const kinds = {
  // ---- serving
  tcp: () => net.createServer().listen(0, local, ready),
  unix: () => net.createServer().listen(path, ready),
  // Socket activation: the socket listens already, as file descriptor 3.
  inherited: () => net.createServer().listen({ fd: 3 }, ready),
  udp: () => {
    const socket = dgram.createSocket('udp4').on('message', () => ready());
    socket.bind(0, local, () => {
      dgram.createSocket('udp4').send('hello', socket.address().port, local);
    });
  },
  // Workers get their connections from the primary, and never listen.
  cluster: () => {
    const server = http.createServer((_, response) => response.end('ok'));
    server.listen(0, local, () => ready(server.address().port));
  },

  // ---- not serving
  none: () => ready(),
  client: () => {
    const { port } = process.env;
    net.connect(port, local, ready);
  },
  // A child with a channel that carries messages but no connections.
  fork: () => {
    if (process.send) {
      process.send('hello');
      process.once('disconnect', process.exit);
      return;
    }
    const child = fork(fileURLToPath(import.meta.url), ['fork']);
    child.on('message', () => ready(child.pid));
  },
  'udp-client': () => {
    const socket = dgram.createSocket('udp4');
    socket.send('hello', Number(process.env.port), local, () => ready());
  },
};

if (kind === 'cluster' && cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  console.log(`worker ${cluster.fork().process.pid}`);
} else {
  kinds[kind]();
  blockForever();
}
