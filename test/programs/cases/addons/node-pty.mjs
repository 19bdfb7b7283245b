// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// N-API in C++, a fork with a terminal; built here.

import { createRequire } from 'node:module';

const { spawn } = createRequire(import.meta.url)('node-pty');
const terminal = spawn('/bin/sh', ['-c', 'stty size; test -t 0 && echo terminal; exit 7'], { cols: 90, rows: 30, env: { PATH: process.env.PATH } });
let said = '';
terminal.onData((text) => { said += text; });
const { exitCode } = await new Promise((done) => terminal.onExit(done));
await new Promise((done) => setTimeout(done, 50));
console.log(JSON.stringify(said), exitCode);
