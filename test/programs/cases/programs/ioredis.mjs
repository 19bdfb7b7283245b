// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Against a Redis of its own (Debian's), on a socket in a folder.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import Redis from 'ioredis';

const dir = mkdtempSync('/tmp/vigil-redis-');
const server = spawn('redis-server', ['--port', '0', '--unixsocket', `${dir}/s`, '--save', '', '--dir', dir], { stdio: 'ignore' });
process.on('exit', () => { server.kill('SIGKILL'); rmSync(dir, { recursive: true, force: true }); });
const open = () => new Redis({ path: `${dir}/s`, retryStrategy: () => 50, maxRetriesPerRequest: null })
  .on('error', () => {});
const redis = open();
await redis.set('key', 'value', 'EX', 60);
console.log(await redis.get('key'));
console.log(await redis.multi().incr('n').incrby('n', 41).get('n').exec());
console.log((await Promise.all(Array.from({ length: 200 }, (_, n) => redis.rpush('list', n)))).at(-1));
redis.defineCommand('twice', { numberOfKeys: 1, lua: "return redis.call('get', KEYS[1]) * 2" });
console.log(await redis.twice('n'));
const other = open();
await other.subscribe('news');
const heard = new Promise((done) => other.on('message', (channel, text) => done([channel, text])));
await redis.publish('news', 'heard');
console.log(await heard);
let scanned = 0;
for await (const keys of redis.scanStream()) scanned += keys.length;
console.log(scanned);
redis.disconnect();
other.disconnect();
process.exit();
