// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// What is wrong, in sentences, and what to do: of a process from what it says of
// itself and its last incident, or of an incident alone.

const path = require('path');
const { readIncident } = require('../report/incident');
const { collect } = require('../report/make');
const { verdict } = require('../report/verdict');
const { attempt, find } = require('./find');
const { amount, clean, columns, duration, percent, print, printJson, wrap } = require('./format');
const { look } = require('./ls');
const { only } = require('./options');
const { kFound } = require('./problem');

const help = `usage: vigil doctor PID | DIR [--json]

Says in sentences what is wrong with a process now, and was in its last incident; or
in the incident in the folder DIR; why, and what to look at next. The exit code is 1
when a rule is over its limit now, or a loop is blocked.
`;

// Causes that a profile says nothing about: it would show an innocent.
const OUTSIDE = ['starved', 'throttled', 'suspended'];
const BECAUSE_OF_RULE = { 'pool-wait-p99': 'threadpool', 'gc-share': 'gc', 'old-space': 'gc' };

const plain = (sentence) => sentence.map((piece) => (typeof piece === 'string' ? piece : piece.strong ?? piece.code)).join('');

// A thread of /status as the incident that it would be now.
function asIncident(status, thread, rule) {
  const kinds = (of) => Object.fromEntries(Object.entries(of ?? {}).filter(([, { count, begun }]) => count > 0 || begun > 0));
  return readIncident({
    schema: 1, triggered: status.time, headline: null,
    process: { pid: status.pid, vigil: status.version },
    thread: { id: thread.threadId, name: thread.name },
    rule: { name: rule.name, unit: rule.unit, value: rule.value, limit: rule.limit, windowMs: thread.lag?.windowMs, forMs: 0 },
    cause: thread.cause ?? {}, lag: thread.lag ?? {},
    gc: { pausesInWindowMs: thread.gc?.windowMs, sinceStart: kinds(thread.gc?.kinds) },
    pool: {
      queued: status.pool?.queued, running: status.pool?.running,
      sinceStart: Object.fromEntries(Object.entries(kinds(status.pool?.kinds)).map(([kind, { begun, waitMs, ended, runMs }]) =>
        [kind, { waitMaxMs: waitMs / begun, runP99Ms: ended > 0 ? runMs / ended : 0 }])),
    },
  });
}

function standing(rule) {
  if (rule.state === 'incident') {
    return rule.overInMs === null ? 'its incident lasts' : `its incident is over in ${duration(rule.overInMs)} if it stays calm`;
  }
  return `an incident in ${duration(rule.firesInMs)} if it stays so`;
}

// { well, threads: [{ name, line, stalled, findings: [{ rule, text, sentences, evidence, next }] }] }
function live(status) {
  const threads = status.threads.map((thread) => {
    const over = thread.rules.filter(({ state }) => state === 'pending' || state === 'incident');
    const { lag } = thread;
    const line = lag === null ? 'nothing is known yet: it has just begun'
      : `one event in a hundred waits ${duration(lag.p99Ms)} or longer (half of them ${duration(lag.p50Ms)}), the longest ${duration(lag.maxMs)}; ` +
        `the loop is busy for ${percent(lag.utilization)} of the time (${duration(lag.windowMs)})`;
    const findings = over.map((rule) => {
      const incident = asIncident(status, thread, rule);
      if (incident.cause.class === 'unknown' && rule.name in BECAUSE_OF_RULE) incident.cause.class = BECAUSE_OF_RULE[rule.name];
      const { sentences, evidence, next } = verdict(incident, { during: null, before: null, alloc: null });
      return {
        rule: rule.name, state: rule.state, text: `${rule.name}: ${amount(rule.value, rule.unit)}, limit ${amount(rule.limit, rule.unit)}; ${standing(rule)}`,
        cause: incident.cause.class, sentences: sentences.map(plain), evidence,
        // The advice is worded for an incident that has been captured.
        next: next.map((text) => text.replace(/ So no CPU profile was taken\.$/, '')),
      };
    });
    return { threadId: thread.threadId, name: thread.name, line, stalledMs: thread.stalled ? thread.openMs : null, findings };
  });
  return { well: threads.every(({ findings, stalledMs }) => findings.length === 0 && stalledMs === null), threads };
}

// Of an incident on disk. Its heap snapshot can have gigabytes: that is for the report.
function past(dir) {
  const { incident, verdict: said, missing } = collect(dir, { heap: false });
  return {
    directory: dir, triggered: incident.triggered, headline: incident.headline, cause: said.class,
    sentences: said.sentences.map(plain), evidence: said.evidence, next: said.next, missing: Object.values(missing),
  };
}

function finding({ sentences, evidence, next }, indent) {
  const most = columns();
  const out = wrap(clean(sentences.join(' ')), most, indent);
  if (evidence) out.push(...wrap(clean(`Seen: ${evidence}.`), most, indent));
  for (const one of next) out.push(...wrap(clean(one), most, `${indent}- `));
  return out;
}

function ago(time, now) {
  const ms = Date.parse(now) - Date.parse(time);
  return Number.isFinite(ms) && ms >= 0 ? `${duration(ms)} ago` : 'at an unknown time';
}

function describe(name, status, now, last) {
  const most = columns();
  const lines = [`Process ${status.pid}, ${now.well ? 'well' : 'not well'}.`, ''];
  for (const { name: thread, line, stalledMs, findings } of now.threads) {
    lines.push(...wrap(clean(`${thread}: ${line}.`), most));
    if (stalledMs !== null) lines.push(...wrap(`Its loop is blocked now, for ${duration(stalledMs)}: no event is handled meanwhile.`, most, '  '));
    for (const one of findings) lines.push('', ...wrap(clean(one.text), most, '  '), ...finding(one, '  '));
  }
  if (!now.well && !now.threads.every(({ findings }) => findings.length > 0 && findings.every(({ cause }) => OUTSIDE.includes(cause)))) {
    lines.push('', ...wrap(`For evidence: vigil capture ${name} --cpu 10s, then vigil report on the folder that it prints.`, most));
  }
  if (last !== null) {
    lines.push('', ...wrap(clean(`The last incident, ${ago(last.triggered, status.time)}: ${last.headline ?? 'unknown'}`), most), ...finding(last, '  '),
               '', ...wrap(clean(`More: vigil report ${last.directory}`), most));
  } else if (now.well) {
    lines.push('', 'It has written no incident.');
  }
  return lines;
}

async function run(options) {
  const name = only(options, 'a PID or the folder of an incident', 'doctor');
  if (!/^\d+$/.test(name) && attempt(() => require('fs').statSync(name).isDirectory(), false)) {
    const said = past(require('./report').folder(name));
    if (options.json) printJson(said);
    else print([clean(said.headline ?? path.basename(name)), '', ...finding(said, ''), ...said.missing.map((why) => clean(`Missing: ${why}`))]);
    return 0;
  }
  const { socket, status } = await find(name);
  const now = live(status);
  const written = status.incidents.find((one) => one.written && look(one.directory) !== null);
  const last = written === undefined ? null : attempt(() => past(written.directory));
  if (options.json) printJson({ pid: status.pid, socket, ...now, lastIncident: last });
  else print(describe(name, status, now, last));
  return now.well ? 0 : kFound;
}

module.exports = { help, run };
