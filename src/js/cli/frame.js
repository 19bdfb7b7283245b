// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// What `vigil top` shows, as lines of a given width: a pure function of what the
// process said now and before.

const { amount, clean, cut, duration, pad, percent, size, width } = require('./format');

const BARS = { utf8: ' ▁▂▃▄▅▆▇█', ascii: ' .:-=+*#' };
const kBar = 20;

const COLOURS = { bold: 1, red: 31, green: 32, yellow: 33, dim: 2 };
const STATE_COLOURS = { incident: 'red', pending: 'yellow', idle: 'green', off: 'dim' };

// Pieces are [text, colour]: cut to the width first, so that no escape is.
class Line {
  #pieces = [];

  add(text, colour = null) {
    this.#pieces.push([clean(text), colour]);
    return this;
  }

  // Fills up to a column.
  to(column) {
    const used = this.#pieces.reduce((sum, [text]) => sum + width(text), 0);
    return this.add(' '.repeat(Math.max(1, column - used)));
  }

  print(columns, coloured) {
    let left = columns;
    let out = '';
    for (const [text, colour] of this.#pieces) {
      if (left <= 0) break;
      const part = cut(text, left);
      left -= width(part);
      out += coloured && colour !== null ? `\x1b[${COLOURS[colour]}m${part}\x1b[0m` : part;
    }
    return coloured ? out : out.trimEnd();
  }
}

const line = (text = '', colour = null) => new Line().add(text, colour);

function bar(share, utf8) {
  const n = Math.round(Math.min(1, Math.max(0, share)) * kBar);
  return (utf8 ? '█' : '#').repeat(n) + (utf8 ? '░' : '.').repeat(kBar - n);
}

// The last values, the newest on the right; the highest bar is `most`.
function spark(values, most, columns, utf8) {
  const bars = [...BARS[utf8 ? 'utf8' : 'ascii']];
  const shown = values.slice(-columns);
  return shown.map((v) => (v === null ? ' ' : bars[v <= 0 ? 0 : Math.max(1, Math.min(bars.length - 1, Math.ceil(v / most * (bars.length - 1))))])).join('');
}

function head(view, columns) {
  const { status, thread, index, paused, ended } = view;
  const up = Date.parse(status.time) - Date.parse(status.started);
  const state = ended ? 'ended' : paused ? 'paused' : status.time.slice(11, 19);
  const title = `vigil top  pid ${status.pid}  ${thread.name}${status.threads.length > 1 ? ` (${index + 1} of ${status.threads.length})` : ''}  watched for ${duration(up)}`;
  return new Line().add(pad(cut(clean(title), columns - state.length - 2), columns - state.length), 'bold').add(state, paused || ended ? 'yellow' : null);
}

const ruleOf = (thread, name) => thread.rules.find((rule) => rule.name === name);

function lag(view, columns) {
  const { thread, history } = view;
  const { lag: l } = thread;
  const rule = ruleOf(thread, 'lag-p99');
  const limit = rule?.limit ?? null;
  if (l === null) return [line('lag     nothing is known yet'), line(), line()];
  const colour = limit !== null && l.p99Ms > limit ? 'red' : limit !== null && l.p99Ms > limit / 2 ? 'yellow' : 'green';
  const most = Math.max(limit ?? 0, ...history, 1);
  return [
    line('lag     ').add(`p50 ${duration(l.p50Ms)}`).to(21).add(`p90 ${duration(l.p90Ms)}`).to(35).add(`p99 ${duration(l.p99Ms)}`, colour)
      .to(49).add(`max ${duration(l.maxMs)}`).to(63).add(`over ${duration(l.windowMs)}`),
    line('        ').add(spark(history, most, Math.min(60, columns - 30), view.utf8), colour).add(`  p99, up to ${duration(most)}`),
    line('busy    ').add(bar(l.utilization, view.utf8)).add(` ${percent(l.utilization)}`)
      .add(thread.stalled ? `  blocked for ${duration(thread.openMs)}` : '', 'red'),
  ];
}

// What the busy time went into.
function split({ thread }) {
  const { cause } = thread;
  if (cause === undefined) return [line('cause   not known'), line()];
  const f = cause.figures;
  const parts = [['on a CPU', f.cpuMs], ['waits for one', f.runDelayMs], ['in GC', f.gcMs], ['stopped', f.stoppedMs]];
  const samples = [['js', f.samplesJs], ['native', f.samplesNative], ['gc', f.samplesGc], ['kernel', f.samplesSyscall]];
  const all = samples.reduce((sum, [, n]) => sum + (n ?? 0), 0);
  const busy = f.busyMs > 0 ? parts.filter(([, ms]) => ms !== undefined).map(([name, ms]) => `${name} ${percent(Math.min(1, ms / f.busyMs))}`) : [];
  const seen = all > 0 ? samples.filter(([, n]) => n > 0).map(([name, n]) => `${name} ${percent(n / all)}`) : [];
  return [
    line('cause   ').add(cause.class, 'bold').add(`  ${cause.text}`),
    line(`        of the busy time: ${busy.join(', ') || '-'}${seen.length > 0 ? `; seen: ${seen.join(', ')}` : ''}`),
  ];
}

function gc({ thread }) {
  const { gc: g, lag: l } = thread;
  if (g === null) return line('gc      -');
  const kind = (name) => `${g.kinds[name].count} (${duration(g.kinds[name].totalMs)})`;
  const share = l === null ? null : g.windowMs / l.windowMs;
  const heap = g.limitBytes > 0 ? `heap ${size(g.usedBytes)} of ${size(g.limitBytes)} after the last full one` : 'no full one yet';
  return line(`gc      ${percent(share)}  minor ${kind('scavenge')}  full ${kind('mark-sweep-compact')}  ${heap}`);
}

function pool({ status, before }) {
  const { pool: p } = status;
  const sum = (of, key) => Object.values(of?.pool?.kinds ?? {}).reduce((total, kind) => total + kind[key], 0);
  const begun = sum(status, 'begun') - sum(before, 'begun');
  const waited = before === null || begun <= 0 ? null : (sum(status, 'waitMs') - sum(before, 'waitMs')) / begun;
  return line(`pool    queued ${p.queued} (most ${p.queuedMax}), the first waits ${duration(p.oldestMs)}; runs ${p.running}` +
              `${waited === null ? '' : `; ${begun} began after ${duration(waited)}`}`);
}

function stalls({ thread }) {
  const by = Object.entries(thread.stallsByCause).map(([cause, { count, totalMs }]) => `${cause} ${count} (${duration(totalMs)})`);
  return line(`stalls  ${thread.stalls}${by.length > 0 ? `: ${by.join(', ')}` : ''}`);
}

function machine({ status, before }) {
  const ms = before === null ? 0 : Date.parse(status.time) - Date.parse(before.time);
  const cpu = ms > 0 ? percent((status.process.cpuMs - before.process.cpuMs) / ms) : '-';
  return line(`process CPU ${cpu}  memory ${size(status.process.residentBytes)}`);
}

function countdown(rule) {
  if (rule.state === 'pending') return `an incident in ${duration(rule.firesInMs)}`;
  if (rule.state === 'incident') return `${rule.captured ? 'captured' : 'not captured'}; ${rule.overInMs === null ? 'it lasts' : `over in ${duration(rule.overInMs)}`}`;
  return rule.reason;
}

function rules({ thread }) {
  return [line('rule            state     value      limit', 'dim'),
          ...thread.rules.map((rule) => line(pad(rule.name, 16)).add(pad(rule.state, 10), STATE_COLOURS[rule.state])
            .add(rule.state === 'off' ? '' : `${pad(amount(rule.value, rule.unit), 10)} ${pad(amount(rule.limit, rule.unit), 10)} `).add(countdown(rule)))];
}

function captures({ status }) {
  const { captures: c, budget: b } = status;
  const refused = Object.entries(c.refused).filter(([, n]) => n > 0).map(([why, n]) => `${why} ${n}`);
  const out = line(`capture ${c.running ? 'one runs; ' : ''}${c.written} written, ${c.failed} failed${refused.length > 0 ? `, refused: ${refused.join(', ')}` : ''}`);
  if (b === null || b.error !== undefined) return out;
  return out.add(`; left this hour ${b.hourLeft} of ${b.perHour}${b.cooldownMs > 0 ? `, not before ${duration(b.cooldownMs)}` : ''}; ${size(b.roomBytes)} free`);
}

function incidents({ status }, most) {
  return status.incidents.slice(0, most).map((one) => line(`${one.triggered.slice(11, 19)}  `).add(pad(one.cause, 11)).add(one.written ? one.headline : `not written: ${one.headline}`));
}

const HELP = [
  'q, ctrl-c      quit',
  'p, space       pause, and go on',
  'c              capture this thread: a CPU profile, and what VIGIL_CAPTURE says',
  'left, right    the thread before, or after; 1 to 9: that thread',
  '?, h           this page, and back',
  '',
  'lag     how long an event waits that arrives at a random instant of the window',
  'busy    part of the window in which the loop did not poll',
  'cause   why the loop is busy, or why work waits; by what the kernel and samples say',
  'rule    what makes an incident, and how near it is',
];

// `view`: { status, before, thread, index, history, paused, ended, help, message, utf8 }.
// At most `rows` lines of at most `columns` cells.
function frame(view, columns, rows, coloured) {
  const body = view.help ? HELP.map((text) => line(text)) : [
    ...lag(view, columns), ...split(view), gc(view), pool(view), stalls(view), machine(view), line(),
    ...rules(view), line(), captures(view),
  ];
  const room = rows - 2 - body.length;
  if (!view.help && room > 0) body.push(...incidents(view, Math.min(room, 5)));
  const lines = [head(view, columns), ...body.slice(0, Math.max(0, rows - 2))];
  while (view.foot && lines.length < rows - 1) lines.push(line());
  if (view.foot) lines.push(view.message !== '' ? line(view.message, 'yellow') : line('q quit  p pause  c capture  arrows 1-9 thread  ? help', 'dim'));
  return lines.slice(0, rows).map((one) => one.print(columns, coloured));
}

module.exports = { frame };
