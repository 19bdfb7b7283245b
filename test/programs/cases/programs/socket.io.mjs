// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Long polling that changes to a WebSocket, rooms, acknowledgements, binary.

import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { until } from '../lib.mjs';

const http = createServer();
const sockets = new Server(http);
sockets.on('connection', (socket) => {
  socket.join('room');
  socket.on('bytes', (bytes, reply) => reply(Buffer.from(bytes).reverse()));
  socket.on('all', (text) => sockets.to('room').emit('all', text.toUpperCase()));
});
await new Promise((done) => http.listen(0, '127.0.0.1', done));
const url = `http://127.0.0.1:${http.address().port}`;
for (const transports of [['polling', 'websocket'], ['websocket'], ['polling']]) {
  const client = io(url, { transports, forceNew: true });
  await new Promise((done) => client.on('connect', done));
  await until(() => client.io.engine.transport.name === transports.at(-1));
  console.log(transports.join(), [...await client.emitWithAck('bytes', Buffer.from([1, 2, 3]))]);
  const all = new Promise((done) => client.once('all', done));
  client.emit('all', 'text');
  console.log(await all, client.io.engine.transport.name);
  client.close();
}
await sockets.close();
