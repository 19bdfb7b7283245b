// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Serves a folder on loopback, and writes what was asked for to stdout, after its
// port. Ends with its stdin.
//
//   serve.mjs FOLDER

import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';

const server = createServer((req, res) => {
  const path = normalize(decodeURIComponent(new URL(req.url, 'http://x').pathname));
  const file = join(process.argv[2], path);
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  const found = !path.endsWith('/') && size !== undefined;
  console.log(`${req.method} ${path} ${found || path === '/' ? 200 : 404}`);
  if (!found)
    return res.writeHead(path === '/' ? 200 : 404).end();
  res.writeHead(200, { 'Content-Length': size });
  if (req.method === 'HEAD')
    return res.end();
  createReadStream(file).pipe(res);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());
