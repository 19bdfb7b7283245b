// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// /status, /ready and /live, before, in and after an incident.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from './helpers.mjs';
import { incidents } from './incident.mjs';
import { ask, start, told } from './told.mjs';

// One second over 50 ms is an incident, and a calm second the end of it.
const QUICK = { VIGIL_WINDOW: '1s', VIGIL_FOR: '1s', VIGIL_GRACE: '0s', VIGIL_CAPTURE: 'none', VIGIL_STALL_TRIGGER: 'off' };

const rule = (status, name) => status.threads[0].rules.find((r) => r.name === name);

describe('status', { concurrency: 2 }, () => {
  test('of a process that is well', async (t) => {
    const it = await start(t, ['2']);
    const { status, headers } = await ask(it.at, '/status');
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    const s = await until(async () => {
      const now = await it.status();
      return now.budget !== null && now.threads.length === 3 && now.threads.every((one) => one.lag) && now;
    }, 'all of it');
    assert.deepEqual([s.schema, s.pid, s.armed, s.ready, s.readyInMs], [1, it.pid, true, true, 0]);
    assert.ok(Math.abs(Date.parse(s.time) - Date.now()) < 60_000 && Date.parse(s.started) < Date.parse(s.time));
    assert.deepEqual(s.threads.map((one) => one.label), ['main', 'worker-1', 'worker-2']);
    assert.deepEqual(s.threads[0].rules.map(({ name, state, unit, limit }) => [name, state, unit, limit]), [
      ['lag-p99', 'idle', 'ms', 50], ['stall', 'idle', 'ms', 5000], ['gc-share', 'idle', '%', 30],
      ['pool-wait-p99', 'idle', 'ms', 1000], ['old-space', 'idle', '%', 90]]);
    assert.equal(rule(s, 'lag-p99').reason, 'grace period after the start');
    assert.deepEqual(s.captures, { running: false, attempted: 0, written: 0, failed: 0,
                                   refused: { cooldown: 0, hourly: 0, disk: 0, host: 0, fleet: 0, error: 0 } });
    const { directory, hourLeft, perHour, cooldownMs, incidents: count, usedBytes, diskBytes } = s.budget;
    assert.deepEqual({ directory, hourLeft, perHour, cooldownMs, count, usedBytes, diskBytes },
                     { directory: it.dir, hourLeft: 3, perHour: 3, cooldownMs: 0, count: 0, usedBytes: 0, diskBytes: 2 ** 30 });
    assert.deepEqual(s.incidents, []);
    // Looking creates nothing.
    assert.deepEqual(incidents(it.dir), []);
    assert.equal((await ask(it.at, '/live')).body, 'live\n');
    assert.equal((await ask(it.at, '/ready')).body, 'ready\n');
  });

  test('of an incident, and of one that the budget refuses', async (t) => {
    const it = await start(t, ['0', '300', 'again'], { ...QUICK, VIGIL_FOR: '4s' });
    await told(it, (m) => m.value('nodejs_eventloop_lag_p99_seconds') >= 0, 'a window');
    it.kill('SIGHUP');
    const pending = await until(async () => {
      const now = await it.status();
      return rule(now, 'lag-p99').state === 'pending' && now;
    }, 'the rule to be pending');
    assert.equal(pending.ready, true);
    const { firesInMs, value, reason } = rule(pending, 'lag-p99');
    assert.ok(firesInMs >= 0 && firesInMs <= 4000, `${firesInMs}`);
    assert.ok(value > 50, `${value}`);
    assert.equal(reason, 'the lag p99 is over the limit, but not for long enough');
    const s = await until(async () => {
      const now = await it.status();
      return now.captures.written === 1 && now.incidents.length === 1 && now.budget.incidents === 1 && now;
    }, 'the incident');
    assert.deepEqual([s.ready, s.readyInMs], [false, null]);
    const { state, captured, overInMs } = rule(s, 'lag-p99');
    assert.deepEqual([state, captured], ['incident', true]);
    assert.ok(overInMs === null || overInMs <= 1000, `${overInMs}`);
    const [one] = s.incidents;
    assert.deepEqual([one.rule, one.threadId, one.written], ['lag-p99', 0, true]);
    assert.match(one.headline, /^event loop lag p99 is \d+ ms over the last [\d.]+ s \(limit 50 ms, main thread\)$/);
    assert.match(it.vigil.join('\n'), new RegExp(`cause: ${one.cause} `));
    assert.deepEqual(incidents(it.dir), [one.directory]);
    assert.equal(s.captures.attempted, 1);
    assert.ok(s.budget.cooldownMs > 500_000 && s.budget.cooldownMs <= 600_000, `${s.budget.cooldownMs}`);
    assert.equal(s.budget.hourLeft, 2);
    const m = await it.metrics();
    assert.equal(m.value('vigil_rule_state', { rule: 'lag-p99' }), 2);
    assert.equal(m.value('vigil_ready'), 0);
    assert.equal(m.value('vigil_captures_written_total'), 1);

    // Another process that shares the folder: the cool-down is everybody's.
    const next = await start(t, ['0', '300', 'again'], { ...QUICK, VIGIL_DIR: it.dir });
    next.kill('SIGHUP');
    const refused = await until(async () => {
      const now = await next.status();
      return now.captures.refused.cooldown === 1 && now.budget.suppressed === 1 && now;
    }, 'the refusal');
    assert.deepEqual([refused.captures.attempted, refused.captures.written, refused.ready], [1, 0, false]);
    assert.equal(rule(refused, 'lag-p99').captured, false);
    assert.equal((await next.metrics()).value('vigil_captures_refused_total', { reason: 'cooldown' }), 1);
  });

  test('/ready during an incident, and for a time after', async (t) => {
    // A stall is over when it is; then the calm, then the time after.
    const it = await start(t, ['0', '6000'], { ...QUICK, VIGIL_STALL_TRIGGER: '2s', VIGIL_LAG_P99_MS: '60000', VIGIL_READY_AFTER: '3s' });
    await told(it, (m) => m.value('nodejs_eventloop_lag_p99_seconds') >= 0, 'a window');
    assert.equal((await ask(it.at, '/ready')).status, 200);
    it.kill('SIGHUP');
    await it.line(/^blocking/m);
    const busy = await until(async () => {
      const answer = await ask(it.at, '/ready');
      return answer.status === 503 && answer;
    }, 'not ready');
    assert.equal(busy.body, 'not ready: an incident lasts\n');
    assert.equal(busy.headers['cache-control'], 'no-store');
    assert.equal((await ask(it.at, '/ready', { method: 'HEAD' })).status, 503);
    assert.equal((await ask(it.at, '/live')).status, 200);
    const after = await until(async () => {
      const answer = await ask(it.at, '/ready');
      assert.equal(answer.status, 503);
      return answer.body !== busy.body && [answer, performance.now()];
    }, 'the end of the incident');
    assert.equal(after[0].body, 'not ready: an incident was over a short while ago\n');
    await until(async () => (await ask(it.at, '/ready')).status === 200, 'ready');
    const took = performance.now() - after[1];
    assert.ok(took > 500 && took < 30_000, `${took}`);
    assert.equal((await it.status()).ready, true);
  });
});
