// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A server whose handler runs a child process synchronously: a loop inside of
// the loop, which polls while nothing else is served.

import { execSync } from 'node:child_process';
import http from 'node:http';

function guiltyCommand() {
  execSync('sleep 1');
}

const server = http.createServer((_, response) => {
  guiltyCommand();
  response.end('done\n');
});
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`));
setTimeout(() => process.exit(99), 240_000).unref();
