// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// With Prometheus' own tools, and a Prometheus that scrapes two processes of
// which one is blocked again and again.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { App, MINUTE, environment, temporary, top, until } from './helpers.mjs';
import { ask, start, told } from './told.mjs';

const RULES = path.join(top, 'docs/prometheus-rules.yml');
const DASHBOARD = path.join(top, 'docs/grafana-dashboard.json');
let bin;

before(() => {
  const { VIGIL_CACHE } = process.env;
  bin = execFileSync(path.join(top, 'test/prometheus.sh'),
                     { encoding: 'utf8', env: environment({ VIGIL_CACHE }) }).trim();
}, { timeout: 4 * MINUTE });

function promtool(args, input) {
  const { status, stdout, stderr } = spawnSync(path.join(bin, 'promtool'), args, { encoding: 'utf8', input });
  return { status, said: `${stdout}${stderr}` };
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

// A Prometheus that scrapes each second what `targets` names.
async function prometheus(t, targets) {
  const dir = temporary(t);
  writeFileSync(path.join(dir, 'prometheus.yml'), `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [${JSON.stringify(RULES)}]
scrape_configs:
  - job_name: node
    static_configs: [{ targets: ${JSON.stringify(targets)} }]
`);
  const port = await freePort();
  const it = new App(t, [`--config.file=${dir}/prometheus.yml`, `--storage.tsdb.path=${dir}/data`,
                         `--web.listen-address=127.0.0.1:${port}`], { bin: path.join(bin, 'prometheus'), cwd: dir });
  const at = `http://127.0.0.1:${port}`;
  it.get = async (what) => {
    const answer = JSON.parse((await ask(at, what)).body);
    assert.equal(answer.status, 'success', `${what}: ${answer.error}`);
    return answer.data;
  };
  it.query = async (q) => (await it.get(`/api/v1/query?query=${encodeURIComponent(q)}`)).result;
  it.value = async (q) => {
    const [first] = await it.query(q);
    return first === undefined ? undefined : Number(first.value[1]);
  };
  await until(async () => {
    if (it.exited) throw new Error(`Prometheus ended: ${it.said()}`);
    return ask(at, '/-/ready').then(({ status }) => status === 200, () => false);
  }, () => `Prometheus; it said ${it.said()}`, 2 * MINUTE);
  return it;
}

describe('Prometheus', { concurrency: 2 }, () => {
  test('promtool check metrics has nothing to say', async (t) => {
    const it = await start(t, ['1']);
    await told(it, (m) => m.value('vigil_budget_hourly_left') >= 0 && m.value('nodejs_eventloop_lag_p99_seconds') >= 0, 'all families');
    const { body } = await ask(it.at, '/metrics');
    assert.deepEqual(promtool(['check', 'metrics'], body), { status: 0, said: '' });
  });

  test('promtool check rules takes the alert rules', () => {
    const { status, said } = promtool(['check', 'rules', RULES]);
    assert.equal(status, 0, said);
    assert.match(said, /SUCCESS: \d+ rules found/);
  });

  test('two processes, one of them blocked: the p99 of both', { timeout: 5 * MINUTE }, async (t) => {
    const quiet = { VIGIL_CAPTURE: 'none', VIGIL_GRACE: '0s' };
    const well = await start(t, [], quiet);
    const blocked = await start(t, ['0', '400', 'again'], quiet);
    const targets = [well, blocked].map((it) => new URL(it.at).host);
    const prom = await prometheus(t, targets);

    await until(async () => (await prom.query('up == 1')).length === 2, 'both are scraped');
    // It prefers OpenMetrics, and knows the units and the types.
    const metadata = await prom.get('/api/v1/metadata');
    assert.deepEqual(metadata.vigil_eventloop_lag_seconds.map(({ type, unit }) => [type, unit]), [['histogram', 'seconds']]);
    assert.equal(metadata.vigil_stall_seconds[0].type, 'counter');

    blocked.kill('SIGHUP');
    await blocked.line(/^blocking/m);
    // 400 ms each second, and more on a busy machine.
    const p99 = (by, of = '') => `histogram_quantile(0.99, sum(rate(vigil_eventloop_lag_seconds_bucket{thread="main"${of}}[15s])) by (le${by}))`;
    const own = await until(async () => {
      const value = await prom.value(p99('', `,instance="${targets[1]}"`));
      return value > 0.3 && value;
    }, 'the p99 of the blocked one');
    // Let the window hold nothing else.
    const from = Date.now();
    await until(() => Date.now() - from > 20_000, 'time');
    const [one, other, both] = await Promise.all([
      prom.value(p99('', `,instance="${targets[1]}"`)), prom.value(p99('', `,instance="${targets[0]}"`)), prom.value(p99(''))]);
    const itself = await told(blocked, (m) => m.value('nodejs_eventloop_lag_p99_seconds', { thread: 'main' }), 'its own p99');
    t.diagnostic(`p99 of the blocked one ${one.toFixed(3)} s (it says ${itself.toFixed(3)} s), of the other ${other.toFixed(4)} s, of both ${both.toFixed(3)} s; first ${own}`);
    assert.ok(one > 0.35 && one < 1, `${one}`);
    // The quantile of both is neither one nor their mean: half of all events
    // come to the blocked one, so it is that one's 98th percentile.
    const p98 = await prom.value(p99('', `,instance="${targets[1]}"`).replace('0.99', '0.98'));
    assert.ok(both > 0.3 && both <= one && Math.abs(both - p98) < 0.1, `${both}, not ${p98}`);
    assert.ok(other < 0.2, `${other}`);
    // Bounds are wide: a quantile may be off by the width of its bucket.
    assert.ok(Math.abs(one - itself) < 0.15, `${one}, ${itself}`);

    // What the rules make of it.
    await until(async () => (await prom.query('ALERTS{alertname="NodeEventLoopLagHigh"}')).length > 0, 'alert');
    const { groups } = await prom.get('/api/v1/rules');
    for (const rule of groups.flatMap((group) => group.rules)) {
      assert.equal(rule.lastError ?? '', '', rule.name);
      assert.equal(rule.health, 'ok', rule.name);
    }
    // Each query of the dashboard is one that Prometheus understands.
    const dashboard = JSON.parse(readFileSync(DASHBOARD, 'utf8'));
    const queries = dashboard.panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => expr));
    assert.ok(queries.length > 10);
    for (const expr of queries) {
      const q = expr.replaceAll('$__rate_interval', '15s').replaceAll(/\$(job|instance|thread)/g, '.*');
      const result = await prom.query(q);
      if (!/vigil_heap_/.test(expr)) assert.notEqual(result.length, 0, expr);
    }
    // And each in the docs.
    const docs = readFileSync(path.join(top, 'docs/metrics.md'), 'utf8');
    const examples = [...docs.matchAll(/```promql\n([^]*?)```/g)].flatMap(([, text]) => text.trim().split('\n\n'));
    assert.ok(examples.length >= 8);
    for (const example of examples) {
      const q = example.split('\n').filter((line) => !line.startsWith('#')).join('\n');
      await prom.query(q.replaceAll(/\[\d+m\]/g, '[15s]'));
    }
  });
});
