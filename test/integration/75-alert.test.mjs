// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The alert and the command: what they get, and never two for one incident.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { describe, test } from 'node:test';
import { temporary, until } from './helpers.mjs';
import { incident } from '../ship/incidents.mjs';
import { begin, quick, run } from '../ship/shipping.mjs';
import { webhook } from '../ship/webhook.mjs';

const marker = ({ dir }) => JSON.parse(readFileSync(path.join(dir, 'shipped.json'), 'utf8'));

async function scene(t, { answer, ...env } = {}) {
  const dir = temporary(t);
  const hook = await webhook(t, answer);
  return { dir, hook, made: incident(dir), env: { VIGIL_ALERT: `${hook.url}/hook-secret`, VIGIL_SERVICE: 'shop', VIGIL_VERSION: '1', ...env } };
}

describe('an alert', { concurrency: 2 }, () => {
  test('as Slack takes it', async (t) => {
    const { dir, hook, env } = await scene(t, { VIGIL_ALERT_FORMAT: 'slack' });
    await run(t, dir, env);
    const [{ json }] = hook.got;
    assert.match(json.text, /^shop: event loop lag p99 is 380 ms .* cause: js \(JavaScript ran in 86 % of 44 samples\)$/);
    assert.equal(json.blocks[0].text.text, 'shop: event loop lag p99 is 380 ms over the last 10.0 s (limit 50 ms, main thread)');
    assert.match(JSON.stringify(json.blocks), /p99 380 ms, longest 412 ms, busy 94 %, GC 3 %.*p99 4 ms, longest 9 ms, busy 40 %, GC 1 %.*2 suppressed before/);
  });

  test('as PagerDuty takes it', async (t) => {
    const { dir, hook, env } = await scene(t, { VIGIL_ALERT_FORMAT: 'pagerduty', VIGIL_ALERT_KEY: 'R0UTE' });
    const { log } = await run(t, dir, env);
    assert.deepEqual([hook.got[0].json.routing_key, hook.got[0].json.event_action], ['R0UTE', 'trigger']);
    assert.doesNotMatch(JSON.stringify(log), /R0UTE|hook-secret/);
  });

  test('is sent again when it was not taken', async (t) => {
    for (const format of ['plain', 'slack']) {
      const { dir, hook, made, env } = await scene(t, { VIGIL_ALERT_FORMAT: format,
                                                        answer: (_, n) => (n < 3 ? { status: 429, headers: { 'Retry-After': '0' } } : { status: 200 }) });
      assert.equal((await run(t, dir, env)).result.shipped, 1);
      assert.deepEqual([hook.got.length, marker(made).alert.state], [3, 'sent']);
      assert.equal(new Set(hook.got.map(({ headers }) => headers['idempotency-key'])).size, 1);
    }
  });

  test('whose fate is unknown: again only where a second one is dropped', async (t) => {
    for (const [format, posts, state] of [['plain', 2, 'sent'], ['slack', 1, 'unknown']]) {
      const { dir, hook, made, env } = await scene(t, { VIGIL_ALERT_FORMAT: format, answer: (_, n) => (n === 1 ? { tear: true } : { status: 200 }) });
      await run(t, dir, env);
      await run(t, dir, env);
      assert.deepEqual([hook.got.length, marker(made).alert.state, marker(made).done], [posts, state, true]);
    }
  });

  test('SIGKILL while it is sent', async (t) => {
    for (const [format, posts, state] of [['plain', 2, 'sent'], ['slack', 1, 'unknown']]) {
      const { dir, hook, made, env } = await scene(t, { VIGIL_ALERT_FORMAT: format, answer: (_, n) => (n === 1 ? { hang: true } : { status: 200 }) });
      const first = begin(t, dir, env);
      await until(() => hook.got.length === 1, 'alert');
      first.kill('SIGKILL');
      await first.exit();
      assert.equal(marker(made).alert.state, 'sending');
      const { log } = await run(t, dir, env);
      assert.deepEqual([hook.got.length, marker(made).alert.state, marker(made).done], [posts, state, true]);
      assert.equal(new Set(hook.got.map(({ headers }) => headers['idempotency-key'])).size, 1);
      if (format === 'slack') assert.match(log[0], /the alert failed: the process ended while it was sent; it is not sent again/);
    }
  });

  test('that nobody takes is given up, and said once', async (t) => {
    const { dir, hook, made, env } = await scene(t, { answer: () => ({ status: 500 }) });
    const said = [];
    for (let n = 0; n < 5; n++) said.push(...(await run(t, dir, env)).log);
    // Six tries in each of three runs.
    assert.deepEqual([hook.got.length, marker(made).done], [18, true]);
    assert.equal(said.filter((line) => /the alert failed: the webhook answers 500/.test(line)).length, 3);
    const bad = await scene(t, { answer: () => ({ status: 404 }) });
    for (let n = 0; n < 2; n++) await run(t, bad.dir, bad.env);
    assert.deepEqual([bad.hook.got.length, marker(bad.made).done], [1, true]);
  });

  test('goes through a proxy when there is one', async (t) => {
    const { dir, hook, env } = await scene(t);
    const seen = [];
    const proxy = http.createServer((req, res) => {
      seen.push(req.url);
      const { hostname, port, pathname } = new URL(req.url);
      req.pipe(http.request({ hostname, port, path: pathname, method: req.method, headers: req.headers }, (from) => {
        res.writeHead(from.statusCode);
        from.pipe(res);
      }));
    }).listen(0, '127.0.0.1');
    await new Promise((done) => proxy.once('listening', done));
    t.after(() => { proxy.close(); proxy.closeAllConnections(); });
    const HTTP_PROXY = `http://127.0.0.1:${proxy.address().port}`;
    await run(t, dir, { ...env, HTTP_PROXY });
    assert.deepEqual([seen, hook.got.length], [[`${hook.url}/hook-secret`], 1]);
    incident(dir, { pid: 5 });
    await run(t, dir, { ...env, HTTP_PROXY, NO_PROXY: '127.0.0.1' });
    assert.deepEqual([seen.length, hook.got.length], [1, 2]);
  });
});

describe('VIGIL_ON_INCIDENT', { concurrency: 2 }, () => {
  test('gets the manifest, and no secret of ours', async (t) => {
    const { dir, made, env } = await scene(t, { VIGIL_ALERT_SECRET: 'hook-secret', VIGIL_ALERT_KEY: 'k' });
    const out = path.join(dir, 'said by it');
    const script = path.join(dir, 'a script');
    writeFileSync(script, `#!/bin/sh\n{ printf '%s\\n' "$#" "$1" "$2"; env; } > "${out}"; echo noise; exit 0\n`, { mode: 0o755 });
    const { result, log } = await run(t, dir, { ...env, VIGIL_ON_INCIDENT: `'${script}' first` });
    assert.equal(result.shipped, 1);
    const said = readFileSync(out, 'utf8');
    assert.ok(said.startsWith(`2\nfirst\n${made.dir}/incident.json\n`), said);
    assert.match(said, new RegExp(`^VIGIL_INCIDENT_ID=${marker(made).id}$`, 'm'));
    assert.match(said, /^VIGIL=off$/m);
    assert.doesNotMatch(said, /hook-secret|VIGIL_ALERT/);
    assert.match(log[0], /alert sent \(plain\); command ran$/);
  });

  test('runs again when it fails, at most three times', async (t) => {
    const { dir, hook, made, env } = await scene(t);
    const count = path.join(dir, 'count');
    const { log, result } = await run(t, dir, { ...env, VIGIL_ON_INCIDENT: `echo x >> ${count}; test ! -e ` });
    assert.equal(readFileSync(count, 'utf8'), 'x\nx\nx\n');
    assert.match(log[0], /VIGIL_ON_INCIDENT failed: it ended with 1$/);
    assert.deepEqual([result.left, marker(made).command.state, hook.got.length], [0, 'failed', 1]);
  });

  test('is ended with all that it started when it takes too long', async (t) => {
    const { dir, made, env } = await scene(t);
    const pid = path.join(dir, 'pid');
    await run(t, dir, { ...env, VIGIL_ON_INCIDENT: `sleep 300 & echo $! > ${pid}; wait; true ` }, { policy: { ...quick, commandMs: 500 } });
    assert.match(marker(made).command.error, /took over 0.5 s and was ended/);
    const child = readFileSync(pid, 'utf8').trim();
    await until(() => !existsSync(`/proc/${child}`) || / [ZX] /.test(readFileSync(`/proc/${child}/stat`, 'utf8')), 'end of what it started');
  });

  test('is not run again when nobody knows how it ended', async (t) => {
    const { dir, made, env } = await scene(t);
    const count = path.join(dir, 'count');
    const VIGIL_ON_INCIDENT = `echo x >> ${count}; sleep 2; true `;
    const first = begin(t, dir, { ...env, VIGIL_ON_INCIDENT });
    await until(() => existsSync(count), 'command');
    first.kill('SIGKILL');
    await first.exit();
    const { log } = await run(t, dir, { ...env, VIGIL_ON_INCIDENT });
    assert.match(log[0], /not run again/);
    assert.deepEqual([readFileSync(count, 'utf8'), marker(made).command.state, marker(made).done], ['x\n', 'unknown', true]);
  });
});
