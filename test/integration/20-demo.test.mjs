// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The product with default thresholds: the blocked shop of test/demo writes
// one incident that names the guilty handler; the same shop without orders and
// a blocking program that does not serve write nothing.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, MINUTE, app, isWatching, stockNode, temporary, top } from './helpers.mjs';
import { checkGuilty, checkIncident, waitForIncident } from './incident.mjs';

const demo = (name) => path.join(top, 'test/demo', name);

async function shop(t, orders, seconds) {
  const dir = path.join(temporary(t), 'vigil');
  const server = new App(t, [demo('server.mjs')], { env: { VIGIL_DIR: dir } });
  // Other work on this machine is not what this is about.
  try { os.setPriority(server.pid, -10); } catch { /* Not allowed: go without. */ }
  const [, url] = await server.line(/^listening on (http:\S+)/m);
  const load = new App(t, [demo('load.mjs'), url, String(seconds), String(orders)],
                       { env: { VIGIL: 'off' } });
  return { dir, server, load };
}

describe('default thresholds', { concurrency: 3 }, () => {
  test('a blocked server', async (t) => {
    // What V8 calls startTime, in microseconds since the boot.
    const boot = Date.now() - Number(process.hrtime.bigint() / 1_000_000n);
    let dir, server, load, incident;
    // Where there is no CPU to be had, that is the cause: then try again.
    for (let tries = 0; tries < 3; tries++) {
      ({ dir, server, load } = await shop(t, 100, 180));
      incident = checkIncident(await waitForIncident(server, dir));
      if (incident.manifest.cause.class !== 'starved') break;
      for (const { child } of [server, load]) child.kill('SIGKILL');
    }
    const { manifest, profile, snapshot, past } = incident;

    // One line, with the p99, the window and both paths.
    const [line, ...more] = server.stderr.split('\n');
    assert.deepEqual(more, ['']);
    const [, ms, seconds] = /p99 is (\d+) ms over the last ([\d.]+) s/.exec(line);
    assert.equal(Number(ms), Math.floor(manifest.lag.p99Ms));
    assert.ok(line.startsWith(`vigil: ${manifest.headline}, cause: `), line);
    assert.ok(Number(seconds) >= 10 && Number(seconds) < 20, line);
    const paths = line.split(/[ ,;]+/).filter((word) => word.startsWith('/'));
    assert.deepEqual(paths.map((file) => path.extname(file)), ['.cpuprofile', '.heapsnapshot']);
    for (const file of paths) assert.ok(existsSync(file), file);

    // The rule is the default one.
    const { name, limit, unit, windowMs, forMs } = manifest.rule;
    assert.deepEqual({ name, limit, unit, windowMs, forMs },
                     { name: 'lag-p99', limit: 50, unit: 'ms', windowMs: 10_000, forMs: 10_000 });
    assert.ok(manifest.lag.p99Ms > 50 && manifest.lag.maxMs >= 150);
    assert.equal(manifest.process.pid, server.pid);
    assert.equal(manifest.thread.id, 0);
    assert.equal(manifest.noCpuProfile, null);
    assert.equal(manifest.noHeapSnapshot, null);
    assert.match(manifest.cause.class, /^(js|native)$/, manifest.cause.text);

    // The profile begins at the trigger, takes about 10 s, names the handler. It
    // ends early when a busy machine gives the load no CPU for 3 s.
    const length = (profile.endTime - profile.startTime) / 1e6;
    assert.ok(length > 2.9 && length < 30, `the profile is ${length} s long`);
    const start = boot + profile.startTime / 1000;
    assert.ok(start > Date.parse(manifest.triggered) - 100 && start < Date.parse(manifest.triggered) + 5000,
              `the profile starts at ${start}, the trigger was ${manifest.triggered}`);
    checkGuilty(profile, 'parseOrder', 0.8);
    // And so does what was recorded before it, at a low rate.
    checkGuilty(past, 'parseOrder', 0.7, 20);
    assert.ok(boot + past.endTime / 1000 < Date.parse(manifest.triggered) + 1000);
    assert.ok(snapshot.snapshot.node_count > 10_000);

    // It goes on serving, and the load went well.
    assert.equal(await (await fetch(`${server.stdout.trim().split(' ').at(-1)}/health`)).text(), 'ok\n');
    load.kill('SIGTERM');
    assert.match((await load.exit()).stdout, /^load: [1-9]\d* orders/);
    assert.equal(isWatching(server.threads()), true);
  });

  test('the same server without orders', async (t) => {
    const { dir, server, load } = await shop(t, 0, 60);
    const { stdout } = await load.exit(2 * MINUTE);
    // It was watched, it had a load, and it had nothing to say.
    assert.match(stdout, /^load: 0 orders; [2-6]\d\d health checks/);
    assert.equal(isWatching(server.threads()), true);
    assert.equal(server.stderr, '');
    // Where `vigil top` would look, and nothing else.
    assert.deepEqual(readdirSync(dir), [`control-${server.pid}.sock`]);
  });

  test('a program that blocks for 30 s and does not serve', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const options = { env: { VIGIL_DIR: dir } };
    const long = new App(t, [app('cli.mjs'), '30'], options);
    const short = await new App(t, [app('cli.mjs'), '0.1'], { ...options, bin: stockNode }).exit();
    // Exit code, output and threads are those of the official binary.
    assert.deepEqual(await long.exit(2 * MINUTE), short);
    assert.equal(short.code, 7);
    assert.equal(existsSync(dir), false);
  });
});
