// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The driver of run.sh: measures every variant in every round, in another order each
// time, and prints the tables.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

import { Table } from './compare.mjs';
import { variants } from './variants.mjs';

const { OURS, STOCK, FOLDER, WORK, SERVER_CPUS, LOAD_CPU, QUICK, MACHINE } = process.env;
const { list, missing } = variants({ stock: STOCK, ours: OURS, folder: FOLDER, work: WORK });
const file = (name) => fileURLToPath(new URL(name, import.meta.url));
// Seconds in all, with 12 variants: hello 200, json and fastify 140 each, each kind of
// work 50, start-up 50, idle 35.
const plan = QUICK ?
  { hello: 1, json: 1, fastify: 1, seconds: 1, warm: 0.5, works: 1, workMs: 300, starts: 3, idleRounds: 1, idleSeconds: 2 } :
  { hello: 4, json: 3, fastify: 3, seconds: 2.5, warm: 1, works: 3, workMs: 900, starts: 50, idleRounds: 2, idleSeconds: 10 };
const began = Date.now();
const limit = 25 * 60_000;

function note(text) {
  process.stderr.write(`${((Date.now() - began) / 1000).toFixed(0)} s: ${text}\n`);
}

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
const failures = [];

// One sample that fails is missing and told of; many are no measurement.
async function attempt(variant, what, f) {
  try {
    await f();
  } catch (error) {
    failures.push(`${what}, ${variant.name}: ${error.message}`);
    note(failures.at(-1));
    running.forEach((child) => child.kill('SIGKILL'));
    if (failures.length > 10)
      throw error;
  }
}

// f(variant, round) for all of them, each round from another one on. No round begins
// that would pass the limit of the whole run.
async function interleave(what, rounds, f) {
  let longest = 0;
  for (let round = 0; round < rounds; round++) {
    const start = Date.now();
    if (start + longest > began + limit) {
      note(`${what}: out of time after ${round} of ${rounds} rounds`);
      break;
    }
    for (let k = 0; k < list.length; k++) {
      const variant = list[(k + round) % list.length];
      await attempt(variant, what, () => f(variant, round));
    }
    longest = Math.max(longest, Date.now() - start);
  }
  note(what);
}

// A process of a variant; what it prints first.
async function start(variant, cpus, ...args) {
  const child = spawn('taskset', ['-c', cpus, variant.node, ...variant.args, ...args],
                      { env: variant.env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let errors = '';
  child.stderr.on('data', (data) => { errors += data; });
  child.stdout.setEncoding('utf8');
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'close').then(() => { throw new Error(`${variant.name} ended: ${errors}`); }),
  ]);
  return { child, line: line.trim(), errors: () => errors };
}

async function end({ child }) {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

const tasks = (pid) => readdirSync(`/proc/${pid}/task`).map((t) => `/proc/${pid}/task/${t}`);

// us on a core, all threads
function cpuTime(pid) {
  return tasks(pid).reduce((sum, t) => sum + Number(readFileSync(`${t}/schedstat`, 'utf8').split(' ')[0]), 0) / 1000;
}

function switches(pid) {
  let voluntary = 0;
  for (const t of tasks(pid))
    voluntary += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`${t}/status`, 'utf8'))[1]);
  return voluntary;
}

// A variant that is not in the state it is named after makes the figures worthless.
function checkState(variant, pid) {
  const watched = tasks(pid).some((t) => readFileSync(`${t}/comm`, 'utf8') === 'vigil-watch\n');
  const wanted = variant.env.VIGIL === 'on';
  if (watched !== wanted)
    throw new Error(`${variant.name}: ${watched ? 'a' : 'no'} vigil-watch thread`);
}

writeFileSync(`${WORK}/report.lua`, `function done(summary, latency)
  local e = summary.errors
  print(string.format("RESULT %d %d %d %d %d %d", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    e.connect + e.read + e.write + e.status + e.timeout))
end
`);

async function wrk(port, seconds) {
  const child = spawn('wrk', ['-t1', '-c32', `-d${Math.max(1, Math.round(seconds))}s`, '-s', `${WORK}/report.lua`,
                              `http://127.0.0.1:${port}/`], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (data) => { out += data; });
  await once(child, 'close');
  const [requests, us, p50, p99, p999, errors] = /RESULT (.*)/.exec(out)[1].split(' ').map(Number);
  if (errors || !requests)
    throw new Error(`wrk: ${errors} errors, ${requests} requests`);
  return { requests, us, p50, p99, p999 };
}

async function http(kind) {
  const table = new Table(list, [
    ['requests/s', 'higher'], ['p50, us', 'lower'], ['p99, us', 'lower'], ['p99.9, us', 'lower'],
    ['CPU, us/request', 'lower']]);
  await interleave(`HTTP ${kind}`, plan[kind], async (variant, round) => {
    const server = await start(variant, SERVER_CPUS, file('serve.cjs'), kind, '60');
    await wrk(server.line, plan.warm);
    checkState(variant, server.child.pid);
    const before = cpuTime(server.child.pid);
    const r = await wrk(server.line, plan.seconds);
    const cpu = cpuTime(server.child.pid) - before;
    await end(server);
    if (server.errors() !== '')
      throw new Error(`${variant.name} said: ${server.errors()}`);
    table.add(variant, round, [r.requests * 1e6 / r.us, r.p50, r.p99, r.p999, cpu / r.requests]);
  });
  return table;
}

async function works() {
  const kinds = ['timers', 'fs', 'crypto', 'gc'];
  const names = { timers: 'timers/s', fs: 'file reads/s', crypto: 'pbkdf2/s', gc: 'GC churn, rounds/s' };
  const table = new Table(list, kinds.map((kind) => [names[kind], 'higher']));
  await interleave('timers, fs, crypto, gc', plan.works, async (variant, round) => {
    const row = [];
    for (const kind of kinds) {
      // The pool needs its cores; the driver sleeps meanwhile.
      const run = await start(variant, `${SERVER_CPUS},${LOAD_CPU}`, file('work.cjs'), kind, `${plan.workMs}`);
      if (run.child.exitCode === null && run.child.signalCode === null)
        await once(run.child, 'exit');
      row.push(Number(run.line));
    }
    table.add(variant, round, row);
  });
  return table;
}

async function starts() {
  const table = new Table(list, [['node -e 0, ms', 'lower']]);
  await interleave('start-up', plan.starts, (variant, round) => {
    const t0 = process.hrtime.bigint();
    const { status, stderr } = spawnSync('taskset', ['-c', SERVER_CPUS, variant.node, ...variant.args, '-e', '0'],
                                         { env: { ...variant.env, ...variant.env.VIGIL === 'on' && { VIGIL: undefined } } });
    const ms = Number(process.hrtime.bigint() - t0) / 1e6;
    if (status !== 0)
      throw new Error(`${variant.name}: ${stderr}`);
    table.add(variant, round, [ms]);
  });
  return table;
}

// All at the same time: they have nothing to do.
async function idle() {
  const table = new Table(list, [['wake-ups/s', 'difference'], ['CPU, us/s', 'difference'],
                                 ['resident, MB', 'difference'], ['own memory, MB', 'difference']]);
  const life = 60 + plan.idleRounds * plan.idleSeconds;
  const servers = [];
  for (const variant of list) {
    servers.push(await start(variant, `${SERVER_CPUS},${LOAD_CPU}`, file('serve.cjs'), 'hello', `${life}`));
    checkState(variant, servers.at(-1).child.pid);
  }
  await sleep(QUICK ? 1000 : 15_000);
  for (let round = 0; round < plan.idleRounds; round++) {
    const look = () => servers.map(({ child: { pid } }) => [performance.now(), switches(pid), cpuTime(pid)]);
    const before = look();
    await sleep(plan.idleSeconds * 1000);
    const after = look();
    list.forEach((variant, i) => {
      const smaps = readFileSync(`/proc/${servers[i].child.pid}/smaps_rollup`, 'utf8');
      const kb = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(smaps)[1]);
      const seconds = (after[i][0] - before[i][0]) / 1000;
      table.add(variant, round, [(after[i][1] - before[i][1]) / seconds, (after[i][2] - before[i][2]) / seconds,
                                 kb('Rss') / 1024, (kb('Private_Dirty') + kb('Private_Clean')) / 1024]);
    });
  }
  await Promise.all(servers.map(end));
  note('idle');
  return table;
}

const tables = [
  ['Idle', 'Servers without work, all at the same time: what each has more than the official one. ' +
   'A wake-up is a voluntary context switch of any thread; own memory are pages that no other process shares.', await idle()],
  ['Start-up', '`node -e 0` as a whole, with its exit; `VIGIL=auto` but where it is off.', await starts()],
  ['HTTP, hello world', 'wrk, 32 connections, server and load on a core each.', await http('hello')],
  ['HTTP, JSON', 'The same; 2 KB, parsed and serialised for each request.', await http('json')],
  ['HTTP, fastify', 'fastify 5.12.8.', await http('fastify')],
  ['Timers, thread pool, GC', 'Operations a second in a program that does nothing else: 100 timers at a time; ' +
   '8 files read, 8 keys derived at a time by the pool; objects that live for a while.', await works()],
];

console.log(`Measured ${new Date().toISOString().slice(0, 10)} by \`test/bench/run.sh\`, in ` +
  `${((Date.now() - began) / 60_000).toFixed(0)} minutes.\n\n\`\`\`\n${MACHINE.replace(/^# (ours|stock): .*\n?/gm, '').trim()}\n\`\`\``);
for (const [title, text, table] of tables)
  console.log(`\n### ${title}\n${text}\n\n${table.markdown()}`);
if (failures.length)
  console.log(`\nSamples that are missing:\n${failures.map((text) => `- ${text}\n`).join('')}`);
if (missing.length)
  console.log(`\nCould not be installed here, and so are missing: ${missing.join(', ')}.`);
