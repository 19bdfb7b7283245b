// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Sends the alert of an incident, once. Its state is on the disk before anything
// is sent, so that nobody sends it again whom the end of a process made forget.

const { createHmac } = require('node:crypto');
const formats = require('./formats');
const { HttpError } = require('./http');
const { isRetryable, isUnknown, reasonOf, retrying } = require('./retry');

const kPolicy = { tries: 6, totalMs: 60_000 };
const kRuns = 3;
const kOldMs = 24 * 3_600_000;
// These drop the second of two by themselves, by dedup_key, labels, or the
// Idempotency-Key header. To Slack nothing is sent again whose fate is unknown.
const kDrops = new Set(['pagerduty', 'alertmanager', 'plain']);

const isOver = ({ state, runs = 0 } = {}) =>
  ['sent', 'unknown', 'old', 'off'].includes(state) || (state === 'failed' && runs >= kRuns);

// Stripe's form: the time is signed, too, so an old one cannot be sent again.
function signature(secret, body, seconds) {
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex')}`;
}

const mayRepeat = (format) => (error) => isRetryable(error) &&
  (kDrops.has(format) || [429, 503].includes(error.status) || (error.status === undefined && !isUnknown(error)));

async function post(client, { url, format, secret }, id, body, signal) {
  const now = Math.floor(Date.now() / 1000);
  const answer = await client.send({
    url, method: 'POST', body, signal, totalMs: 15_000, mostAnswer: 65_536,
    headers: {
      'Content-Type': 'application/json', 'Content-Length': body.length, 'Idempotency-Key': id,
      ...(secret && { 'X-Vigil-Signature': signature(secret, body, now) }),
    },
  });
  const { status, afterMs } = answer;
  if (status >= 200 && status < 300) return;
  const why = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
  throw new HttpError(`${format === 'plain' ? 'the webhook' : format} answers ${status}${why}`, { status, afterMs });
}

// `state`: the marker's `alert`; `save(state)` makes it durable; `make()` the plain
// alert. Returns the new state; its `error` is new if `said` should be told.
async function send({ config, client, facts, state = {}, save, make, signal, policy, now = Date.now() }) {
  const { format, alert: url, secret, routingKey } = config;
  if (isOver(state)) return state;
  if (state.state === 'sending' && !kDrops.has(format)) {
    return { ...state, state: 'unknown', error: 'the process ended while it was sent; it is not sent again' };
  }
  if (now - Date.parse(facts.triggered) > kOldMs) return { ...state, state: 'old' };
  const body = Buffer.from(JSON.stringify(formats[format](await make(), { routingKey })));
  const sending = { state: 'sending', id: facts.id, format, runs: (state.runs ?? 0) + 1, at: new Date(now).toISOString() };
  save(sending);
  try {
    await retrying(() => post(client, { url, format, secret }, facts.id, body, signal),
                   { policy: { ...kPolicy, ...policy }, signal, wanted: mayRepeat(format) });
    return { ...sending, state: 'sent' };
  } catch (error) {
    // A status is an answer, but 502 and 504 are those of somebody in between.
    const unknown = !kDrops.has(format) && (isUnknown(error) || error.status === 502 || error.status === 504);
    const final = error.status >= 300 && error.status < 500 && !isRetryable(error);
    return { ...sending, ...(final && { runs: kRuns }), state: unknown ? 'unknown' : 'failed', error: reasonOf(error) };
  }
}

module.exports = { send, isOver, signature };
