// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { createServer } from 'node:http';
import { Writable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { Agent, Pool, fetch, request, stream } from 'undici';

const server = createServer((req, res) => {
  if (req.url === '/gzip') return res.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('packed'));
  if (req.url === '/moved') return res.writeHead(302, { location: '/gzip' }).end();
  if (req.url === '/slow') return setTimeout(() => res.end('late'), 60_000).unref();
  req.pipe(res);
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const base = `http://127.0.0.1:${server.address().port}`;
const pool = new Pool(base, { connections: 4, pipelining: 2 });
const bodies = await Promise.all(Array.from({ length: 50 }, async (_, n) =>
  (await pool.request({ path: '/', method: 'POST', body: String(n) })).body.text()));
console.log(bodies.join());
console.log(await (await fetch(`${base}/moved`)).text());
let size = 0;
await stream(base, { method: 'POST', body: Buffer.alloc(1e6) }, () =>
  new Writable({ write(chunk, _, done) { size += chunk.length; done(); } }));
console.log(size);
const slow = request(`${base}/slow`, { signal: AbortSignal.timeout(100) });
console.log(await slow.catch((error) => error.name));
await new Agent().close();
await pool.close();
server.closeAllConnections();
server.close();
