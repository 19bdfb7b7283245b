// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Each loop has its own record: Workers beside an idle main thread, and loops
// that run inside of another one.

import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, app, temporary, until } from './helpers.mjs';
import { checkGuilty, checkIncident, incidents, onStack, unfinished, waitForIncident } from './incident.mjs';

describe('threads', { concurrency: 4 }, () => {
  test('a blocked Worker gets an incident of its own', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const it = new App(t, [app('worker.mjs')], { env: { ...FAST, VIGIL_DIR: dir } });
    const { manifest, profile, snapshot } = checkIncident(await waitForIncident(it, dir));
    assert.ok(manifest.thread.id > 0);
    assert.match(manifest.thread.name, /worker.*shop/i);
    assert.match(it.vigil[0], /worker.*shop/i);
    checkGuilty(profile, 'guiltyWorker');
    assert.ok(snapshot.strings.includes(`only in thread ${manifest.thread.id}`));
    assert.ok(!snapshot.strings.includes('only in thread 0'));
    const [, port] = await it.line(/^main (\d+)/m);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'main\n');
  });

  test('a Worker that is ended in the middle of its incident', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const it = new App(t, [app('worker.mjs')],
                       { env: { ...FAST, VIGIL_CPU_PROFILE: '1m', VIGIL_DIR: dir } });
    await until(() => unfinished(dir).length > 0, () => `capture; it said ${it.said()}`);
    const [, port] = await it.line(/^main (\d+)/m);
    await fetch(`http://127.0.0.1:${port}/terminate`);
    await it.line(/^worker ended/m);
    // What there was is written; the process goes on, and may have more.
    const { manifest } = checkIncident(await waitForIncident(it, dir));
    assert.ok(manifest.noHeapSnapshot.length > 0);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'main\n');
    assert.equal(it.exited, false);
  });

  test('a synchronous child process counts as busy', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const it = new App(t, [app('nested.mjs')],
                       { env: { ...FAST, VIGIL_WINDOW: '4s', VIGIL_CPU_PROFILE: '3s', VIGIL_DIR: dir } });
    const [, port] = await it.line(/^ready (\d+)/m);
    const load = (async () => {
      while (!it.exited && incidents(dir).length === 0) {
        await fetch(`http://127.0.0.1:${port}/`).then((r) => r.text()).catch(() => {});
        await new Promise((done) => setTimeout(done, 200));
      }
    })();
    const { manifest, profile } = checkIncident(await waitForIncident(it, dir));
    await load;
    // Were each poll of the inner loop taken as an end, this would be ~0.
    assert.ok(manifest.lag.maxMs >= 1000 && manifest.lag.p99Ms > 800, JSON.stringify(manifest.lag));
    const { busy, found } = onStack(profile, 'guiltyCommand');
    assert.ok(found > 0.5 * busy, `${found} of ${busy}`);
  });

  test('only the blocked one of two processes that share VIGIL_DIR', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const options = { env: { ...FAST, VIGIL_CAPTURE: 'cpu', VIGIL_DIR: dir } };
    const idle = new App(t, ['-e', 'require("net").createServer().listen(0, "127.0.0.1", () => console.log("ready"))'],
                         options);
    await idle.line(/^ready/m);
    const it = new App(t, [app('serve.mjs'), 'tcp'], options);
    const { manifest } = checkIncident(await waitForIncident(it, dir));
    assert.equal(manifest.process.pid, it.pid);
    assert.equal(incidents(dir).length, 1);
    assert.equal(idle.stderr, '');
  });
});
