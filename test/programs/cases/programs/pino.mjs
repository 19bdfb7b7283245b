// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A logger whose transport is a worker thread.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import pino from 'pino';
import { folder, until } from '../lib.mjs';

const file = path.join(folder(), 'log');
const transport = pino.transport({ target: 'pino/file', options: { destination: file } });
const log = pino({ base: null, timestamp: false }, transport);
for (let n = 0; n < 1000; n++) log.info({ n }, 'line');
transport.end();
await until(() => readFileSync(file, 'utf8').split('\n').length > 1000);
const lines = readFileSync(file, 'utf8').trim().split('\n');
console.log(lines.length, lines[0], lines.at(-1));
