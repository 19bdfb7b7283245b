// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Heap snapshots where there is little memory, in real memory cgroups (v1): the
// program goes on whatever happens, and either there is a snapshot or a reason.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, node, temporary, until } from './helpers.mjs';
import { checkIncident } from './incident.mjs';

const ROOT = '/sys/fs/cgroup/memory';
const MB = 2 ** 20;

// A server with a heap of HEAP_MB. GET /capture gives what vigil.capture() did;
// /cache?mb=N writes that much to a file and reads it, so that it is cached.
const PROGRAM = `
  const vigil = require('node:vigil');
  const fs = require('node:fs');
  const { HEAP_MB, SHAPE, CACHE } = process.env;
  const full = () => process.memoryUsage().heapUsed > HEAP_MB * ${MB};
  const kept = globalThis.kept = [];
  const one = SHAPE === 'tiny' ? (i) => ({ i }) : (i) => ({ i, text: Buffer.alloc(500, i % 26 + 97).toString('latin1') });
  for (let n = 0; !full(); n++) kept.push(Array.from({ length: 1000 }, (_, i) => one(i)));
  global.gc();
  globalThis['planted here'] = new (class Planted {})();
  let cached = 0;
  const cache = (mb) => {
    const fd = fs.openSync(CACHE + cached++, 'w+');
    const part = Buffer.alloc(${MB}, 1);
    for (let i = 0; i < mb; i++) fs.writeSync(fd, part);
    fs.fsyncSync(fd);
    for (let k = 0; k < 3; k++) for (let i = 0; i < mb; i++) fs.readSync(fd, part, 0, ${MB}, i * ${MB});
    fs.closeSync(fd);
  };
  const server = require('node:http').createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://x');
    if (pathname === '/capture') {
      vigil.capture({ heap: true, cpu: false, before: false })
        .then((it) => response.end(JSON.stringify(it)), (e) => response.end(JSON.stringify({ error: String(e) })));
      return;
    }
    if (pathname === '/cache') cache(Number(searchParams.get('mb')));
    response.end('ok');
  });
  server.listen(0, '127.0.0.1', () => console.log('ready', server.address().port));`;

const value = (file) => readFileSync(file, 'utf8').trim();

// A cgroup of its own, with a limit, or a reason why there is none.
function group(t, limitMb) {
  const dir = path.join(ROOT, `vigil-test-${process.pid}-${group.count = (group.count ?? 0) + 1}`);
  try {
    mkdirSync(dir);
    t.after(() => until(() => {
      for (const pid of value(path.join(dir, 'cgroup.procs')).split('\n')) if (pid) process.kill(pid, 'SIGKILL');
      try { rmdirSync(dir); return true; } catch { return false; }
    }, 'empty group'));
    writeFileSync(path.join(dir, 'memory.limit_in_bytes'), `${limitMb * MB}`);
    assert.equal(value(path.join(dir, 'memory.limit_in_bytes')), `${limitMb * MB}`);
  } catch ({ message }) {
    t.skip(`no memory limit can be set here: ${message}`);
    return null;
  }
  return {
    // What is to run in it takes another command.
    around: ['sh', '-c', `echo $$ > ${dir}/cgroup.procs && exec "$@"`, 'sh'],
    kills: () => Number(/^oom_kill (\d+)$/m.exec(value(path.join(dir, 'memory.oom_control')))?.[1] ?? 0),
    of: (name) => Number(value(path.join(dir, name))),
  };
}

async function start(t, { around = [], env = {}, heapMb = 60, shape = 'plain' } = {}) {
  const dir = temporary(t);
  const [bin, ...args] = [...around, node, '--expose-gc', '-e', PROGRAM];
  const it = new App(t, args, {
    bin, env: { VIGIL_DIR: path.join(dir, 'vigil'), VIGIL_CPU_PROFILE: '1s', HEAP_MB: `${heapMb}`, SHAPE: shape,
                CACHE: path.join(dir, 'cache'), VIGIL_STALL_MS: 'off', VIGIL_LAG_P99_MS: '60000',
                VIGIL_OLD_SPACE_SHARE: 'off', VIGIL_GC_SHARE: 'off', VIGIL_HEAP_TIME: '2m', ...env },
  });
  it.dir = path.join(dir, 'vigil');
  const [, port] = await it.line(/^ready (\d+)/m);
  it.get = async (where) => (await fetch(`http://127.0.0.1:${port}${where}`)).text();
  return it;
}

// Captures while others ask for pages, which they get.
async function capture(it) {
  let served = 0;
  let ended = false;
  const serving = (async () => { while (!ended) served += (await it.get('/ping')) === 'ok'; })();
  const manifest = JSON.parse(await it.get('/capture'));
  ended = true;
  await serving;
  assert.equal(manifest.error, undefined);
  assert.ok(served > 0);
  assert.equal(it.exited, false, it.said());
  const parts = checkIncident(manifest.directory);
  assert.deepEqual(readdirSync(it.dir).filter((name) => name.startsWith('.tmp-')), []);
  return { served, ...parts };
}

const refused = /^it may need (\d+) MB of memory, (its cgroup|the machine) has (\d+) MB left$/;
const tooLittle = /^its child (ran out of the \d+ MB that its cgroup has left|was ended by signal (5|6|9|11) \(.*\))$/;

function checkComplete({ manifest, snapshot }) {
  assert.equal(manifest.noHeapSnapshot, null);
  assert.ok(snapshot.strings.includes('planted here'));
  assert.equal(manifest.heapSnapshot.mode, 'fork');
}

function checkRefused({ manifest, alloc }, whose) {
  const [, need, of, left] = refused.exec(manifest.noHeapSnapshot) ?? assert.fail(manifest.noHeapSnapshot);
  assert.equal(of, whose);
  assert.ok(Number(need) > Number(left), manifest.noHeapSnapshot);
  assert.equal(manifest.heapSnapshot.forkMs, 0, 'not even a fork');
  assert.ok(alloc, `no allocation profile instead: ${manifest.noAllocProfile}`);
}

describe('with little memory', { concurrency: 1 }, () => {
  for (const [shape, limits] of Object.entries({
    plain: { 2000: 'complete', 700: 'complete', 400: 'any', 250: 'refused', 170: 'refused' },
    tiny: { 700: 'any', 400: 'any' },
  })) {
    for (const [limit, expected] of Object.entries(limits)) {
      test(`in ${limit} MB, a heap of 60 MB of ${shape} objects`, async (t) => {
        const its = group(t, limit);
        if (!its) return;
        const it = await start(t, { around: its.around, shape });
        for (let i = 0; i < 2; i++) {
          const one = await capture(it);
          const { noHeapSnapshot: none, heapSnapshot } = one.manifest;
          t.diagnostic(`${JSON.stringify(heapSnapshot)} ${none}, ${its.kills()} killed, ` +
                       `${Math.round(its.of('memory.max_usage_in_bytes') / MB)} MB at most`);
          if (none === null) checkComplete(one);
          else if (heapSnapshot.forkMs === 0) checkRefused(one, 'its cgroup');
          else assert.match(none, tooLittle);
          // Who is killed is the child, and it says so.
          if (its.kills() > i) assert.match(none, /signal 9/);
          if (expected === 'complete') assert.equal(none, null);
          if (expected === 'refused') assert.match(none, refused);
        }
        assert.equal(await it.get('/ping'), 'ok');
      });
    }
  }

  test('a wrong estimate ends the child, and is not made again', async (t) => {
    // The first estimate is twice the heap; as many objects need more.
    const its = group(t, 450);
    if (!its) return;
    const it = await start(t, { around: its.around, shape: 'tiny' });
    const first = await capture(it);
    t.diagnostic(JSON.stringify([first.manifest.heapSnapshot, first.manifest.noHeapSnapshot, its.kills()]));
    assert.match(first.manifest.noHeapSnapshot, tooLittle);
    assert.ok(first.manifest.heapSnapshot.forkMs > 0);
    assert.equal(first.snapshot, null);
    assert.equal(its.kills(), 0, 'its own limit is there first');
    const second = await capture(it);
    t.diagnostic(JSON.stringify([second.manifest.heapSnapshot, second.manifest.noHeapSnapshot]));
    checkRefused(second, 'its cgroup');
  });

  test('what is cached of files can be had', async (t) => {
    const its = group(t, 600);
    if (!its) return;
    const it = await start(t, { around: its.around });
    // In portions: a disk may be slow, and a server must not block for a minute.
    for (let i = 0; i < 12; i++) await it.get('/cache?mb=50');
    assert.ok(its.of('memory.usage_in_bytes') > 500 * MB, `${its.of('memory.usage_in_bytes')}`);
    const one = await capture(it);
    t.diagnostic(JSON.stringify([one.manifest.heapSnapshot, one.manifest.noHeapSnapshot]));
    checkComplete(one);
    assert.equal(its.kills(), 0);
  });

  test('its own files do not fill it', async (t) => {
    const its = group(t, 600);
    if (!its) return;
    const it = await start(t, { around: its.around, env: { VIGIL_DISK: '2GB' } });
    for (let i = 0; i < 6; i++) checkComplete(await capture(it));
    assert.equal(its.kills(), 0);
  });

  test('without an allocation profile where none is wanted', async (t) => {
    const its = group(t, 250);
    if (!its) return;
    const it = await start(t, { around: its.around, env: { VIGIL_CAPTURE: 'cpu,heap,before' } });
    const { manifest, alloc } = await capture(it);
    assert.match(manifest.noHeapSnapshot, refused);
    assert.equal(alloc, null);
  });
});

// The machine itself cannot be made small: its figures can, in a mount namespace.
describe('without a memory cgroup', () => {
  const machine = async (t, availableMb) => {
    const meminfo = path.join(temporary(t), 'meminfo');
    const text = readFileSync('/proc/meminfo', 'utf8');
    writeFileSync(meminfo, text.replace(/^MemAvailable:.*/m, `MemAvailable: ${availableMb * 1024} kB`)
      .replace(/^MemTotal:.*/m, `MemTotal: ${2000 * 1024} kB`));
    const around = ['unshare', '-m', 'sh', '-c', `mount --bind ${meminfo} /proc/meminfo && exec "$@"`, 'sh'];
    try {
      execFileSync(around[0], [...around.slice(1), 'true'], { stdio: 'pipe' });
    } catch ({ stderr }) {
      t.skip(`no mount namespace can be had here: ${stderr}`);
      return null;
    }
    return start(t, { around });
  };

  test('the machine has enough', async (t) => {
    const it = await machine(t, 1500);
    if (it) checkComplete(await capture(it));
  });

  test('the machine has too little', async (t) => {
    const it = await machine(t, 150);
    if (it) checkRefused(await capture(it), 'the machine');
  });
});
