// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

const fs = require('fs');
const path = require('path');
const { readIncident } = require('../report/incident');
const { json } = require('../report/read');
const { attempt, find, folders, processes } = require('./find');
const { clean, columns, cut, duration, print, printJson, size, table } = require('./format');
const { Problem, kFound, kUsage } = require('./problem');

const NAME = /^incident-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-(\d+)(-\d+)?$/;
const kMaxManifest = 4 * 2 ** 20;

const help = `usage: vigil ls [PID | DIR] [--json]

Lists the processes that are watched, and incidents, the newest first: those of all
folders that can be found, of one process, or of one folder.
`;

// All that ls says of an incident; null: it is none.
function look(dir) {
  const [, y, mo, d, h, mi, s, pid] = NAME.exec(path.basename(dir)) ?? [];
  if (pid === undefined) return null;
  const incident = readIncident(attempt(() => json(dir, 'incident.json', kMaxManifest)));
  const files = attempt(() => fs.readdirSync(dir).sort(), [])
    .map((name) => ({ name, stat: attempt(() => fs.lstatSync(path.join(dir, name))) }))
    .filter(({ name, stat }) => stat?.isFile() && !name.startsWith('.'))
    .map(({ name, stat }) => ({ name, bytes: stat.size }));
  return {
    name: path.basename(dir), directory: dir,
    triggered: incident.triggered ?? `${y}-${mo}-${d}T${h}:${mi}:${s}Z`,
    pid: Number(pid), host: incident.process.host, threadId: incident.thread.id, thread: incident.thread.name,
    rule: incident.rule.name, onDemand: incident.rule.onDemand, cause: incident.cause.class, headline: incident.headline,
    p99Ms: incident.lag.p99Ms ?? null, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), files,
  };
}

// Those in a VIGIL_DIR, the newest first.
function incidentsIn(dir) {
  return attempt(() => fs.readdirSync(dir), []).filter((name) => NAME.test(name)).sort().reverse()
    .map((name) => look(path.join(dir, name)));
}

const KINDS = [[/^cpu-/, 'cpu'], [/^before-/, 'before'], [/^heap-/, 'heap'], [/^alloc-/, 'alloc'],
               [/^stalls\.json$/, 'stalls'], [/^leak\.json$/, 'leak'], [/^report\.html$/, 'report']];

function kinds(files) {
  return KINDS.filter(([form]) => files.some(({ name }) => form.test(name))).map(([, kind]) => kind).join(' ') || '-';
}

function processRow({ socket, status }) {
  const worst = status.threads.toSorted((a, b) => (b.lag?.p99Ms ?? 0) - (a.lag?.p99Ms ?? 0))[0];
  const state = status.threads.flatMap(({ rules }) => rules).find(({ state: s }) => s === 'incident') ? 'incident'
    : status.threads.flatMap(({ rules }) => rules).find(({ state: s }) => s === 'pending') ? 'pending' : 'well';
  return [String(status.pid), state, duration(worst?.lag?.p99Ms), String(status.threads.length),
          size(status.process?.residentBytes), clean(socket)];
}

function incidentRow(one) {
  return [one.triggered.slice(0, 19).replace('T', ' '), String(one.pid), clean(one.thread), clean(one.onDemand ? 'on demand' : one.rule ?? '-'),
          one.cause, duration(one.p99Ms), size(one.bytes), kinds(one.files)];
}

async function gather(arg) {
  if (arg === undefined) {
    return { running: await processes(), dirs: folders().dirs };
  }
  const stat = attempt(() => fs.statSync(arg));
  if (stat?.isDirectory() && !/^\d+$/.test(arg)) {
    const one = look(path.resolve(arg));
    return one !== null ? { running: [], dirs: [], incidents: [one] } : { running: [], dirs: [path.resolve(arg)] };
  }
  if (stat === null && arg.includes('/')) throw new Problem(kFound, `there is no ${arg}`);
  if (!arg.includes('/') && !/^\d+$/.test(arg)) throw new Problem(kUsage, `${JSON.stringify(arg)} is neither a PID nor a folder`);
  const it = await find(arg);
  const dir = it.status.budget?.directory ?? path.dirname(it.socket);
  const { body } = await require('./client').ask(it.socket, '/incidents');
  const all = body.incidents?.filter(({ pid }) => pid === it.status.pid).map(({ name }) => look(path.join(dir, name)));
  return { running: [it], dirs: [dir], incidents: (all ?? []).filter((one) => one !== null) };
}

async function run(options) {
  if (options.args.length > 1) throw new Problem(kUsage, 'ls wants one PID or folder: see vigil ls --help');
  const { running, dirs, incidents = dirs.flatMap(incidentsIn) } = await gather(options.args[0]);
  incidents.sort((a, b) => (a.triggered < b.triggered ? 1 : -1));
  if (options.json) {
    printJson({ processes: running.map(({ socket, status }) => ({ socket, ...status })), directories: dirs, incidents });
    return 0;
  }
  const lines = [];
  if (running.length > 0) {
    lines.push(...table([['PID', 'STATE', 'P99', 'LOOPS', 'MEMORY', 'SOCKET'], ...running.map(processRow)], [0, 2, 3, 4]));
  } else if (options.args.length === 0) {
    lines.push(`No watched process in ${dirs.map(clean).join(', ')}.`);
  }
  if (lines.length > 0) lines.push('');
  if (incidents.length > 0) {
    const rows = table([['TIME (UTC)', 'PID', 'THREAD', 'RULE', 'CAUSE', 'P99', 'SIZE', 'FILES'], ...incidents.map(incidentRow)], [1, 5, 6]);
    lines.push(rows[0]);
    incidents.forEach(({ directory }, i) => lines.push(rows[i + 1], `  ${clean(directory)}`));
  } else {
    lines.push(`No incident in ${dirs.map(clean).join(', ')}.`);
  }
  print(process.stdout.isTTY ? lines.map((line) => (line.startsWith('  ') ? line : cut(line, columns()))) : lines);
  return 0;
}

module.exports = { help, incidentsIn, look, run };
