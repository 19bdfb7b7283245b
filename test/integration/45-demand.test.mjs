// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Captures that somebody asks for: by a signal, or with vigil.capture().

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, app, run, stockNode, temporary, until } from './helpers.mjs';
import { checkGuilty, checkIncident, incidents, unfinished, waitForIncident } from './incident.mjs';

const SIGNAL = { VIGIL_SIGNAL: 'SIGUSR2', VIGIL_CPU_PROFILE: '1s' };

function start(t, args, env = SIGNAL) {
  const dir = path.join(temporary(t), 'vigil');
  const it = new App(t, args, { env: { ...env, VIGIL_DIR: dir } });
  it.dir = dir;
  return it;
}

// CPU time of the main thread so far, in ms.
const cpuMs = (pid) => {
  const fields = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
};

describe('VIGIL_SIGNAL', { concurrency: 3 }, () => {
  test('captures, also in a program that does not serve', async (t) => {
    const it = start(t, ['-e', 'setInterval(() => {}, 1000); console.log("ready")']);
    await it.line(/^ready/m);
    it.kill('SIGUSR2');
    const { manifest, profile, snapshot } = checkIncident(await waitForIncident(it, it.dir));
    assert.equal(manifest.headline, 'captured on request of a signal (main thread)');
    assert.deepEqual([manifest.rule.name, manifest.rule.onDemand], ['a signal', true]);
    assert.deepEqual(Object.keys(manifest.rule), ['name', 'onDemand', 'windowMs', 'forMs']);
    assert.ok(profile && snapshot);
    // Not only once: no budget of time is for people.
    it.kill('SIGUSR2');
    await waitForIncident(it, it.dir, 2);
    assert.equal(it.exited, false);
  });

  test('while the loop is blocked in JavaScript', async (t) => {
    const it = start(t, [app('moody.mjs')]);
    const [, port] = await it.line(/^ready (\d+)/m);
    const before = cpuMs(it.pid);
    await fetch(`http://127.0.0.1:${port}/spin?ms=20000`);
    await until(() => cpuMs(it.pid) > before + 500, 'spinning');
    const end = Date.now() + 15_000;
    it.kill('SIGUSR2');
    const { manifest, profile, snapshot } = checkIncident(await waitForIncident(it, it.dir));
    assert.ok(Date.parse(manifest.finished) < end, `${manifest.finished} is after the block`);
    assert.ok(profile && snapshot);
    checkGuilty(profile, 'guiltyLoop', 0.9);
  });

  test("the program's own handler wins", async (t) => {
    const it = start(t, ['-e', `
      process.on('SIGUSR2', () => console.log('caught'));
      setInterval(() => {}, 1000);
      console.log('ready');`]);
    await it.line(/^ready/m);
    it.kill('SIGUSR2');
    await it.line(/^caught/m);
    // As long as another one takes to capture.
    const other = start(t, ['-e', 'setInterval(() => {}, 1000); console.log("ready")']);
    await other.line(/^ready/m);
    other.kill('SIGUSR2');
    await waitForIncident(other, other.dir);
    assert.deepEqual(incidents(it.dir).concat(unfinished(it.dir)), []);
    assert.equal(it.stderr, '');
  });

  test('unset, the signal ends the process as ever', async (t) => {
    const source = 'require("net").createServer().listen(0, "127.0.0.1", () => console.log("ready"))';
    const end = async (bin, env) => {
      const it = new App(t, ['-e', source], { bin, env: { VIGIL_DIR: path.join(temporary(t), 'vigil'), ...env } });
      await it.line(/^ready/m);
      it.kill('SIGUSR2');
      return it.exit();
    };
    const official = await end(stockNode);
    assert.deepEqual(official, { code: null, signal: 'SIGUSR2', stdout: 'ready\n', stderr: '' });
    for (const env of [{}, { VIGIL: 'on' }, { VIGIL: 'off', ...SIGNAL }, { VIGIL_SIGNAL: 'SIGHUP' }]) {
      assert.deepEqual(await end(undefined, env), official, JSON.stringify(env));
    }
  });

  test('children are not affected', async (t) => {
    const it = start(t, ['-e', `
      const { spawn, fork } = require('node:child_process');
      const { VIGIL_SIGNAL, ...env } = process.env;
      const node = ['-e', 'setInterval(() => {}, 1000); console.log("up")'];
      const all = [spawn('sh', ['-c', 'echo up; exec sleep 60']), spawn(process.execPath, node, { env })];
      for (const child of all) {
        child.stdout.once('data', () => child.kill('SIGUSR2'));
        child.on('exit', (code, signal) => console.log('child', code, signal));
      }`]);
    const { stdout, stderr, code } = await it.exit();
    assert.deepEqual({ stdout, stderr, code },
                     { stdout: 'child null SIGUSR2\nchild null SIGUSR2\n', stderr: '', code: 0 });
  });
});

// Runs the body of an async function with `vigil`, and gives what it returns.
async function inside(t, body, env = {}) {
  const dir = path.join(temporary(t), 'vigil');
  const source = `
    const vigil = require('node:vigil');
    const { Worker, threadId } = require('node:worker_threads');
    const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
    const code = (promise) => promise.then((m) => m, (e) => [e.name, e.code]);
    setTimeout(() => process.exit(99), 120_000).unref();
    (async () => { ${body} })().then((value) => process.stdout.write(JSON.stringify(value ?? null)));`;
  const end = await run(t, ['-e', source], { env: { VIGIL_CPU_PROFILE: '1s', VIGIL_DIR: dir, ...env } });
  assert.equal(end.code, 0, end.stderr);
  return JSON.parse(end.stdout);
}

// What was captured; the report comes when it is made.
const kinds = ({ files }) => files.map(({ name }) => name.split('-')[0])
  .filter((kind) => kind !== 'stalls.json' && kind !== 'report.html').sort();
const seconds = ({ startTime, endTime }) => (endTime - startTime) / 1e6;

describe('vigil.capture()', { concurrency: 3 }, () => {
  test('gives the manifest and the folder', async (t) => {
    const { directory, ...manifest } = await inside(t, 'return vigil.capture();');
    const { manifest: written, profile, snapshot } = checkIncident(directory);
    assert.deepEqual(manifest, written);
    assert.equal(manifest.headline, 'captured on request of node:vigil (main thread)');
    assert.deepEqual([manifest.rule.name, manifest.rule.onDemand, manifest.thread.id], ['node:vigil', true, 0]);
    assert.ok(snapshot);
    assert.ok(seconds(profile) > 0.9, `${seconds(profile)} s`);
  });

  test('does what its options say', async (t) => {
    const all = await inside(t, `
      await sleep(1500);  // For the recorder to have seen something.
      const all = [];
      for (const options of [
        { cpu: true, cpuProfileMs: 200 }, { heap: true }, { alloc: true, cpuProfileMs: 200 }, { before: true },
        { cpu: true, heap: false, before: true, cpuProfileMs: 2500 }, { heap: false, cpuProfileMs: 200 },
        { alloc: undefined, cpuProfileMs: 200 },
      ]) all.push(await vigil.capture(options));
      return all;`, { VIGIL: 'on' });
    const parts = all.map(({ directory }) => checkIncident(directory));
    assert.deepEqual(all.map(kinds), [
      ['cpu'], ['heap'], ['alloc'], ['before'], ['before', 'cpu'], ['before', 'cpu'], ['before', 'cpu', 'heap'],
    ]);
    assert.ok(seconds(parts[0].profile) < 2.4, `${seconds(parts[0].profile)} s`);
    assert.ok(seconds(parts[4].profile) > 2.4, `${seconds(parts[4].profile)} s`);
  });

  test('goes beyond VIGIL_CAPTURE when it is asked to', async (t) => {
    const it = await inside(t, 'return vigil.capture({ cpu: true, heap: true, cpuProfileMs: 200 });',
                            { VIGIL_CAPTURE: 'none' });
    assert.deepEqual(kinds(it), ['cpu', 'heap']);
    assert.deepEqual([it.noCpuProfile, it.noHeapSnapshot], [null, null]);
  });

  test('rejects what it does not understand', async (t) => {
    const it = await inside(t, `
      const values = [null, 1, 'cpu', { cpu: 1 }, { heap: null }, { before: 'yes' }, { cpuProfileMs: '200' },
                      { cpuProfileMs: 99 }, { cpuProfileMs: 60001 }, { cpuProfileMs: 100.5 }, { cpuProfileMs: NaN }];
      return Promise.all(values.map((value) => code(vigil.capture(value))));`);
    assert.deepEqual(it, [
      ...Array(7).fill(['TypeError', 'ERR_INVALID_ARG_TYPE']),
      ...Array(4).fill(['RangeError', 'ERR_OUT_OF_RANGE']),
    ]);
  });

  test('of a Worker captures the Worker', async (t) => {
    const it = await inside(t, `
      const body = \`
        const { parentPort, threadId } = require('node:worker_threads');
        globalThis['only in thread ' + threadId] = {};
        require('node:vigil').capture({ cpu: true, heap: true, cpuProfileMs: 200 }).then((m) => parentPort.postMessage(m));\`;
      globalThis['only in thread ' + threadId] = {};
      const worker = new Worker(body, { eval: true, name: 'shop' });
      return new Promise((done) => worker.once('message', done));`);
    assert.ok(it.thread.id > 0);
    assert.match(it.thread.name, /worker.*shop/);
    const { snapshot } = checkIncident(it.directory);
    assert.ok(snapshot.strings.includes(`only in thread ${it.thread.id}`));
    assert.ok(!snapshot.strings.includes('only in thread 0'));
  });

  test('two at once come one after the other', async (t) => {
    const all = await inside(t, `
      const options = { cpu: true, cpuProfileMs: 500 };
      return Promise.all([vigil.capture(options), vigil.capture(options), vigil.capture({ heap: true })]);`);
    assert.equal(new Set(all.map(({ directory }) => directory)).size, 3);
    assert.deepEqual(all.map(kinds), [['cpu'], ['cpu'], ['heap']]);
    for (const { directory } of all) checkIncident(directory);
    for (let i = 1; i < 3; i++) {
      assert.ok(all[i].triggered >= all[i - 1].finished, `${all[i].triggered} ${all[i - 1].finished}`);
    }
  });

  test('rejects when it cannot', async (t) => {
    const body = 'return code(vigil.capture({ cpu: true, cpuProfileMs: 100 }));';
    assert.deepEqual(await inside(t, body, { VIGIL: 'off' }), ['Error', 'ERR_OPERATION_FAILED']);
    assert.deepEqual(await inside(t, body, { VIGIL_DIR: '/proc/vigil' }), ['Error', 'ENOENT']);
    // The disk's budget is for people, too. An error that says something.
    const [, code] = await inside(t, body, { VIGIL_DISK_FREE: '1TB' });
    assert.match(code, /^E[A-Z_]+$/);
  });

  test('is awaited by a program that has nothing else to do', async (t) => {
    const { code, stdout } = await run(t, ['-e', `
      process.on('exit', () => console.log('exit'));
      require('node:vigil').capture({ cpu: true, cpuProfileMs: 200 }).then(() => console.log('captured'));`],
                                       { env: { VIGIL_DIR: path.join(temporary(t), 'vigil') } });
    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'captured\nexit\n' });
  });
});
