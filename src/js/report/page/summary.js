// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The top of the page: whose incident, the verdict, the figures that matter.

import { $, clock, code, count, h, ms, percent, put } from './dom.js';
import { themeButton } from './theme.js';

const CLASS = {
  js: 'JavaScript', native: 'Native code', gc: 'Garbage collection', syscall: 'Blocked in the kernel',
  threadpool: 'Thread pool', starved: 'No CPU to be had', throttled: 'CPU limit', suspended: 'Stopped',
  unknown: 'Not certain',
};

// Pieces of a sentence, as verdict.js makes them.
const sentence = (pieces) => pieces.map((piece) => (typeof piece === 'string' ? piece
  : piece.code !== undefined ? code(piece.code) : h('strong', null, piece.strong)));

export function heading({ incident }) {
  const { process: p, thread, triggered } = incident;
  const facts = [
    triggered && h('time', { datetime: triggered }, `${triggered.slice(0, 10)} ${clock(triggered)} UTC`),
    p.host && h('span', null, 'host ', h('bdi', null, p.host)),
    p.pid !== null && h('span', null, `pid ${p.pid}`),
    h('span', null, h('bdi', null, thread.name)),
  ];
  if (triggered) document.title = `${CLASS[incident.cause.class]} · ${triggered.slice(0, 10)} ${clock(triggered)} · Node Vigil`;
  put($('top'), [h('div', { class: 'brand' }, h('b', null, 'Node Vigil'), ' incident'),
                 h('div', { class: 'facts' }, facts), themeButton()]);
}

// What each figure is, and when it is a tile.
function tiles({ incident, stalls }) {
  const { lag, rule, cause, captureMs } = incident;
  const f = cause.figures;
  const of = (part, whole) => (part >= 0 && whole > 0 ? part / whole : null);
  const limit = rule.name === 'lag-p99' && rule.limit !== null ? `limit ${ms(rule.limit)}` : '';
  const all = [
    ['Lag p99', lag.p99Ms, ms, limit || `over ${ms(lag.windowMs)}`, rule.name === 'lag-p99'],
    ['Longest block', lag.maxMs, ms, rule.name === 'stall' ? `limit ${ms(rule.limit)}` : `p50 lag ${ms(lag.p50Ms)}`, rule.name === 'stall'],
    ['Loop busy', of(lag.busyMs, lag.windowMs), percent, `${ms(lag.busyMs)} of ${ms(lag.windowMs)}`, false],
    ['On a CPU', of(f.cpuMs, Math.max(f.busyMs, f.cpuMs)), percent, `of ${ms(f.busyMs)} busy`, cause.class === 'js' || cause.class === 'native'],
    ['GC', of(f.gcMs ?? incident.gc.pausesInWindowMs, f.busyMs ?? lag.windowMs), percent, 'of busy time', cause.class === 'gc'],
    ['Waited for CPU', f.runDelayMs, ms, f.runnableThreads > 0 ? `${count(f.runnableThreads)} threads wanted it` : 'run delay', cause.class === 'starved'],
    ['Out of quota', f.throttledMs > 0 ? f.throttledMs : null, ms, f.quotaMs ? `limit ${(f.quotaMs / f.quotaPeriodMs).toFixed(2)} CPU` : `${count(f.throttledPeriods)} times`, cause.class === 'throttled'],
    ['Stopped', f.stoppedMs + (f.suspendedMs ?? 0) > 0 ? f.stoppedMs + (f.suspendedMs ?? 0) : null, ms, 'from outside', cause.class === 'suspended'],
    ['In system calls', f.syscallMs > 0 ? f.syscallMs : null, ms, f.syscall ? `last seen in ${f.syscall}()` : '', cause.class === 'syscall'],
    ['Pool wait p99', f.poolWaitMs > 0 ? f.poolWaitMs : null, ms, `${count(f.poolQueued)} queued`, cause.class === 'threadpool'],
    ['Stalls', stalls?.recorded, count, `longest ${ms(stalls?.list[0]?.lastedMs)}`, false],
    ['Capture cost', captureMs > 0 ? captureMs : null, ms, 'of loop time', false],
  ];
  return h('dl', { class: 'tiles' }, all.filter(([, v]) => v !== null && v !== undefined && !Number.isNaN(v))
    .map(([label, v, format, small, key]) => h('div', { class: key ? 'tile key' : 'tile' },
      h('dt', null, label), h('dd', null, format(v), small ? h('small', null, small) : null))));
}

const NAMES = { manifest: 'Manifest', cpu: 'CPU profile', before: 'Profile before', heap: 'Heap snapshot',
                alloc: 'Allocation profile', stalls: 'Stalls' };

export function verdict(data) {
  const { verdict: v, missing, incident } = data;
  const [first, ...rest] = v.sentences;
  const notes = Object.entries(missing);
  put($('verdict'), [
    h('div', { class: 'verdict', 'data-class': v.class },
      h('p', { class: 'class' }, CLASS[v.class] ?? v.class),
      h('h1', null, sentence(first ?? [])),
      rest.length > 0 ? h('p', { class: 'who' }, rest.map((s, i) => [i > 0 ? ' ' : '', sentence(s)])) : null,
      v.evidence ? h('p', { class: 'evidence' }, 'Evidence: ', v.evidence, '.') : null),
    tiles(data),
    h('div', { class: 'next' }, h('h2', null, 'Look at next'), h('ol', null, v.next.map((text) => h('li', null, text)))),
    notes.length > 0 ? h('div', { class: 'note', id: 'missing' }, h('h2', null, 'Not in this report'),
      h('ul', null, notes.map(([key, why]) => h('li', { 'data-piece': key }, h('b', null, NAMES[key] ?? key), ' – ', h('bdi', null, why))))) : null,
    incident.suppressedBefore > 0 ? h('p', { class: 'muted' },
      `${count(incident.suppressedBefore)} incidents before this one were not captured, to keep the budget.`) : null,
  ]);
}
