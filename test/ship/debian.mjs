// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Programs of the folder that debian.sh makes: where they are and what they need.

import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { environment, top } from '../integration/helpers.mjs';

export function debian() {
  const { VIGIL_CACHE } = process.env;
  const root = execFileSync(path.join(top, 'test/ship/debian.sh'), { encoding: 'utf8', env: environment({ VIGIL_CACHE }) }).trim();
  const env = { LD_LIBRARY_PATH: readFileSync(path.join(root, 'libraries'), 'utf8').trim(),
                PYTHONPATH: path.join(root, 'usr/lib/python3/dist-packages'), PATH: `${root}/usr/bin:/usr/bin:/bin`, HOME: '/nonexistent' };
  return { root, env, bin: (name) => path.join(root, 'usr/bin', name) };
}

// Without blocking the servers of the test, which the client talks to.
export function run(file, args, { env, input, accept = [0], ms = 120_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, stdio: ['pipe', 'pipe', 'pipe'], timeout: ms, killSignal: 'SIGKILL' });
    const out = [];
    let err = '';
    child.stdout.on('data', (d) => out.push(d));
    child.stderr.setEncoding('utf8').on('data', (s) => { err += s; });
    child.stdin.on('error', () => {}).end(input);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const stdout = Buffer.concat(out);
      if (accept.includes(code)) resolve({ code, stdout, stderr: err });
      else reject(new Error(`${path.basename(file)} ${args.slice(0, 4).join(' ')} ended with ${code ?? signal}: ${(err || stdout.toString()).slice(-1500)}`));
    });
  });
}

export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}
