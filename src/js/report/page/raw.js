// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// All figures, and the files.

import { $, bytes, code, count, h, ms, put, show } from './dom.js';

const OPENS = [[/\.cpuprofile$/, 'Chrome DevTools (Performance), VS Code, speedscope'], [/\.heapsnapshot$/, 'Chrome DevTools (Memory)'],
               [/\.heapprofile$/, 'Chrome DevTools (Memory), speedscope'], [/\.json$/, 'any editor']];

const value = (key, v) => (typeof v !== 'number' ? h('bdi', null, String(v)) : key.endsWith('Ms') ? ms(v) : count(v));

function list(title, object) {
  const entries = Object.entries(object).filter(([, v]) => v !== null && typeof v !== 'object');
  if (entries.length === 0) return null;
  return h('div', { class: 'figures' }, h('h3', null, title),
    h('dl', null, entries.map(([key, v]) => [h('dt', null, h('bdi', null, key)), h('dd', null, value(key, v))])));
}

export function figures({ incident: i, missing }) {
  if (missing.manifest) return;
  const kinds = (o) => Object.entries(o).map(([kind, v]) => list(kind, v));
  const all = [list('lag', i.lag), list('rule', i.rule), list('cause', i.cause.figures),
               i.cause.missing.length > 0 ? h('p', { class: 'muted' }, `Not known here: ${i.cause.missing.join(', ')}.`) : null,
               kinds(i.gc.sinceStart), list('pool', i.pool), kinds(i.pool.sinceStart)].flat();
  if (all.every((el) => el === null)) return;
  show('figures', h('details', { open: i.cause.class === 'threadpool' }, h('summary', null, 'As incident.json has them'), h('div', { class: 'columns' }, all)));
}

export function files({ files: all, incident }) {
  if (all.length > 0) {
    show('files', h('div', { class: 'scroll' }, h('table', { 'aria-label': 'Files' },
      h('thead', null, h('tr', null, ['File', 'Size', 'Opens in', 'SHA-256'].map((t) => h('th', { scope: 'col' }, t)))),
      h('tbody', null, all.map((f) => h('tr', null,
        h('td', null, /^[\w.-]+$/.test(f.name) && !f.gone ? h('a', { href: encodeURIComponent(f.name), download: f.name }, f.name) : h('bdi', null, f.name)),
        h('td', { class: 'n' }, f.gone ? 'missing' : bytes(f.bytes), f.expected ? h('div', { class: 'muted' }, `was ${bytes(f.expected)}`) : null),
        h('td', null, OPENS.find(([form]) => form.test(f.name))?.[1] ?? ''),
        h('td', { class: 'where', title: f.sha256 }, f.sha256 ? code(f.sha256.slice(0, 12)) : '–')))))));
  }
  put($('foot'), [h('p', { class: 'muted' }, 'Made by Node Vigil', incident.process.vigil ? ` ${incident.process.vigil}` : '',
    '. This page holds function names and paths of the program, and loads nothing. Charts: uPlot, © Leon Sorokin, MIT licence.')]);
}
