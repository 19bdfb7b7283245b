// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Stalls with their stacks, what was allocated, and what the heap holds.

import { bytes, clock, code, count, h, ms, percent, place, short, show } from './dom.js';
import { bar, table } from './table.js';

const STATE = { R: 'running', S: 'waiting', D: 'waiting for a device', T: 'stopped', t: 'traced' };

function stack(frames) {
  return h('ol', { class: 'stack' }, frames.map((f) => {
    const where = f.url ? place(f.url, f.line) : f.module ? f.module.slice(f.module.lastIndexOf('/') + 1) : '';
    const own = f.url && !f.url.startsWith('node:');
    return h('li', { class: own ? 'own' : null }, code(f.url ? f.name || '(anonymous)' : short(f.name), { title: f.name }),
             where ? h('span', { class: 'where', title: f.url || f.module }, h('bdi', null, where)) : null);
  }));
}

function look(it) {
  const facts = [`after ${ms(it.afterMs)}`, STATE[it.state] ?? it.state, it.gc ? 'collecting garbage' : null,
                 it.syscall ? `in ${it.syscall}()` : null, it.wchan && it.wchan !== '0' ? `kernel: ${it.wchan}` : null];
  return h('div', { class: 'look' }, h('p', { class: 'muted' }, facts.filter(Boolean).join(' · ')),
    it.stack.length > 0 ? stack(it.stack) : h('p', { class: 'muted' }, it.noStack ?? 'No stack.'));
}

// Of the newest look: the program's own function, or what is on top.
function topOf(stall) {
  const frames = stall.looks.at(-1)?.stack ?? [];
  return frames.find((f) => f.url && !f.url.startsWith('node:')) ?? frames[0];
}

export function stalls({ stalls: s }) {
  if (!s || s.list.length === 0) return;
  show('stalls', h('p', { class: 'muted' },
    `Blocks of the loop over the stall limit in the last minute: ${count(s.recorded)}` +
    (s.sinceStart > s.recorded ? `, since the start: ${count(s.sinceStart)}` : '') + '. The longest first.'),
  s.list.map((it, i) => {
    const top = topOf(it);
    return h('details', { class: 'stall', open: i === 0 },
      h('summary', null, h('b', null, ms(it.lastedMs)), it.ended === false ? ' and on' : '',
        h('span', { class: 'tag' }, it.cause.class),
        top ? [code(top.name || '(anonymous)'), ' ', h('span', { class: 'where' }, h('bdi', null, place(top.url, top.line)))] : null,
        it.began ? h('span', { class: 'muted' }, ` ${clock(it.began)} UTC`) : null),
      it.cause.text ? h('p', null, it.cause.text, '.') : null,
      it.ownWork ? h('p', { class: 'muted' }, 'Work of Vigil itself is part of it.') : null,
      it.looks.map(look));
  }));
}

export function allocations({ alloc }) {
  if (!alloc) return;
  const view = table({
    name: 'Functions by allocation', sort: 'self', first: 12, columns: [
      { key: 'self', label: 'Allocated', number: true, value: (r) => r.self, cell: (r) => bar(r.self / alloc.bytes, `${bytes(r.self)} ${percent(r.self / alloc.bytes)}`) },
      { key: 'total', label: 'With callees', number: true, value: (r) => r.total, cell: (r) => bytes(r.total) },
      { key: 'name', label: 'Function', value: (r) => r.name, cell: (r) => code(r.name) },
      { key: 'where', label: 'Where', value: (r) => r.file, cell: (r) => h('span', { class: 'where', title: r.url }, h('bdi', null, place(r.url, r.line))) },
    ],
  });
  show('alloc', h('p', { class: 'muted' }, `Who allocated the ${bytes(alloc.bytes)} that were sampled and were still alive at the end.`), view.el);
  view.set(alloc.rows);
}

export function heap({ heap: s }) {
  if (!s) return;
  const most = Math.max(1, s.bytes);
  const retained = { key: 'retained', label: 'Retained', number: true, title: 'What would be free without them', value: (r) => r.retained, cell: (r) => bar(r.retained / most, bytes(r.retained)) };
  const columns = [
    { key: 'name', label: 'Constructor', value: (r) => r.name, cell: (r) => code(r.name) },
    { key: 'count', label: 'Count', number: true, value: (r) => r.count, cell: (r) => count(r.count) },
    { key: 'shallow', label: 'Shallow', number: true, title: 'Their own size', value: (r) => r.shallow, cell: (r) => bytes(r.shallow) },
  ];
  if (s.noRetained === null) columns.push(retained);
  const view = table({ name: 'Constructors', sort: s.noRetained === null ? 'retained' : 'shallow', first: 15, columns });
  show('heap', h('p', { class: 'muted' }, `${count(s.nodes)} objects, ${bytes(s.bytes)}, ${count(s.classes)} constructors. ` +
    (s.noRetained ?? 'Retained is what would be free if they were gone.')), view.el);
  view.set(s.rows);
  if (s.largest.length === 0) return;
  show('heap', h('h3', null, 'Largest objects'), h('ul', { class: 'largest' }, s.largest.map((it) => h('li', null,
    h('b', null, bytes(it.retained)), ' ', code(it.name), h('span', { class: 'muted' }, ` @${it.id}`),
    h('div', { class: 'chain' }, it.chain.length > 0 ? ['kept by ', it.chain.map((name, i) => [i > 0 ? ' ← ' : '', code(name)])] : 'kept by several things, or by a root')))));
}
