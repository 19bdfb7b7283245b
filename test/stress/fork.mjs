// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Takes many forked heap snapshots of one busy process, and checks each. Prints a
// line for each that is not well, and a table; ends with 1 if there was one.
//
//   fork.mjs [--snapshots=200] [--works=all] [--keep=10] [--flags=V8 options] [--quiet] [--idle: no load]
//
//   VIGIL_NODE   our binary (default: the one that runs this)
//   ADDONS       folder with weak.node and finalize.node, for `native`

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkFile } from './fork-check.mjs';
import { works } from './fork-works.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const STUCK = 15_000;  // Without any CPU time.

// Full load until it is killed, with wrk or without.
function load(port) {
  const url = `http://127.0.0.1:${port}/`;
  const args = spawnSync('wrk', ['--version']).error
    ? [process.execPath, fileURLToPath(import.meta.url), 'client', url]
    : ['wrk', '-t1', '-c16', '-d100000s', url];
  return spawn(args[0], args.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] });
}

function client(url) {
  const agent = new http.Agent({ keepAlive: true });
  const again = () => http.get(url, { agent }, (response) => response.resume().on('end', again)).on('error', again);
  for (let i = 0; i < 16; i++) again();
}

const read = (file) => { try { return readFileSync(file, 'utf8'); } catch { return ''; } };

// Our children of a process, with their CPU time in ticks.
function children(pid) {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const [, comm, rest] = /^\d+ \((.*)\) (.*)/.exec(read(`/proc/${name}/stat`)) ?? [];
    const fields = rest?.split(' ');
    return comm === 'vigil-heap' && Number(fields[1]) === pid && fields[0] !== 'Z'
      ? [{ pid: Number(name), cpu: Number(fields[11]) + Number(fields[12]) }] : [];
  });
}

// Says where a child hangs, when gdb is there.
function watch(pid, say) {
  const seen = new Map();
  return setInterval(() => {
    for (const child of children(pid)) {
      const last = seen.get(child.pid);
      if (last?.cpu !== child.cpu) {
        seen.set(child.pid, { cpu: child.cpu, since: performance.now() });
      } else if (!last.said && performance.now() - last.since > STUCK) {
        last.said = true;
        const args = ['-p', child.pid, '-batch', '-ex', 'set language c', '-ex', 'bt'];
        const { stdout } = spawnSync('gdb', args, { encoding: 'utf8' });
        say(`child ${child.pid} hangs\n${(stdout ?? '').split('\n').filter((line) => /^#/.test(line)).join('\n')}`);
      }
    }
  }, 1000).unref();
}

// Runs the program; calls `each` with each snapshot, which is deleted after that.
// Gives what ended it.
export async function stress({ node, snapshots, names, keep, flags, env, each, say, idle }) {
  const dir = mkdtempSync(path.join(tmpdir(), 'vigil-stress-'));
  const args = ['--expose-gc', ...flags, path.join(here, 'fork-app.mjs'), snapshots, keep, ...names];
  const app = spawn(node, args.map(String), {
    env: { VIGIL: 'on', VIGIL_LAG_P99_MS: '60000', VIGIL_STALL_MS: 'off', VIGIL_GC_SHARE: 'off', VIGIL_OLD_SPACE_SHARE: 'off',
           VIGIL_POOL_WAIT_P99_MS: 'off', VIGIL_DISK: '10GB', VIGIL_REPORT: 'off', VIGIL_HEAP_TIME: '60s', VIGIL_DIR: path.join(dir, 'vigil'), ...env,
           ...Object.fromEntries(Object.entries(process.env).filter(([name]) => /^VIGIL_HEAP_/.test(name))) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  app.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text.split('\n').filter((line) => !/^vigil: captured on request/.test(line)).join('\n');
  });
  const ended = new Promise((done) => app.on('close', (code, signal) => done({ code, signal })));
  const watching = watch(app.pid, say);
  let client;
  try {
    for await (const line of createInterface({ input: app.stdout })) {
      const it = JSON.parse(line);
      if (it.port) {
        if (!idle) client = load(it.port);
        continue;
      }
      each(it);
      if (it.directory) rmSync(it.directory, { recursive: true });
    }
    const end = await ended;
    return { ...end, stderr, left: readdirSync(path.join(dir, 'vigil')).filter((name) => name.startsWith('.tmp-')) };
  } finally {
    clearInterval(watching);
    client?.kill('SIGKILL');
    app.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

// What a snapshot may stop the loop for, by us.
const bound = ({ rss }) => 20 + 20 * rss / 2 ** 30;
const stop = ({ restMs, forkMs }) => restMs + forkMs;

function table(all) {
  const rows = {
    'tries': (s) => s.tries, 'heap, MB': (s) => s.heapBytes / 2 ** 20, 'resident, MB': (s) => s.rss / 2 ** 20,
    'rest, ms': (s) => s.restMs, 'fork, ms': (s) => s.forkMs, 'rest and fork, ms': stop,
    'of the goal of 20 ms + 20 ms/GB': (s) => stop(s) / bound(s), 'all our work on the loop, ms': (s) => s.selfMs,
    'child, s': (s) => s.childMs / 1000, 'child, MB of its own': (s) => s.childBytes / 2 ** 20,
  };
  console.log(`| ${all.length} snapshots | median | p95 | most |\n|---|---|---|---|`);
  for (const [name, of] of Object.entries(rows)) {
    const values = all.map(of).sort((a, b) => a - b);
    const at = (share) => values[Math.min(values.length - 1, Math.floor(share * values.length))].toFixed(2);
    console.log(`| ${name} | ${at(0.5)} | ${at(0.95)} | ${at(1)} |`);
  }
}

async function command() {
  const { values } = parseArgs({ options: {
    snapshots: { type: 'string', default: '200' }, works: { type: 'string', default: 'all' },
    keep: { type: 'string', default: '10' }, flags: { type: 'string', default: '' }, quiet: { type: 'boolean' }, idle: { type: 'boolean' },
  } });
  const names = values.works === 'all'
    ? Object.keys(works).filter((name) => process.env.ADDONS || name !== 'native')
    : values.works.split(',').filter(Boolean);
  const good = [];
  let bad = 0;
  const say = (text) => { bad++; console.log(`BAD ${text}`); };
  const end = await stress({
    node: process.env.VIGIL_NODE || process.execPath, snapshots: Number(values.snapshots), names,
    keep: Number(values.keep), flags: values.flags.split(' ').filter(Boolean), idle: values.idle, env: { ADDONS: process.env.ADDONS ?? '' }, say,
    each(it) {
      if (!values.quiet) console.log(JSON.stringify({ ...it, directory: undefined, name: undefined }));
      if (!it.file) return say(JSON.stringify(it));
      try {
        checkFile(path.join(it.directory, it.file), it.name);
        good.push(it);
      } catch (error) {
        say(error.message);
      }
    },
  });
  if (end.code !== 0) say(`the program ended with ${end.code ?? end.signal}`);
  if (end.stderr) say(`it said ${end.stderr.slice(0, 4000)}`);
  if (end.left.length) say(`left over: ${end.left}`);
  if (good.length + bad < Number(values.snapshots)) say(`only ${good.length + bad} snapshots`);
  if (good.length) table(good);
  console.log(`${names.join(',')} ${values.flags}: ${good.length} good, ${bad} bad`);
  process.exitCode = bad ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'client') client(process.argv[3]);
  else await command();
}
