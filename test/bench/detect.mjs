// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Who notices which fault, after how long, and with what in hand: Vigil, and what else
// there is for the official binary, beside the latencies that an open-loop load saw. Each
// fault runs twice: in a server under Vigil with its defaults, and in one of the
// official binary that has all the other tools. detect.sh calls it; see there.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { blamed } from './blame.mjs';
import { OpenLoop, percentile } from './openloop.mjs';
import { addOns } from './variants.mjs';

const { OURS, STOCK, FOLDER, WORK, SERVER_CPUS, QUICK, ONLY, MACHINE } = process.env;
const server = fileURLToPath(new URL('detect-server.cjs', import.meta.url));
const plan = QUICK ?
  { calm: 2, fault: 10, after: 8, windowMs: 2000,
    env: { VIGIL_GRACE: '0s', VIGIL_WINDOW: '2s', VIGIL_FOR: '2s', VIGIL_CPU_PROFILE: '2s' } } :
  { calm: 12, fault: 30, after: 20, windowMs: 10_000, env: {} };
const own = `${FOLDER}/${addOns['@sentry-internal/node-native-stacktrace']}`;
const tools = { windowMs: plan.windowMs, limitMs: 50, busy: 0.7, stallMs: 250,
                stacktrace: existsSync(`${own}/loads`) ? `${own}/` : undefined };

// [title, what the server does, faults a second, function to blame, more]
const faults = [
  ['none', 'none:0', 0],
  ['handler blocks 60 ms, 2/s', 'block:60', 2, 'blockLoop'],
  ['handler blocks 60 ms, 8/s', 'block:60', 8, 'blockLoop'],
  ['handler blocks 100 ms, 1/s', 'block:100', 1, 'blockLoop'],
  ['handler blocks 100 ms, 5/s', 'block:100', 5, 'blockLoop'],
  ['handler blocks 300 ms, every 5 s', 'block:300', 0.2, 'blockLoop'],
  ['handler blocks 300 ms, 1/s', 'block:300', 1, 'blockLoop'],
  ['handler blocks 500 ms, every 10 s', 'block:500', 0.1, 'blockLoop'],
  ['GC churn in a heap that is nearly full', 'gc:20000', 10, 'churn', { args: ['--max-old-space-size=200'] }],
  ['regular expression of 150 to 300 ms, 1/s', 'regex:150', 1, 'badRegex'],
  ['execSync of 200 ms, 1/s', 'exec:200', 1, 'runChild'],
  ['thread pool saturated by pbkdf2', 'pool:1500000', 20],
  ['8 other processes want the CPU', 'starved:5', 0, undefined, { hogs: 8, users: 60 }],
];

const titles = ['eld10', 'eld20', 'eldi', 'elu', 'stacktrace'];
const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

function run(node, args, env) {
  const child = spawn('taskset', ['-c', SERVER_CPUS, node, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  once(child, 'exit').then(() => children.delete(child));
  return child;
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null)
    return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

// Lines of a stream, with the time they came at.
function lines(stream, each) {
  let rest = '';
  stream.setEncoding('utf8').on('data', (text) => {
    const all = (rest + text).split('\n');
    rest = all.pop();
    for (const line of all)
      each(line, performance.now());
  });
}

async function scenario([, what, rate,, more = {}], node, env) {
  const life = plan.calm + plan.fault + plan.after + 60;
  const child = run(node, [...more.args ?? [], server, what, `${life}`], { ...process.env, ...env });
  const seen = [];
  let port;
  lines(child.stdout, (line, at) => {
    if (port === undefined)
      port = Number(line);
    else
      seen.push({ at, ...JSON.parse(line) });
  });
  lines(child.stderr, (line, at) => seen.push({ at, line }));
  while (port === undefined) {
    if (child.exitCode !== null)
      throw new Error(`${what}: the server ended`);
    await sleep(20);
  }
  const load = new OpenLoop(port);
  load.begin('/', more.users ?? 50);
  await sleep(plan.calm * 1000);
  const start = performance.now();
  const hogs = Array.from({ length: more.hogs ?? 0 }, () =>
    run(STOCK, ['-e', `const end = Date.now() + ${(plan.fault + 60) * 1000}; while (Date.now() < end);`], process.env));
  const cease = rate ? load.begin('/fault', rate) : () => {};
  await sleep(plan.fault * 1000);
  const latencies = load.since(start);
  cease();
  await Promise.all(hogs.map(stop));
  return { child, load, seen, start, latencies };
}

const seconds = (ms) => `${(ms / 1000).toFixed(0)} s`;

function incidents(folder) {
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith('incident-')) : [];
}

async function vigil(fault, index) {
  const folder = `${WORK}/vigil-${index}`;
  const it = await scenario(fault, OURS, { VIGIL: undefined, VIGIL_DIR: folder, ...plan.env });
  // What began is written to its end.
  const said = () => it.seen.find(({ line }) => line?.startsWith('vigil: ') && / captured | nothing |no capture/.test(line));
  for (let i = 0; i < plan.after * 10 && !said(); i++) {
    if (i > 30 && !existsSync(folder))
      break;
    await sleep(100);
  }
  it.load.end();
  await stop(it.child);
  const [name] = incidents(folder);
  if (!name)
    return { ...it, text: 'no' };
  const incident = JSON.parse(readFileSync(`${folder}/${name}/incident.json`, 'utf8'));
  const after = Date.parse(incident.triggered) - (performance.timeOrigin + it.start);
  const { rule, cause } = incident;
  const evidence = incident.files.map((f) => f.name.replace(/-\d+/, '')).filter((n) => n !== 'incident.json');
  const share = fault[3] && blamed(`${folder}/${name}`, incident.files, fault[3]);
  return { ...it, text: `after ${seconds(after)}: ${rule.name} ${rule.value?.toFixed(0)} ${rule.unit ?? ''}, cause ${cause.class}` +
    (share === undefined ? '' : `, ${fault[3]} has ${(share * 100).toFixed(0)} % of the profile`) +
    `; ${evidence.join(', ') || 'no profile, which would show an innocent'}` };
}

async function others(fault) {
  const it = await scenario(fault, STOCK, { VIGIL: undefined, DETECT_TOOLS: JSON.stringify(tools) });
  it.load.end();
  await stop(it.child);
  const errors = it.seen.filter(({ line }) => line !== undefined);
  if (errors.length)
    throw new Error(`${fault[0]}: ${errors[0].line}`);
  const cells = titles.map((tool) => {
    const all = it.seen.filter((s) => s.tool === tool && s.at > it.start && s.at < it.start + (plan.fault + 1) * 1000);
    const first = all.find(({ over }) => over);
    const early = it.seen.some((s) => s.tool === tool && s.over && s.at < it.start);
    const most = Math.max(...all.map(({ value }) => value));
    const figure = tool === 'elu' ? `${(most * 100).toFixed(0)} %` : `${most.toFixed(0)} ms`;
    if (tool === 'stacktrace' && !tools.stacktrace)
      return 'not there';
    if (!first)
      return all.length ? `no (${figure})` : 'no';
    const stack = tool !== 'stacktrace' ? '' : all.some(({ evidence }) => fault[3] && evidence.includes(`"${fault[3]}"`)) ?
      `, a stack with ${fault[3]}` : ', a stack';
    return `after ${seconds(first.at - it.start)} (${figure}${stack})${early ? ', but before it, too' : ''}`;
  });
  return { ...it, cells };
}

mkdirSync(WORK, { recursive: true });
const rows = [];
let late = 0;
for (const [index, fault] of faults.entries()) {
  if (ONLY && !fault[0].includes(ONLY))
    continue;
  try {
    const theirs = await others(fault);
    const ours = await vigil(fault, index);
    late = Math.max(late, theirs.load.late, ours.load.late);
    const failed = [...theirs.load.failed, ...ours.load.failed];
    if (failed.length)
      throw new Error(`${fault[0]}: ${failed.length} requests failed: ${failed[0]}`);
    const l = theirs.latencies;
    const truth = [50, 99].map((p) => percentile(l, p).toFixed(0)).concat(l.at(-1).toFixed(0)).join(' / ');
    rows.push([fault[0], truth, ours.text, ...theirs.cells]);
  } catch (error) {
    children.forEach((child) => child.kill('SIGKILL'));
    rows.push([fault[0], `not measured: ${error.message}`, '', ...titles.map(() => '')]);
  }
  process.stderr.write(`${rows.at(-1).join(' | ')}\n`);
}

console.log(`Measured ${new Date().toISOString().slice(0, 10)} by \`test/bench/detect.sh\`. The load itself was late by ` +
  `at most ${late.toFixed(0)} ms.\n\n\`\`\`\n${MACHINE.replace(/^# (ours|stock): .*\n?/gm, '').trim()}\n\`\`\`\n`);
console.log('| fault | requests waited p50 / p99 / most, ms | Vigil | monitorEventLoopDelay 10 ms | 20 ms | per iteration | utilization | node-native-stacktrace |');
console.log('|---|---|---|---|---|---|---|---|');
for (const row of rows)
  console.log(`| ${row.join(' | ')} |`);
