// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import WebSocket, { WebSocketServer } from 'ws';

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: { threshold: 0 } });
server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
await new Promise((done) => server.on('listening', done));
const url = `ws://127.0.0.1:${server.address().port}`;
// Its own client, and the one that Node has.
for (const Client of [WebSocket, globalThis.WebSocket]) {
  const client = new Client(url);
  client.binaryType = 'arraybuffer';
  await new Promise((done) => { client.onopen = done; });
  for (const sent of ['text', 'long '.repeat(50_000), new Uint8Array(100_000).fill(7)]) {
    const got = new Promise((done) => { client.onmessage = ({ data }) => done(data); });
    client.send(sent);
    const data = await got;
    console.log(typeof data, data.length ?? data.byteLength);
  }
  const closed = new Promise((done) => { client.onclose = ({ code }) => done(code); });
  client.close(4001);
  console.log(await closed);
}
server.close();
