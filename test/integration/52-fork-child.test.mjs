// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The child that writes a heap snapshot: what of it the rest of the world can
// see, how it ends, and what is done where there can be none.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, MINUTE, app, node, temporary, until } from './helpers.mjs';
import { checkIncident, incidents, unfinished, waitForIncident } from './incident.mjs';
import { QUIET, children, descriptors, gone, inside, script, start, status, stoppedChild } from './heap.mjs';
import { addons, noAddons } from './31-native.mjs';

const ADDONS = noAddons ? undefined : addons('forks.c');

// A program with a heap of some size, and the way to ask it.
async function ballast(t, env, mb = '20') {
  const it = start(t, [app('ballast.mjs'), mb], { env });
  it.port = Number((await it.line(/^ready (\d+)/m))[1]);
  it.get = (what) => fetch(`http://127.0.0.1:${it.port}/${what}`);
  return it;
}

const refused = (port) => new Promise((done) => {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('connect', () => { socket.destroy(); done(false); });
  socket.on('error', ({ code }) => done(code === 'ECONNREFUSED'));
});

async function incidentOf(it, count) {
  const dir = await waitForIncident(it, it.dir, count);
  return checkIncident(dir);
}

// ---- from outside

describe('the child', { concurrency: 3 }, () => {
  test('is harmless while it writes', async (t) => {
    const it = await ballast(t);
    it.kill('SIGUSR2');
    const child = await stoppedChild(it);
    assert.equal(status(child, 'Threads'), '1');
    assert.equal(status(child, 'Name'), 'vigil-heap');
    assert.equal(status(child, 'Seccomp'), '2');
    assert.equal(status(child, 'NoNewPrivs'), '1');
    assert.equal(readFileSync(`/proc/${child}/oom_score_adj`, 'utf8'), '1000\n');
    assert.equal(readFileSync(`/proc/${child}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')[16], '10');  // nice
    assert.match(execFileSync('ionice', ['-p', `${child}`], { encoding: 'utf8' }), /^idle/);
    // No signal of the program reaches a handler, or is held back.
    // (SIGSYS is the child's own, 32 and 33 are the C library's.)
    assert.equal(BigInt(`0x${status(child, 'SigCgt')}`) & ~(7n << 30n), 0n);
    assert.equal(BigInt(`0x${status(child, 'SigBlk')}`), 0n);
    assert.match(readFileSync(`/proc/${child}/limits`, 'utf8'), /^Max core file size +0 +0 /m);
    const all = [...new Set(descriptors(child))];
    const file = all.filter((name) => name.startsWith(it.dir));
    assert.equal(file.length, 1, `${all}`);
    assert.match(path.basename(file[0]), /^heap-\d{10}\.heapsnapshot$/);
    for (const name of all) assert.ok(name === file[0] || name === '/dev/null' || /^\/proc\/(self|\d+)\//.test(name), name);
    // Meanwhile all is as ever, but that one incident is in the making.
    assert.equal(await (await it.get('')).text(), 'ok\n');
    assert.equal(unfinished(it.dir).length, 1);
    process.kill(child, 'SIGCONT');
    const { manifest: { heapSnapshot } } = await incidentOf(it);
    assert.ok(heapSnapshot.childMs > 0 && heapSnapshot.childBytes > 0);
    assert.deepEqual(children(it.pid), []);
  });

  test('goes with its parent, and holds nothing of it', async (t) => {
    const it = await ballast(t);
    it.kill('SIGUSR2');
    const child = await stoppedChild(it);
    it.kill('SIGKILL');
    await it.exit();
    assert.equal(await refused(it.port), true);
    await until(() => gone(child), 'end of the child');
    assert.equal(unfinished(it.dir).length, 1);
    // The next one that opens the folder cleans it.
    const next = await inside(t, 'return (await capture()).directory;', { env: { VIGIL_DIR: it.dir } });
    assert.deepEqual(unfinished(it.dir), []);
    assert.deepEqual(incidents(it.dir), [next.value]);
  });

  // No signal tells it here: it ends when it next writes.
  test('of a Worker, too', async (t) => {
    const it = await ballast(t, {}, '1');
    await it.get('worker?mb=20');
    const child = await stoppedChild(it);
    it.kill('SIGKILL');
    await it.exit();
    assert.equal(gone(child), false);
    assert.equal(await refused(it.port), true);
    const server = net.createServer().listen(it.port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
    assert.equal(gone(child), false);
    // Also its folder is free to be cleaned, in spite of its file.
    await inside(t, 'return (await capture()).directory;', { env: { VIGIL_DIR: it.dir } });
    assert.deepEqual(unfinished(it.dir), []);
    process.kill(child, 'SIGCONT');
    await until(() => gone(child), 'end of the child');
    assert.equal(incidents(it.dir).length, 1);
  });
});

// ---- how it ends

describe('the end of the child', { concurrency: 3 }, () => {
  // An incident whole, but without a snapshot; the next one has one.
  async function without(t, env, reason, hurt) {
    const it = await ballast(t, env);
    it.kill('SIGUSR2');
    const child = await stoppedChild(it);
    hurt(child);
    const { manifest, names } = await incidentOf(it);
    assert.match(manifest.noHeapSnapshot, reason);
    assert.deepEqual(names, []);
    assert.equal(manifest.heapSnapshot.mode, 'fork');
    assert.match(it.vigil[0], /; no heap snapshot: its child /);
    // None that nobody waits for either.
    assert.deepEqual(children(it.pid), []);
    assert.deepEqual(unfinished(it.dir), []);
    it.kill('SIGUSR2');
    if (env?.VIGIL_HEAP_TIME) process.kill(await stoppedChild(it), 'SIGCONT');
    const next = await incidentOf(it, 2);
    assert.ok(next.snapshot || env?.VIGIL_HEAP_TIME, next.manifest.noHeapSnapshot);
    return manifest;
  }

  test('at its deadline', async (t) => {
    const manifest = await without(t, { VIGIL_HEAP_TIME: '1s' }, /not done after 1 s/, () => {});
    assert.ok(manifest.heapSnapshot.childMs > 1000, JSON.stringify(manifest.heapSnapshot));
  });

  test('is counted, as it was', async (t) => {
    const it = start(t, ['-e', script(`
      process.stdin.on('data', async () => {
        await capture();
        console.log(JSON.stringify(vigil.snapshot().heapSnapshots));
      });
      globalThis.kept = Array.from({ length: 20_000 }, () => new Array(124).fill(7));
      console.log('ready');`)], { env: { VIGIL_HEAP_TIME: '2s' }, stdio: ['pipe', 'pipe', 'pipe'] });
    await it.line(/^ready/m);
    const counts = [];
    for (const hurt of [() => {}, 'SIGKILL', 'SIGCONT']) {
      it.child.stdin.write('x');
      const child = await stoppedChild(it);
      if (typeof hurt === 'string') process.kill(child, hurt);
      counts.push(await until(() => it.stdout.split('\n').filter((s) => s[0] === '{')[counts.length], 'counts'));
    }
    assert.deepEqual(counts.map((s) => JSON.parse(s)), [
      { taken: 0, late: 1, failed: 0, refused: 0 },
      { taken: 0, late: 1, failed: 1, refused: 0 },
      { taken: 1, late: 1, failed: 1, refused: 0 },
    ]);
  });

  for (const [signal, number] of [['SIGKILL', 9], ['SIGSEGV', 11], ['SIGTERM', 15]]) {
    test(`by ${signal}`, async (t) => {
      await without(t, {}, new RegExp(`ended by signal ${number} \\(`), (child) => {
        process.kill(child, signal);
        process.kill(child, 'SIGCONT');
      });
    });
  }

  // What the process does with SIGCHLD and its children is its own affair.
  const spawns = `
    const { spawn } = require('node:child_process');
    const child = (code) => new Promise((done) => {
      spawn('sh', ['-c', 'exit ' + code]).on('exit', (...end) => done(end));
    });`;

  test('beside children and a SIGCHLD listener of the program', async (t) => {
    const { value } = await inside(t, `${spawns}
      let seen = 0;
      process.on('SIGCHLD', () => { seen++; });
      let busy = true;
      const ends = [];
      const all = (async () => { for (let i = 0; busy || i < 20; i++) ends.push([i % 200, ...await child(i % 200)]); })();
      const taken = [];
      for (let i = 0; i < 5; i++) taken.push(await capture());
      busy = false;
      await all;
      return { ends, seen: seen > 0, taken: taken.map((m) => [m.heapSnapshot.mode, m.files.length, m.noHeapSnapshot]) };`);
    assert.ok(value.ends.length >= 20);
    for (const [wanted, code, signal] of value.ends) assert.deepEqual([code, signal], [wanted, null]);
    assert.equal(value.seen, true);
    assert.deepEqual(value.taken, Array(5).fill(['fork', 1, null]));
  });

  test('where SIGCHLD is ignored, or its status taken', { skip: noAddons }, async (t) => {
    const { value } = await inside(t, `
      const { ignoreChildren, reap } = native('forks');
      const taken = [];
      const reaping = setInterval(reap, 1);
      taken.push(await capture());
      clearInterval(reaping);
      ignoreChildren();
      taken.push(await capture());
      return taken.map((m) => [m.heapSnapshot.mode, m.files.length, m.noHeapSnapshot]);`, { env: { ADDONS } });
    assert.deepEqual(value, Array(2).fill(['fork', 1, null]));
  });

  for (const [VIGIL_EXIT_WAIT, kept] of [['1m', true], ['0s', false]]) {
    test(`of the process meanwhile, VIGIL_EXIT_WAIT=${VIGIL_EXIT_WAIT}`, async (t) => {
      const it = await ballast(t, { VIGIL_EXIT_WAIT });
      it.kill('SIGUSR2');
      const child = await stoppedChild(it);
      await it.get('exit?code=5');
      if (kept) {
        // It waits for as long as the child needs.
        await it.line(/^leaving/m);
        process.kill(child, 'SIGCONT');
      }
      const { code, signal } = await it.exit(MINUTE / 2);
      assert.deepEqual([code, signal], [5, null]);
      assert.ok(gone(child));
      const [dir, ...others] = incidents(it.dir);
      assert.deepEqual([...others, ...unfinished(it.dir)], []);
      const { manifest, snapshot } = checkIncident(dir);
      assert.equal(snapshot !== null, kept, manifest.noHeapSnapshot);
      if (!kept) assert.match(manifest.noHeapSnapshot, /ended/);
    });
  }

  test('of the process while it waits to fork', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    // Right after a collection the heap is being swept.
    const it = new App(t, ['--expose-gc', '-e', script(`
      globalThis.kept = Array.from({ length: 20_000 }, () => new Array(124).fill(7));
      gc();
      capture().catch(() => {});
      setTimeout(() => process.exit(5), 100);`)], { env: { ...QUIET, VIGIL_DIR: dir } });
    assert.equal((await it.exit()).code, 5);
    const { manifest, snapshot } = checkIncident(incidents(dir)[0]);
    // One of both, and the line says the same.
    assert.notEqual(snapshot !== null, manifest.noHeapSnapshot !== null);
    assert.equal(it.stderr.includes('.heapsnapshot'), snapshot !== null, it.stderr);
  });

  test('of a Worker meanwhile', async (t) => {
    const it = await ballast(t, {}, '1');
    await it.get('worker?mb=20');
    const child = await stoppedChild(it);
    await it.get('end');
    await it.line(/^worker ended/m);
    process.kill(child, 'SIGCONT');
    const { manifest, snapshot } = await incidentOf(it);
    assert.ok(manifest.thread.id > 0);
    assert.ok(snapshot.strings.includes('onlyInTheWorker'));
  });
});

// ---- where there can be none

describe('without a fork', { concurrency: 3 }, () => {
  const two = `
    const all = [];
    for (let i = 0; i < 2; i++) all.push(await capture());
    return all.map((m) => ({ ...m.heapSnapshot, files: m.files.length, why: m.noHeapSnapshot }));`;

  test('VIGIL_HEAP_MODE=inprocess', async (t) => {
    const { value: [first], dir } = await inside(t, two, { env: { VIGIL_HEAP_MODE: 'inprocess' } });
    assert.deepEqual([first.mode, first.tries, first.files, first.why], ['inprocess', 1, 1, null]);
    assert.deepEqual([first.forkMs, first.childMs, first.childBytes], [0, 0, 0]);
    assert.ok(checkIncident(incidents(dir)[0]).snapshot);
  });

  test('VIGIL_HEAP_MODE=off', async (t) => {
    const { value, lines, dir } = await inside(t, `
      const m = await capture();
      return [m.heapSnapshot, m.noHeapSnapshot, m.files.length];`, { env: { VIGIL_HEAP_MODE: 'off' } });
    assert.deepEqual(value, [null, 'VIGIL_HEAP_MODE is off', 0]);
    assert.match(lines[0], /no heap snapshot: VIGIL_HEAP_MODE is off/);
    checkIncident(incidents(dir)[0]);
  });

  const forbidden = [/^vigil: a heap snapshot cannot be taken in a child process \(Operation not permitted\): VIGIL_HEAP_FALLBACK=(\w+) is used$/, 'forbidForks'];
  const limited = [/^vigil: a heap snapshot cannot be taken in a child process \(Resource temporarily unavailable\): VIGIL_HEAP_FALLBACK=(\w+) is used$/, 'limitProcesses'];

  // Both snapshots of `two`, and what was said: the reason once.
  async function fallen(t, [reason, how], env = {}, options = {}) {
    // libuv aborts where it cannot start its pool.
    const { value, lines } = await inside(t, `await require('node:fs').promises.stat('/');
      native('forks').${how}(); ${two}`, { ...options, env: { ADDONS, ...env } });
    const said = lines.filter((line) => reason.test(line));
    assert.equal(said.length, 1, `${lines}`);
    assert.equal(reason.exec(said[0])[1], env.VIGIL_HEAP_FALLBACK ?? 'inprocess');
    assert.equal(lines.length, 3, `${lines}`);
    return value;
  }

  test('seccomp forbids it', { skip: noAddons }, async (t) => {
    for (const one of await fallen(t, forbidden)) {
      assert.deepEqual([one.mode, one.files, one.why], ['inprocess', 1, null]);
    }
  });

  test('seccomp forbids it, and VIGIL_HEAP_FALLBACK=off', { skip: noAddons }, async (t) => {
    for (const one of await fallen(t, forbidden, { VIGIL_HEAP_FALLBACK: 'off' })) {
      assert.deepEqual([one.files, one.why], [0, 'VIGIL_HEAP_FALLBACK is off']);
    }
  });

  test('seccomp forbids it, and the heap is big', { skip: noAddons }, async (t) => {
    const { value } = await inside(t, `
      native('forks').forbidForks();
      globalThis.kept = Array.from({ length: 150 * 1024 }, () => new Array(124).fill(7));
      ${two}`, { env: { ADDONS } });
    for (const one of value) {
      assert.equal(one.files, 0);
      assert.match(one.why, /^the heap has 1\d\d MB, and without a child one of more than 128 MB would stop the loop/);
    }
  });

  test('RLIMIT_NPROC forbids it', { skip: noAddons }, async (t) => {
    const UID = 54321;  // Of nobody else. Root is free of the limit.
    const root = process.geteuid() === 0;
    const dir = temporary(t);
    const as = {
      bin: 'setpriv', before: [`--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', '--inh-caps=-all', node],
    };
    if (root) {
      chownSync(dir, UID, UID);
      chmodSync(ADDONS, 0o755);
    }
    for (const one of await fallen(t, limited, { VIGIL_DIR: path.join(dir, 'vigil') }, root ? as : {})) {
      assert.deepEqual([one.mode, one.files, one.why], ['inprocess', 1, null]);
    }
  });
});
