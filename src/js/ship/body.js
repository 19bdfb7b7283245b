// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The alert as plain JSON, schema 1 (docs/shipping.md), and its one-line summary.

function summary(facts) {
  return `${facts.headline}, cause: ${facts.cause.class}${facts.cause.text ? ` (${facts.cause.text})` : ''}`;
}

// `upload`: { state: 'verified' | 'failed' | 'off', error, missing }; evidence
// only holds what was verified.
function plain(facts, { service, version }, { upload, evidence = [], linksExpire = null, directory }) {
  const { id, headline, triggered, finished, host, pid, thread, rule, cause, p99Ms, windowMs, before, during, suppressed } = facts;
  return {
    schema: 1, kind: 'vigil.incident', id, incident: facts.name, headline, triggered, finished,
    service, version, host, pid, thread, rule, cause, p99Ms, windowMs, before, during, suppressed,
    upload: { state: upload.state, error: upload.error ?? null, missing: upload.missing ?? [] },
    evidence, linksExpire, directory,
  };
}

// What became of the evidence, for formats that are read by people.
function where(alert) {
  if (alert.upload.state === 'verified') {
    const missing = alert.upload.missing.map(({ name, error }) => `${name}: ${error}`).join('; ');
    return `Evidence is uploaded and checked${alert.linksExpire ? `; links work until ${alert.linksExpire}` : ''}${
      missing && `; not there: ${missing}`}.`;
  }
  return `${alert.upload.state === 'failed' ? `Evidence is not uploaded: ${alert.upload.error}. It` : 'Evidence'} is in ${
    alert.directory} on ${alert.host}.`;
}

const percent = (share) => `${Math.round(share * 100)} %`;

// "p99 380 ms, longest 900 ms, busy 94 %, GC 3 %"
function phrase(figures) {
  if (!figures) return 'not known';
  return [figures.p99Ms !== null && `p99 ${Math.round(figures.p99Ms)} ms`, figures.maxMs !== null && `longest ${Math.round(figures.maxMs)} ms`,
          figures.busyShare !== null && `busy ${percent(figures.busyShare)}`, figures.gcShare !== null && `GC ${percent(figures.gcShare)}`]
    .filter(Boolean).join(', ');
}

function clip(text, most) {
  if (text.length <= most) return text;
  const end = (text.charCodeAt(most - 2) & 0xfc00) === 0xd800 ? most - 2 : most - 1;
  return `${text.slice(0, end)}…`;
}

module.exports = { plain, summary, where, phrase, clip };
