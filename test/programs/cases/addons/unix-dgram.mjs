// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// nan and uv_poll handles; built here.

import { mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

const unix = createRequire(import.meta.url)('unix-dgram');
const file = path.join(mkdtempSync(path.join(tmpdir(), 'u')), 's');
const server = unix.createSocket('unix_dgram');
const got = new Promise((done) => server.on('message', (bytes) => done(bytes.toString())));
server.bind(file);
const client = unix.createSocket('unix_dgram');
client.send(Buffer.from('message'), 0, 7, file);
console.log(await got);
client.close();
server.close();
