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

const ofSlices = (s, ...keys) => columns(s.atMs, s.stepMs, ...keys.map((key) => s[key]));

function joined(tables, width) {
  const given = tables.filter(Boolean);
  if (given.length > 0) return uPlot.join(given);
  return [[], ...Array(width).fill([])];
}

function lagData({ incident: { timeline: t }, profiles: { during } }) {
  const measured = t && t.p99Ms && columns(t.atMs, t.spanMs.at(-1), t.p99Ms, t.maxMs ?? t.p99Ms.map(() => null),
                                           t.poolWaitMs ?? t.p99Ms.map(() => null));
  const sampled = during?.slices.p99Ms && ofSlices(during.slices, 'p99Ms', 'maxMs');
  if (measured && sampled) return { data: joined([measured, sampled]), measured: 3, sampled: 2 };
  if (measured) return { data: measured, measured: 3, sampled: 0 };
  if (sampled) return { data: sampled, measured: 0, sampled: 2 };
  return null;
}

function busyData({ incident: { timeline: t }, profiles: { during, before } }) {
  if (t?.busyMs) {
    const part = (list) => list.map((v, i) => (v === null ? null : Math.min(1, v / t.spanMs[i])));
    return columns(t.atMs, t.spanMs.at(-1), part(t.busyMs), part(t.gcMs ?? t.busyMs.map(() => 0)));
  }
  const parts = [before, during].filter(Boolean).map(({ slices }) => ofSlices(slices, 'busy', 'gc'));
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
  const limit = incident.rule.unit === 'ms' && incident.rule.name === 'lag-p99' ? incident.rule.limit : null;
  const ends = [lag?.data[0], busy?.[0]].filter((x) => x?.length > 0);
  const min = Math.min(...ends.map((x) => x[0]));
  const max = Math.max(...ends.map((x) => x.at(-1)));
  const when = (s) => (s === null || s === undefined ? '' : `${s >= 0 ? '+' : '−'}${Math.abs(s).toFixed(1)} s` +
    (zero === null ? '' : `, ${new Date(zero + s * 1000).toISOString().slice(11, 21)} UTC`));
  const marks = (stalls?.list ?? []).filter(({ atMs }) => atMs !== null && atMs >= min * 1000 - 60_000)
    .map(({ atMs, lastedMs }) => [atMs / 1000, (atMs + lastedMs) / 1000]);
  const box = h('div', { class: 'charts' });
  const x = { label: '', value: (_, v) => when(v) };
  const series = {
    p99: { label: 'lag p99', stroke: () => css('--lag'), width: 2, paths: stepped, value: (_, v) => ms(v), points: { show: false } },
    max: { label: 'longest', stroke: () => css('--faint'), width: 1, paths: stepped, value: (_, v) => ms(v), points: { show: false } },
    pool: { label: 'pool wait p99', stroke: () => css('--pool'), width: 1.5, paths: stepped, value: (_, v) => ms(v), points: { show: false } },
  };
  const sampled = (s, label) => ({ ...s, label, dash: [5, 4], width: 1.5 });

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
      const list = [];
      if (lag.measured > 0) list.push(series.p99, series.max, series.pool);
      if (lag.sampled > 0) list.push(sampled(series.p99, 'lag p99, by samples'), sampled(series.max, 'longest, by samples'));
      const kept = list.map((s, i) => [s, lag.data[i + 1]]).filter(([, column]) => column.some((v) => v !== null && v !== undefined));
      const most = Math.max(limit ?? 0, 1, ...kept.flatMap(([, column]) => column.map((v) => v ?? 0)));
      charts.push(chart('lag-chart', 230, [lag.data[0], ...kept.map(([, column]) => column)], kept.map(([s]) => s),
                        () => [0, most * 1.12], (v) => ms(v), true));
    }
    if (busy !== null) {
      const area = (name, label) => ({ label, stroke: () => css(`--${name}`), fill: () => css(`--${name}-fill`), width: 1,
                                       paths: stepped, value: (_, v) => percent(v), points: { show: false } });
      charts.push(chart('busy-chart', 150, busy, [area('busy', 'loop busy'), area('gc', 'garbage collection')],
                        () => [0, 1.02], (v) => percent(v), false));
    }
  }

  const notes = [incident.timeline?.p99Ms ? null : 'Seconds before the trigger are not in this incident.json: lag is shown from the profile’s samples on.',
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
