// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// 1,000 processes of a service that trip in the same second, against a store with
// conditional writes: how many capture, and what the store has to bear.
//
//   usage: node test/bench/fleet.mjs [ceph|exact] [PROCESSES] [K...]
//
// `ceph` is Debian's, in memory (test/ship/ceph.mjs); `exact` the small one of the
// tests. A process is a claim() with a directory and connections of its own; they
// run in 4 OS processes, as 1,000 would only measure this machine. For the same
// reason a claim has 60 s and not 1.5; the last column says how many took longer.

import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { KEYS, ceph, environmentFor } from '../ship/ceph.mjs';
import { debian, run } from '../ship/debian.mjs';
import { SHIP } from '../ship/shipping.mjs';
import { store } from '../ship/store.mjs';

const DRIVERS = 4;
const ship = createRequire(import.meta.url)(SHIP);
const self = fileURLToPath(import.meta.url);

// One driver: trips `count` processes, each at its own instant of one second.
async function drive({ env, dir, known, count, seed }) {
  const answers = await Promise.all(Array.from({ length: count }, async (_, n) => {
    const own = path.join(dir, `${seed}-${n}`);
    mkdirSync(own);
    writeFileSync(path.join(own, 'fleet.json'), known);
    await new Promise((done) => setTimeout(done, Math.random() * 1000));
    const began = performance.now();
    const lines = [];
    const answer = await ship.claim({ dir: own, env, log: (line) => lines.push(line), mostMs: 60_000 });
    return { answer, ms: performance.now() - began, lines };
  }));
  process.send(answers, () => process.disconnect());
}

async function simulate(s, k, processes) {
  const dir = mkdtempSync(path.join(tmpdir(), 'fleet-'));
  try {
    const env = { HOME: dir, ...s.env, VIGIL_FLEET: `${k}/24h`, VIGIL_VERSION: `k${k}` };
    const probe = await ship.probe({ dir, env, log: console.error });
    if (probe !== 'honest') throw new Error(`the store is ${probe}`);
    const known = createRequire(import.meta.url)('node:fs').readFileSync(path.join(dir, 'fleet.json'), 'utf8');
    const before = s.requests().length;
    const began = performance.now();
    const all = (await Promise.all(Array.from({ length: DRIVERS }, (_, seed) => new Promise((resolve, reject) => {
      const count = Math.floor((processes + seed) / DRIVERS);
      const child = fork(self, ['drive'], { env: { ...process.env, VIGIL: 'off' } });
      child.send({ env, dir, known, count, seed });
      child.once('message', resolve);
      child.once('exit', (code) => code && reject(new Error(`a driver ended with ${code}`)));
    })))).flat();
    const seconds = (performance.now() - began) / 1000;
    const requests = s.requests().slice(before);
    const count = (answer) => all.filter((a) => a.answer === answer).length;
    const status = Object.entries(Object.groupBy(requests, (r) => r)).map(([code, list]) => `${list.length} x ${code}`).sort().join(', ');
    const ms = all.map((a) => a.ms).sort((a, b) => a - b);
    const at = (q) => Math.round(ms[Math.min(ms.length - 1, Math.floor(ms.length * q))]);
    console.log(`| ${k} | ${count('yes')} | ${count('no')} | ${count('local')} | ${requests.length} (${(requests.length / processes).toFixed(2)} each; ${status}) | ${
      seconds.toFixed(1)} s | ${at(0.5)}, ${at(0.99)}, ${at(1)} ms | ${ms.filter((v) => v > 1500).length} |`);
    for (const line of new Set(all.flatMap((a) => a.lines))) console.error(line);
    if (count('yes') > k) throw new Error(`${count('yes')} captures with ${k} slots`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function main([kind = 'ceph', processes = '1000', ...ks]) {
  const ends = [];
  const t = { after: (end) => ends.push(end) };
  try {
    let s;
    if (kind === 'exact') {
      const exact = await store(t);
      const statuses = [];
      exact.server.on('request', (_, res) => res.once('finish', () => statuses.push(String(res.statusCode))));
      s = { env: exact.env, requests: () => statuses };
    } else {
      const tools = debian();
      const real = await ceph(t, tools);
      await run(tools.bin('s3cmd'), ['--no-ssl', `--host=127.0.0.1:${real.port}`, `--host-bucket=127.0.0.1:${real.port}`, `--access_key=${KEYS.id}`,
                                     `--secret_key=${KEYS.secret}`, '--config=/dev/null', 'mb', 's3://evidence'], { env: tools.env });
      s = { env: environmentFor(real.url), requests: () => real.requests().map((line) => /HTTP\/1.1" (\d+)/.exec(line)[1]) };
    }
    console.log(`${processes} processes, ${kind === 'exact' ? 'the exact store' : 'Ceph'}\n
| slots | captures | no | local | requests | all of it | a claim: median, p99, longest | over 1.5 s |\n|---|---|---|---|---|---|---|---|`);
    for (const k of ks.length === 0 ? [1, 3, 10] : ks) await simulate(s, Number(k), Number(processes));
  } finally {
    for (const end of ends) await end();
  }
}

if (process.argv[2] === 'drive') process.once('message', drive);
else await main(process.argv.slice(2));
