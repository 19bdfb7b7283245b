// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// What happened, as someone who knows would say it. Sentences are lists of
// pieces: plain strings, { strong } and { code } — no markup, so that no name
// can become any.

const { advice } = require('./advice');
const { clip } = require('./read');

const strong = (text) => ({ strong: text });
const code = (text) => ({ code: text });

function duration(ms) {
  if (ms === null || ms === undefined) return '?';
  if (ms >= 9_950) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 995) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 1 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(2)} ms`;
}

const percent = (share) => (share > 0 && share < 0.01 ? 'less than 1 %' : `${Math.round(Math.min(1, share) * 100)} %`);

function place({ file, line }, hotLine) {
  if (!file) return '';
  return `${file}${(hotLine ?? line) > 0 ? `:${hotLine ?? line}` : ''}`;
}

const BECAUSE = {
  __proto__: null,
  js: 'JavaScript kept it busy',
  native: 'native code ran on it',
  gc: 'garbage collection stopped it',
  syscall: 'it was blocked in the kernel',
  threadpool: 'the thread pool had no thread free',
  starved: 'other processes had the CPU',
  throttled: 'its CPU limit was used up',
  suspended: 'it was stopped from outside',
};

// Since when the lag is over the limit: from the time line, in ms before the
// trigger, else null.
function since({ timeline, rule }) {
  if (timeline === null || timeline.p99Ms === null || rule.unit !== 'ms' || rule.limit === null) return null;
  let from = null;
  let well = 0;
  for (let i = timeline.atMs.length - 1; i >= 0; i--) {
    if (timeline.atMs[i] > 0) continue;
    if (timeline.p99Ms[i] > rule.limit) {
      from = timeline.atMs[i];
      well = 0;
    } else if (from !== null && ++well === 3) {
      return -from;  // A good second or two in between do not end it.
    }
  }
  return from === null ? null : -from;
}

function what(incident) {
  const { rule, lag, thread } = incident;
  const limit = rule.limit === null ? '' : ` (limit ${rule.unit === '%' ? `${rule.limit} %` : duration(rule.limit)})`;
  const where = `the ${thread.name.replace(/^the /, '')}`;
  if (rule.onDemand) {
    return ['Captured on request on ', where, ': ', strong(`lag p99 ${duration(lag.p99Ms)}`),
            ` over the ${duration(lag.windowMs)} before it.`];
  }
  switch (rule.name) {
    case 'lag-p99':
      return [`Over ${duration(lag.windowMs ?? rule.windowMs)}, one event in a hundred waited `,
              strong(`${duration(rule.value)} or longer`), limit, ` for ${where}: `];
    case 'stall':
      return [`No event was handled on ${where} for `, strong(duration(rule.value)), limit, ': '];
    case 'gc-share':
      return ['Garbage collection took ', strong(`${Math.round(rule.value)} %`), limit, ` of the time of ${where}: `];
    case 'pool-wait-p99':
      return ['Work waited ', strong(`${duration(rule.value)} or longer`), limit, ' for a thread of the pool, one in a hundred: '];
    case 'old-space':
      return ['The heap of ', where, ' stays ', strong(`${Math.round(rule.value)} % full`), limit, ' after full collections, and grows: '];
    default:
      return incident.headline === null ? [] : [`${incident.headline}: `];
  }
}

function first(incident) {
  const { cause } = incident;
  const head = what(incident);
  if (incident.rule.onDemand) return head;
  if (head.length === 0) return ['What triggered this is not known: there is no readable incident.json.'];
  // The rule says it already.
  if (cause.class === 'gc' && ['gc-share', 'old-space'].includes(incident.rule.name)) return [...head.slice(0, -1), head.at(-1).replace(/: $/, '.')];
  if (cause.class === 'unknown') return [...head, strong('why is not certain'), '.'];
  return [...head, strong(BECAUSE[cause.class]), '.'];
}

// Who did it. The dense profile says it best; the recorder knows native code,
// what was called, and who was collecting.
function guilt(incident, during, before) {
  const kind = incident.cause.class;
  if (['starved', 'throttled', 'suspended', 'threadpool'].includes(kind)) return null;
  const from = kind === 'gc' ? before ?? during : during ?? before;
  const top = from?.blame[0];
  if (!top || top.share < 0.1) return null;
  const same = before?.blame.find((b) => b.name === top.name && b.url === top.url);
  return { ...top, work: top.work ?? same?.work ?? null, native: same?.native ?? top.native, recorded: from === before ? 'before' : 'during' };
}

function second(incident, top) {
  const at = place(top, top.hotLine);
  const out = [code(top.name || '(anonymous)')];
  if (at) out.push(' ', code(at));
  out.push(incident.cause.class === 'gc' ? ' and what it called was running, or made V8 collect, for ' : ' and what it called had ',
           strong(percent(top.share)), ` of the busy time${top.recorded === 'before' ? ' before the trigger' : ''}`);
  if (incident.cause.class === 'native' && top.native) out.push(', mostly in the native function ', code(clip(top.native, 120)));
  else if (top.work) out.push(', mostly in ', strong(top.work));
  if (top.by) out.push('; it was called by ', code(`${top.by.name} ${place(top.by)}`.trim()));
  return [...out, '.'];
}

function byAllocation({ rows, bytes }) {
  const top = rows.find(({ kind }) => kind < 2) ?? rows[0];
  return [code(top.name), ' ', code(place(top)), ' allocated ', strong(percent(top.self / bytes)),
          ' of what was sampled.'];
}

function verdict(incident, { during, before, alloc }) {
  const { cause, rule } = incident;
  const top = guilt(incident, during, before);
  const sentences = [first(incident)];
  if (top !== null) sentences.push(second(incident, top));
  if (cause.class === 'gc' && alloc?.rows.length > 0) sentences.push(byAllocation(alloc));
  const sinceMs = since(incident);
  if (sinceMs !== null) sentences.push([`It began ${duration(sinceMs)} before the trigger.`]);
  else if (!rule.onDemand && rule.name !== 'stall' && rule.forMs > 0) {
    sentences.push([`It had lasted for at least ${duration(rule.forMs)} when this was captured.`]);
  }
  return { class: cause.class, sentences, evidence: cause.text, next: advice(incident, top), sinceMs };
}

module.exports = { duration, verdict };
