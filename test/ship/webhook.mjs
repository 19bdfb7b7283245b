// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A receiver of alerts: keeps what it gets, answers what it is told to.

import http from 'node:http';

export async function webhook(t, answer = () => ({ status: 200 })) {
  const got = [];
  const server = http.createServer((req, res) => {
    const parts = [];
    req.on('data', (d) => parts.push(d));
    req.once('end', () => {
      const text = Buffer.concat(parts).toString();
      const one = { method: req.method, path: req.url, headers: req.headers, text, json: text === '' ? null : JSON.parse(text) };
      got.push(one);
      const { status, headers, tear, hang } = answer(one, got.length);
      if (tear) return req.socket.destroy();
      if (hang) return;
      res.writeHead(status, headers).end('ok');
    });
  }).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  t.after(() => new Promise((done) => {
    server.close(done);
    server.closeAllConnections();
  }));
  return { got, url: `http://127.0.0.1:${server.address().port}` };
}
