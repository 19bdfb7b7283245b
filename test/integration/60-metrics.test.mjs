// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// /metrics: both formats, every name as docs/metrics.md has it, figures that
// are right, answers while the loop is blocked. With Prometheus: 61.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { MINUTE, top, until } from './helpers.mjs';
import { ask, parse, start, told } from './told.mjs';

const OPENMETRICS = { accept: 'application/openmetrics-text;version=1.0.0' };
// One call: no other rule, and nothing written.
const QUIET = { VIGIL_CAPTURE: 'none', VIGIL_STALL_TRIGGER: 'off', VIGIL_LAG_P99_MS: '60000' };

const within = (value, low, high, what) =>
  assert.ok(value >= low && value <= high, `${what}: ${value}, not ${low} to ${high}`);

describe('formats', { concurrency: 2 }, () => {
  test('Prometheus text, and OpenMetrics for who prefers it', async (t) => {
    const it = await start(t, ['1']);
    await told(it, (m) => m.value('nodejs_eventloop_lag_p99_seconds', { thread: 'worker-1' }) >= 0, 'a window');
    const [text, open] = await Promise.all([ask(it.at, '/metrics'), ask(it.at, '/metrics', { headers: OPENMETRICS })]);
    assert.equal(text.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(open.headers['content-type'], 'application/openmetrics-text; version=1.0.0; charset=utf-8');
    assert.ok(open.body.endsWith('\n# EOF\n') && !text.body.includes('# EOF'));
    for (const { status, headers, body } of [text, open]) {
      assert.equal(status, 200);
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['access-control-allow-origin'], undefined);
      assert.equal(Number(headers['content-length']), body.length);
    }
    // The same samples.
    const [a, b] = [parse(text.body), parse(open.body)];
    const names = ({ samples }) => samples.map((s) => `${s.name} ${JSON.stringify(s.labels)}`);
    assert.deepEqual(names(a), names(b));
    for (const [name, { type, help, unit }] of Object.entries(b.families)) {
      assert.ok(help.length > 3 && ['gauge', 'counter', 'histogram', 'info'].includes(type), name);
      assert.match(name, new RegExp(unit ? `_${unit}$` : '.'), 'a unit ends the name');
      assert.equal(a.families[`${name}${{ counter: '_total', info: '_info' }[type] ?? ''}`]?.help, help);
    }
    assert.equal(a.value('vigil_thread_info', { name: 'worker 1 (a "quoted"\\ name)', thread: 'worker-1' }), 1);
  });

  test('HEAD', async (t) => {
    const it = await start(t);
    const { status, headers, body } = await ask(it.at, '/metrics', { method: 'HEAD' });
    assert.deepEqual([status, body], [200, '']);
    assert.ok(Number(headers['content-length']) > 1000);
  });

  test('docs/metrics.md has every name, and no other', async (t) => {
    const it = await start(t, ['1']);
    process.kill(it.pid, 'SIGHUP');
    const { families } = parse((await until(async () => {
      const answer = await ask(it.at, '/metrics', { headers: OPENMETRICS });
      return /vigil_budget_cooldown/.test(answer.body) && /lag_p99/.test(answer.body) ? answer : null;
    }, 'all families')).body);
    const suffix = { counter: '_total', info: '_info' };
    const told = Object.entries(families).map(([name, { type, unit }]) => `${name}${suffix[type] ?? ''} ${type} ${unit ?? ''}`);
    const docs = readFileSync(path.join(top, 'docs/metrics.md'), 'utf8');
    const rows = [...docs.matchAll(/^\| `([a-z]\w+)` \| (gauge|counter|histogram|info) \| (\w*) ?\|/gm)]
      .map(([, name, type, unit]) => `${name} ${type} ${unit}`);
    // A heap that had no full collection yet has no figures of one.
    const late = rows.filter((row) => /^vigil_heap_/.test(row) && !told.includes(row));
    assert.deepEqual(rows.filter((row) => !late.includes(row)).sort(), told.sort());
  });
});

describe('figures', { concurrency: 2 }, () => {
  test('a block of a second', async (t) => {
    const it = await start(t, ['1', '1000'], { ...QUIET, VIGIL_GRACE: '0s' });
    await told(it, (m) => m.value('nodejs_eventloop_lag_p99_seconds', { thread: 'main' }) >= 0, 'a window');
    const before = await it.metrics();
    it.kill('SIGHUP');
    const main = { thread: 'main' };
    const after = await told(it, (m) => (m.sum('vigil_stalls_total', main) === 1 ? m : null), 'the stall');
    const grown = (name, labels = {}) => after.sum(name, { ...main, ...labels }) - before.sum(name, { ...main, ...labels });

    // One event in each millisecond: 950 of the block wait for over 50 ms, half
    // of it for over 500.
    const over = (le) => grown('vigil_eventloop_lag_seconds_count') - grown('vigil_eventloop_lag_seconds_bucket', { le });
    const block = after.value('nodejs_eventloop_lag_max_seconds', main);
    within(block, 0.99, 1.5, 'longest');
    for (const [le, ms] of [['0.05', 50], ['0.1', 100], ['0.5', 500], ['0.75', 750]]) {
      within(over(le), block * 1000 - ms - 20, block * 1000 - ms + 500, le);
    }
    within(grown('vigil_eventloop_lag_seconds_sum'), block * block / 2 * 1000 - 50, block * block / 2 * 1000 + 200, 'sum');
    within(grown('nodejs_eventloop_time_seconds_total', { nodejs_eventloop_state: 'active' }), 0.99, block + 1, 'active');
    within(after.sum('vigil_stall_seconds_total', main), 0.9, block + 0.1, 'stalled');
    within(grown('vigil_eventloop_turn_seconds_count') - grown('vigil_eventloop_turn_seconds_bucket', { le: '0.5' }), 1, 3, 'long turns');
    // 10 ms before the end of the window's 99 %: it may hold the block for a
    // tenth of its length or more.
    within(after.value('nodejs_eventloop_lag_p99_seconds', main), 0.7, block, 'p99');
    for (const which of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99']) {
      assert.equal(after.value(`nodejs_eventloop_delay_${which}_seconds`, main),
                   after.value(`nodejs_eventloop_lag_${which}_seconds`, main));
    }
    assert.ok(after.value('nodejs_eventloop_lag_max_seconds', { thread: 'worker-1' }) < 0.9);
    within(after.value('process_resident_memory_bytes'), 2 ** 24, 2 ** 31, 'memory');
    within(after.value('process_start_time_seconds'), Date.now() / 1000 - 300, Date.now() / 1000, 'start');
    assert.ok(after.value('process_cpu_seconds_total') > 0);
    // Incremental marking or not, a start has some scavenges, and spaces.
    assert.ok(after.sum('v8js_memory_heap_space_size_bytes', { ...main, v8js_heap_space_name: 'old_space' }) > 1e6);
    assert.equal(after.sum('vigil_gc_pause_seconds_count', main), after.sum('v8js_gc_duration_seconds_count', main));
  });

  test('counters never go back, at any scrape', async (t) => {
    const it = await start(t, ['0', '130', 'again'], QUIET);
    it.kill('SIGHUP');
    await it.line(/^blocking/m);
    let last = new Map();
    for (const end = performance.now() + 8000; performance.now() < end;) {
      const m = await it.metrics();
      const now = new Map();
      for (const { name, labels, value } of m.samples) {
        if (!/_(total|bucket|count|sum)$/.test(name)) continue;
        const key = `${name} ${JSON.stringify(labels)}`;
        assert.ok(value >= (last.get(key) ?? 0), `${key}: ${last.get(key)}, then ${value}`);
        now.set(key, value);
      }
      for (const labels of new Set(m.samples.filter((s) => s.name.endsWith('_bucket')).map((s) => JSON.stringify([s.name, { ...s.labels, le: undefined }])))) {
        const [name, rest] = JSON.parse(labels);
        const values = m.match(name, rest).map((s) => s.value);
        assert.deepEqual(values, values.toSorted((x, y) => x - y), `${name} grows with its bounds`);
        assert.equal(values.at(-1), m.value(name.replace('_bucket', '_count'), rest));
      }
      last = now;
      await new Promise((done) => setTimeout(done, 130));
    }
  });
});

describe('while the loop is blocked for a minute', { concurrency: 1 }, () => {
  test('it answers, 50 times a second, and says so', { timeout: 5 * MINUTE }, async (t) => {
    // With what comes by default: a stall of 5 s is captured meanwhile.
    const it = await start(t, ['0', '62000'], { VIGIL_GRACE: '0s' });
    await told(it, (m) => m.value('nodejs_eventloop_lag_p99_seconds') >= 0, 'a window');
    it.kill('SIGHUP');
    await it.line(/^blocking/m);
    const times = [];
    const ages = [];
    let most = 0;
    const pending = new Set();
    const begin = performance.now();
    for (let i = 0; performance.now() - begin < 60_000; i++) {
      // In time, whatever became of the last one.
      await new Promise((done) => setTimeout(done, Math.max(0, begin + i * 20 - performance.now())));
      const one = ask(it.at, i % 2 ? '/metrics' : '/status').then(({ status, body, ms }) => {
        assert.equal(status, 200);
        times.push(ms);
        if (i % 50 === 1) {
          const m = parse(body);
          ages.push(m.value('vigil_tick_age_seconds'));
          most = Math.max(most, m.value('nodejs_eventloop_lag_seconds', { thread: 'main' }));
        }
      });
      pending.add(one);
      one.finally(() => pending.delete(one)).catch(() => {});
      if (pending.size > 20) await Promise.race(pending);
    }
    await Promise.all(pending);
    const count = times.length;
    times.sort((x, y) => x - y);
    const at = (q) => times[Math.floor(q * count)];
    t.diagnostic(`${count} answers: median ${at(0.5).toFixed(1)} ms, p99 ${at(0.99).toFixed(1)} ms, longest ${times.at(-1).toFixed(0)} ms; ` +
                 `figures up to ${Math.max(...ages).toFixed(1)} s old`);
    // Both ends are on this machine, which has other work.
    assert.ok(count > 1000, `${count}`);
    assert.ok(at(0.5) < 50, `median ${at(0.5)} ms`);
    assert.ok(most > 30, `the block as told: ${most} s`);
    assert.equal((await it.line(/^blocking/m)).length, 1);
    assert.equal(it.exited, false);
  });
});
