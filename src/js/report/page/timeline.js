// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The minutes around the trigger: lag against its limit, and how busy the loop
// was and with what. From the seconds the watch thread measured, where the
// manifest has them, and from the samples of the profiles.

import uPlot from 'uplot';
import { css, h, ms, percent, show } from './dom.js';
import { onTheme } from './theme.js';

const stepped = uPlot.paths.stepped({ align: 1 });

// Columns of slices with a point where each begins, and one where the last ends.
function columns(at, span, ...lists) {
  const end = at.length - 1;
  const out = [at.map((t) => t / 1000), ...lists.map((list) => [...list])];
  out[0].push((at[end] + span) / 1000);
  for (const list of out.slice(1)) list.push(list[end]);
  return out;
}

// What an event waits that arrives at that instant: as long as is left of the
// busy period. Each is a tooth as high as it is long.
function teeth({ atMs, lengthMs }) {
  const out = [[], []];
  atMs.forEach((at, i) => {
    const from = at / 1000;
    const to = from + lengthMs[i] / 1000;
    if (to <= from || (out[0].length > 0 && from - 1e-6 <= out[0].at(-1))) return;
    out[0].push(from - 1e-6, from, to);
    out[1].push(0, lengthMs[i], 0);
  });
  return out;
}

// All columns on one axis, and which of them are there.
function lagData({ incident: { timeline: t, lag }, profiles: { during } }) {
  const tables = [], names = [];
  if (during?.blocks?.atMs.length > 0) {
    tables.push(teeth(during.blocks));
    names.push('teeth');
  }
  for (const [name, list] of [['p99', t?.p99Ms], ['max', t?.maxMs], ['pool', t?.poolWaitMs]]) {
    if (!list?.some((v) => v !== null)) continue;
    tables.push(columns(t.atMs, t.spanMs.at(-1), list));
    names.push(name);
  }
  if (!names.includes('p99') && lag.p99Ms > 0 && lag.windowMs > 0) {
    tables.push([[-lag.windowMs / 1000, 0], [lag.p99Ms, lag.p99Ms]]);
    names.push('window');
  }
  if (during?.lag?.atMs.length > 0 && !(names.includes('p99') && t.atMs.at(-1) > 0)) {
    tables.push(columns(during.lag.atMs, during.lag.stepMs, during.lag.p99Ms));
    names.push('sampled');
  }
  return tables.length > 0 ? { data: uPlot.join(tables), names } : null;
}

function busyData({ incident: { timeline: t }, profiles: { during, before } }) {
  if (t?.busyMs) {
    const part = (list) => list.map((v, i) => (v === null ? null : Math.min(1, v / t.spanMs[i])));
    return columns(t.atMs, t.spanMs.at(-1), part(t.busyMs), part(t.gcMs ?? t.busyMs.map(() => 0)));
  }
  const parts = [before, during].filter(Boolean).map(({ slices }) => columns(slices.atMs, slices.stepMs, slices.busy, slices.gc));
  if (parts.length === 0) return null;
  // The profile goes on where the recorder ends: one pair of columns.
  const out = [[], [], []];
  for (const part of parts) {
    part[0].forEach((x, i) => {
      if (out[0].length > 0 && x <= out[0].at(-1)) return;
      out.forEach((list, c) => list.push(part[c][i]));
    });
  }
  return out;
}

export function timeline(data) {
  const { incident, stalls, profiles: { during } } = data;
  const lag = lagData(data);
  const busy = busyData(data);
  if (lag === null && busy === null) return;
  const zero = incident.triggered === null ? null : Date.parse(incident.triggered);
  const limit = incident.rule.unit === 'ms' && ['lag-p99', 'stall'].includes(incident.rule.name) ? incident.rule.limit : null;
  const ends = [lag?.data[0], busy?.[0]].filter((x) => x?.length > 0);
  const min = Math.min(...ends.map((x) => x[0]));
  const max = Math.max(...ends.map((x) => x.at(-1)));
  const when = (s) => (s === null || s === undefined ? '' : `${s >= 0 ? '+' : '−'}${Math.abs(s).toFixed(1)} s` +
    (zero === null ? '' : `, ${new Date(zero + s * 1000).toISOString().slice(11, 21)} UTC`));
  const marks = (stalls?.list ?? []).filter(({ atMs }) => atMs !== null && atMs >= min * 1000 - 60_000)
    .map(({ atMs, lastedMs }) => [atMs / 1000, (atMs + lastedMs) / 1000]);
  const box = h('div', { class: 'charts' });
  const x = { label: 'at', value: (_, v) => when(v) };
  const line1 = (label, color, width, more) => ({ label, stroke: () => css(color), width, value: (_, v) => ms(v),
                                                  points: { show: false }, paths: stepped, ...more });
  const series = {
    teeth: line1('wait of an arrival, at most (by samples)', '--tooth', 1, { paths: uPlot.paths.linear(), fill: () => css('--tooth-fill') }),
    window: line1('lag p99 of the window', '--lag', 2),
    p99: line1('lag p99', '--lag', 2),
    max: line1('longest block', '--faint', 1),
    pool: line1('pool wait p99', '--pool', 1.5),
    sampled: line1('lag p99 by the second, at most (by samples)', '--lag', 1.5, { dash: [5, 4] }),
  };

  // The trigger, the time of the profile, the limit.
  function frame(u) {
    const g = u.ctx;
    const { left, top, width, height } = u.bbox;
    g.save();
    g.beginPath();
    g.rect(left, top, width, height);
    g.clip();
    if (during) {
      g.fillStyle = css('--during');
      const from = u.valToPos(Math.max(0, during.slices.atMs[0] / 1000), 'x', true);
      g.fillRect(from, top, u.valToPos(during.slices.atMs[0] / 1000 + during.spanMs / 1000, 'x', true) - from, height);
    }
    g.restore();
  }

  function line(u, from, to, color, dash) {
    const g = u.ctx;
    g.save();
    g.strokeStyle = color;
    g.lineWidth = 1.5 * devicePixelRatio;
    g.setLineDash(dash.map((d) => d * devicePixelRatio));
    g.beginPath();
    g.moveTo(...from);
    g.lineTo(...to);
    g.stroke();
    g.restore();
  }

  function over(u, isLag) {
    const { left, top, width, height } = u.bbox;
    const g = u.ctx;
    const px = devicePixelRatio;
    const at = u.valToPos(0, 'x', true);
    if (at >= left && at <= left + width) {
      line(u, [at, top], [at, top + height], css('--text'), [2, 3]);
      if (isLag || lag === null) word(g, 'trigger', at - 4 * px, top + 9 * px, css('--muted'), 'right');
    }
    if (!isLag) return;
    if (limit !== null) {
      const y = u.valToPos(limit, 'y', true);
      line(u, [left, y], [left + width, y], css('--bad'), [6, 4]);
      word(g, `limit ${ms(limit)}`, left + 4 * px, y - 7 * px, css('--bad'), 'left');
    }
    // Stalls, and below them garbage collection.
    const bottom = top + height;
    g.save();
    g.fillStyle = css('--stall');
    for (const [from, to] of marks) bit(u, from, to, bottom - 9 * px, 4 * px);
    g.fillStyle = css('--gc');
    for (let i = 0; busy !== null && i + 1 < busy[0].length; i++) {
      if (!(busy[2][i] > 0.02)) continue;
      g.globalAlpha = 0.3 + 0.7 * Math.min(1, busy[2][i] * 2);
      bit(u, busy[0][i], busy[0][i + 1], bottom - 4 * px, 4 * px);
    }
    g.restore();
  }

  function bit(u, from, to, y, tall) {
    const { left, width } = u.bbox;
    const a = Math.max(left, u.valToPos(from, 'x', true));
    const b = Math.min(left + width, Math.max(a + 2, u.valToPos(to, 'x', true)));
    if (b > a) u.ctx.fillRect(a, y, b - a, tall);
  }

  function word(g, text, at, y, color, align) {
    g.save();
    g.font = `${11 * devicePixelRatio}px ${css('--sans')}`;
    g.fillStyle = color;
    g.textAlign = align;
    g.textBaseline = 'middle';
    g.fillText(text, at, y);
    g.restore();
  }

  const axis = { stroke: () => css('--muted'), grid: { stroke: () => css('--grid'), width: 1 },
                 ticks: { show: false }, font: `11px ${css('--sans')}` };

  function chart(id, height, data, list, range, values, isLag) {
    const el = h('div', { 'id': id, 'class': 'chart', 'role': 'img', 'aria-label': label(isLag) });
    box.append(el);
    const u = new uPlot({
      width: Math.max(260, box.clientWidth), height, series: [x, ...list],
      cursor: { sync: { key: 'time' }, drag: { x: true, y: false }, points: { size: 6 } },
      legend: { live: true },
      scales: { x: { time: false, range: (_, a, b) => (a === null ? [min, max] : [a, b]) }, y: { range } },
      axes: [{ ...axis, size: 28, values: (_, v) => v.map((s) => (s === 0 ? '0' : `${s > 0 ? '+' : '−'}${Math.abs(s)} s`)) },
             { ...axis, size: 58, values: (_, v) => v.map(values) }],
      hooks: { drawAxes: [frame], draw: [(self) => over(self, isLag)] },
    }, data, el);
    u.setScale('x', { min, max });
    return u;
  }

  function label(isLag) {
    return isLag ? `Lag in ms from ${when(min)} to ${when(max)}${limit === null ? '' : `, limit ${ms(limit)}`}; at the trigger p99 ${ms(incident.lag.p99Ms)}.`
      : `Share of the time the loop was busy, and in garbage collection, from ${when(min)} to ${when(max)}.`;
  }

  let charts = [];
  function draw() {
    charts.forEach((u) => u.destroy());
    charts = [];
    box.replaceChildren();
    if (lag !== null) {
      const most = Math.max(limit ?? 0, 10, ...lag.data.slice(1).flatMap((column) => column.map((v) => v ?? 0)));
      charts.push(chart('lag-chart', 230, lag.data, lag.names.map((name) => series[name]), () => [0, most * 1.12], (v) => ms(v), true));
    }
    if (busy !== null) {
      const area = (name, label) => ({ label, stroke: () => css(`--${name}`), fill: () => css(`--${name}-fill`), width: 1,
                                       paths: stepped, value: (_, v) => percent(v), points: { show: false } });
      charts.push(chart('busy-chart', 150, busy, [area('busy', 'loop busy'), area('gc', 'garbage collection')],
                        () => [0, 1.02], (v) => percent(v), false));
    }
  }

  const notes = [incident.timeline?.p99Ms ? null : 'This incident.json has no lag by the second, only that of the window at the trigger.',
                 during && !during.blocks ? 'While the profile was taken the loop was hardly ever idle, so samples cannot tell one wait from the next.'
                   : during ? 'Samples do not see very short breaks between two blocks, so a wait from samples is what it was at most.' : null,
                 marks.length > 0 ? 'The upper row of marks at the bottom are stalls, the lower one garbage collection.' : 'Marks at the bottom are garbage collection.',
                 'Drag to zoom, double-click to go back.'];
  show('timeline', box, h('p', { class: 'muted' }, notes.filter(Boolean).join(' ')));
  draw();
  onTheme(draw);
  let width = box.clientWidth;
  new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    charts.forEach((u) => u.setSize({ width: Math.max(260, width), height: u.height }));
  }).observe(box);
}
