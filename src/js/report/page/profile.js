// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The flame graph with its controls, and the table of functions, which show the
// same: one profile or the difference of both, with or without native frames.

import { $, choice, code, h, ms, percent, place, put, short, show } from './dom.js';
import { Flame, swatch } from './flame.js';
import { bar, table } from './table.js';
import { onTheme } from './theme.js';
import { KIND, build, byFunction, matched, matcher } from './tree.js';

const LEGEND = [[KIND.app, 'your code'], [KIND.module, 'node_modules'], [KIND.node, 'Node.js'],
                [KIND.native, 'native'], [KIND.gc, 'garbage collector'], [KIND.program, '(program)']];
const MEANS = {
  '(program)': 'V8 or native code ran, and no JavaScript function was on the stack.',
  '(garbage collector)': 'JavaScript stood still while V8 collected.',
};
const ALONE = 'native code that no JavaScript called';

export function profiles(data) {
  const { functions: f, profiles: p } = data;
  const { during, before } = p;
  if (!during && !before) return;
  const views = [during && ['during', 'During'], before && ['before', 'Before'],
                 during && before && ['difference', 'Difference']].filter(Boolean);
  const anyNative = [during, before].some((it) => it?.tree.fn.some((fn) => f.kind[fn] === KIND.native));
  const state = {
    view: data.incident.cause.class === 'gc' && before ? 'before' : views[0][0],
    fold: !['native', 'syscall'].includes(data.incident.cause.class), hit: null, text: '',
  };
  // What a native view is of: the recorder has the native frames.
  if (!state.fold && before) state.view = 'before';
  let now;  // { sources, tree, walls }

  const nameOf = (fn) => (fn === -1 ? `busy, ${ms(now.tree.total[0][0] / 1000)} of ${ms(now.sources[0].spanMs)}`
    : fn === f.name.length ? `(${ALONE})` : f.kind[fn] === KIND.native ? short(f.name[fn]) : f.name[fn] || '(anonymous)');
  const whereOf = (fn) => (fn < 0 || fn >= f.name.length ? '' : place(f.urls[f.url[fn]], f.line[fn]));
  const kindOf = (fn) => (fn === -1 ? KIND.all : fn === f.name.length ? KIND.native : f.kind[fn]);
  // Of the time of the whole recording, so that those of different length compare.
  const rate = (source, us) => us / 1000 / now.sources[source].spanMs;

  const detail = h('p', { class: 'detail', role: 'status', id: 'detail' });
  const tip = h('div', { class: 'tip', hidden: true });
  const found = h('output', { id: 'found' });
  const search = h('input', { type: 'search', id: 'search', placeholder: 'Search: text or /regex/', spellcheck: 'false',
                              autocomplete: 'off', 'aria-label': 'Search functions and files', oninput: () => find(search.value) });
  const reset = h('button', { type: 'button', id: 'reset', onclick: () => flame.zoomTo(0) }, 'Whole graph');
  const flame = new Flame({ focus, zoom });

  function figures(node) {
    const { tree, sources } = now;
    const all = tree.total[0][0] || 1;
    const out = [`${ms(tree.total[0][node] / 1000)} total (${percent(tree.total[0][node] / all)} of busy)`,
                 `${ms(tree.self[0][node] / 1000)} self (${percent(tree.self[0][node] / all)})`];
    if (sources.length > 1) {
      out.push(`${percent(rate(1, tree.total[1][node]))} of the time before → ${percent(rate(0, tree.total[0][node]))} during`);
    }
    return out.join(' · ');
  }

  function describe(node) {
    const fn = now.tree.fn[node];
    const url = fn >= 0 && fn < f.name.length ? f.urls[f.url[fn]] : '';
    return [code(nameOf(fn)), whereOf(fn) ? [' ', h('span', { class: 'where', title: url }, h('bdi', null, whereOf(fn)))] : null,
            h('span', { class: 'nums' }, figures(node)),
            MEANS[f.name[fn]] ? h('span', { class: 'nums' }, MEANS[f.name[fn]]) : null];
  }

  function focus(node, event) {
    const shown = node === -1 ? flame.selected : node;
    detail.replaceChildren();
    put(detail, describe(shown));
    flame.canvas.setAttribute('aria-label', `Flame graph, at ${nameOf(now.tree.fn[shown])}, ${figures(shown)}`);
    tip.hidden = node === -1 || !event;
    if (tip.hidden) return;
    tip.replaceChildren();
    const fn = now.tree.fn[node];
    put(tip, [describe(node), fn >= 0 && fn < f.name.length && f.urls[f.url[fn]]
      ? h('span', { class: 'path' }, h('bdi', null, `${f.urls[f.url[fn]]}${f.line[fn] > 0 ? `:${f.line[fn]}` : ''}`)) : null]);
    const { clientWidth: w, clientHeight: hh } = tip;
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - w - 8))}px`;
    tip.style.top = `${event.clientY + 18 + hh > innerHeight ? Math.max(4, event.clientY - hh - 12) : event.clientY + 18}px`;
  }

  function zoom(node) {
    flame.canvas.dataset.zoom = nameOf(now.tree.fn[node]);
    flame.canvas.dataset.depth = now.tree.depth[node];
    reset.disabled = node === 0;
  }

  function find(text) {
    state.text = text;
    const slashed = /^\/(.+)\/$/.exec(text.trim());
    const re = matcher(slashed ? slashed[1] : text.trim());
    state.hit = re && [...f.name.map((name, fn) => re.test(`${name || '(anonymous)'} ${f.urls[f.url[fn]]}${f.line[fn] > 0 ? `:${f.line[fn]}` : ''}`)), re.test(ALONE)];
    flame.highlight(state.hit);
    const share = state.hit && matched(now.tree, 0, state.hit) / (now.tree.total[0][0] || 1);
    found.textContent = share === null ? '' : share === 0 ? 'no match' : `${percent(share)} matched`;
    found.dataset.share = share === null ? '' : share.toFixed(4);
    fill();
  }

  const timed = (us, all) => bar(us / all, h('span', null, h('span', { class: 'time' }, `${ms(us / 1000)} `), h('b', null, percent(us / all))));
  const top = table({
    name: 'Top functions', sort: 'self', first: 20,
    onpick: ({ fn }) => pick(fn),
    columns: [
      { key: 'name', label: 'Function', value: (r) => nameOf(r.fn), cell: (r) => [
        h('button', { type: 'button', class: 'link', title: 'Show it in the flame graph' }, swatched(kindOf(r.fn)), code(nameOf(r.fn))),
        h('span', { class: 'where', title: r.fn < f.name.length ? f.urls[f.url[r.fn]] || f.name[r.fn] : null }, h('bdi', null, whereOf(r.fn)))] },
      { key: 'self', label: 'Self', number: true, title: 'Time in the function itself', value: (r) => r.self, cell: (r) => timed(r.self, r.all) },
      { key: 'total', label: 'Total', number: true, title: 'With what it called', value: (r) => r.total, cell: (r) => timed(r.total, r.all) },
      { key: 'change', label: 'Change', number: true, title: 'Total, as a share of the whole recording: during less before', value: (r) => r.change ?? 0, cell: (r) => (r.change === null || Math.abs(r.change) < 0.0005 ? '' : h('span', { class: r.change > 0.005 ? 'more-than' : r.change < -0.005 ? 'less-than' : null }, `${r.change > 0 ? '+' : '−'}${percent(Math.abs(r.change))}`)) },
    ],
  });

  function swatched(kind) {
    const i = h('i', { class: 'swatch' });
    i.style.background = swatch(kind, false);
    return i;
  }

  function pick(fn) {
    search.value = `${f.name[fn] ?? ALONE}` || '(anonymous)';
    const whole = search.value;
    find(whole.length > 0 ? `/${whole.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}/` : '');
    let widest = 0;
    for (let i = 1; i < now.tree.fn.length; i++) {
      if (now.tree.fn[i] === fn && (widest === 0 || now.tree.total[0][i] > now.tree.total[0][widest])) widest = i;
    }
    flame.select(widest);
    $('flame').scrollIntoView({ block: 'start' });
    flame.canvas.focus({ preventScroll: true });
  }

  function fill() {
    const all = now.tree.total[0][0] || 1;
    const of = now.times[0];
    const rows = [];
    of.total.forEach((total, fn) => {
      const was = now.times[1]?.total[fn] ?? 0;
      if ((total === 0 && was === 0) || (state.hit && !state.hit[fn])) return;
      rows.push({ fn, all, self: of.self[fn], total, change: now.times.length > 1 ? rate(0, total) - rate(1, was) : null });
    });
    top.el.classList.toggle('nochange', now.times.length < 2);
    top.set(rows);
  }

  function update() {
    const sources = state.view === 'difference' ? [during, before] : [state.view === 'during' ? during : before];
    const tree = build(f, sources.map((s) => s.tree), state.fold);
    now = { sources, tree, times: sources.map((_, s) => byFunction(tree, s, f.name.length)) };
    flame.set({
      tree, name: (n) => nameOf(tree.fn[n]), kind: (n) => kindOf(tree.fn[n]),
      change: sources.length > 1 ? (n) => rate(0, tree.total[0][n]) - rate(1, tree.total[1][n]) : null,
    });
    flame.canvas.dataset.view = state.view;
    flame.canvas.dataset.nodes = tree.fn.length;
    legend.hidden = sources.length > 1;
    scale.hidden = !legend.hidden;
    explain.textContent = {
      during: `V8’s CPU profile from the trigger on: ${ms(during?.spanMs)}, ${during?.samples} samples.`,
      before: `The recorder’s profile of the ${ms(before?.spanMs)} before the trigger: ${before?.samples} samples.`,
      difference: 'As wide as during the incident; red has grown since before, blue has shrunk, as a share of the whole time.',
    }[state.view] + (sources[0].leftOut > 0 ? ` ${sources[0].leftOut} rare frames (${ms(sources[0].leftOutMs)}) are left out.` : '');
    find(state.text);
    focus(-1);
  }

  const legend = h('ul', { class: 'legend' }, LEGEND.filter(([kind]) => kind !== KIND.native || anyNative)
    .map(([kind, label]) => h('li', null, swatched(kind), label)));
  const scale = h('ul', { class: 'legend', hidden: true }, h('li', null, h('i', { class: 'swatch grew' }), 'more than before'),
    h('li', null, h('i', { class: 'swatch shrank' }), 'less'));
  const explain = h('p', { class: 'muted' });
  const native = h('label', { class: 'check' }, h('input', { type: 'checkbox', id: 'native', onchange: (e) => {
    state.fold = !e.target.checked;
    update();
  } }), 'Native frames');
  native.firstChild.checked = !state.fold;

  show('flame', explain,
    h('div', { class: 'controls' }, choice('Which profile', views, state.view, (view) => { state.view = view; update(); }),
      search, found, anyNative ? native : null, reset),
    flame.el, detail, legend, scale,
    h('p', { class: 'muted keys', id: 'flame-keys' }, 'Width is time, below is what was called. (idle) is left out. Click or Enter zooms, ',
      'arrow keys move, Escape goes back, / searches.'));
  put(document.body, [tip]);
  show('functions', h('p', { class: 'muted' }, 'Of what the flame graph shows. A row shows its function there.'), top.el);
  update();
  onTheme(() => flame.paint());  // At once: it may be for paper.
  addEventListener('keydown', (e) => {
    if (e.key === '/' && !e.ctrlKey && !e.metaKey && !/^(INPUT|TEXTAREA)$/.test(e.target.tagName)) {
      e.preventDefault();
      search.focus();
    } else if (e.key === 'Escape' && e.target === search) {
      search.value = '';
      find('');
      flame.canvas.focus();
    }
  });
}
