// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// node:vigil, as a program under test sees it.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, isWatching, run, stockNode, temporary } from './helpers.mjs';

// Runs the body of an async function with `vigil`, `block(ms)`, `sleep(ms)` and
// `until(probe)` in a process of its own, and gives what it returns.
async function inside(t, body, { env } = {}) {
  const source = `
    const vigil = require('node:vigil');
    const word = new Int32Array(new SharedArrayBuffer(4));
    const block = (ms) => Atomics.wait(word, 0, 0, ms);
    const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
    const until = async (probe) => { let v; while (!(v = await probe())) await sleep(20); return v; };
    (async () => { ${body} })().then((value) => {
      process.stdout.write(JSON.stringify(value ?? null));
    });
    setTimeout(() => process.exit(99), 120_000).unref();
  `;
  const end = await run(t, ['-e', source], { env });
  assert.equal(end.code, 0, end.stderr);
  assert.equal(end.stderr, '');
  return JSON.parse(end.stdout);
}

// Says where `value` does not have the shape: a sample whose leaves are
// typeof words, 'type|null' or a list of the values that are allowed.
function checkShape(value, shape, where = 'it') {
  if (typeof shape === 'string') {
    const type = value === null ? 'null' : typeof value;
    assert.ok(shape.split('|').includes(type), `${where} is ${type}, not ${shape}`);
    if (type === 'number') assert.ok(Number.isFinite(value) && value >= 0, `${where}: ${value}`);
  } else if (shape instanceof Set) {
    assert.ok(shape.has(value), `${where}: ${value}`);
  } else if (Array.isArray(shape)) {
    assert.ok(Array.isArray(value), where);
    value.forEach((v, i) => checkShape(v, shape[0], `${where}[${i}]`));
  } else {
    assert.deepEqual(Object.keys(value), Object.keys(shape), where);
    for (const key of Object.keys(shape)) checkShape(value[key], shape[key], `${where}.${key}`);
  }
}

const LOOP = {
  threadId: 'number|null', name: 'string', kind: new Set(['main', 'worker', 'other']), ended: 'boolean',
};
const LAG = {
  windowMs: 'number', filled: 'boolean', ageMs: 'number',
  p50Ms: 'number', p90Ms: 'number', p99Ms: 'number', p999Ms: 'number',
  meanMs: 'number', maxMs: 'number', busyMs: 'number', utilization: 'number',
  gcMs: 'number', periods: 'number', polls: 'number', events: 'number',
};
const DURATIONS = {
  count: 'number', totalMs: 'number', maxMs: 'number',
  p50Ms: 'number', p90Ms: 'number', p99Ms: 'number',
};
const BUCKETS = [{ lowerNs: 'number', count: 'number', sumNs: 'number' }];
const STATUS = {
  off: 'boolean', version: 'string', mode: new Set(['auto', 'on', 'off']),
  armed: 'boolean', watching: 'boolean',
};
const SHAPES = {
  lag: { off: 'boolean', windowMs: 'number', loops: [{ ...LOOP, ...LAG }] },
  snapshot: {
    ...STATUS,
    heapSnapshots: { taken: 'number', late: 'number', failed: 'number', refused: 'number' },
    threadPool: {
      queued: 'number', queuedMax: 'number', oldestWaitMs: 'number',
      running: 'number', cancelled: 'number', unmeasured: 'number',
      kinds: [{ kind: new Set(['cpu', 'fast-io', 'slow-io']), wait: DURATIONS, run: DURATIONS }],
    },
    loops: [{
      ...LOOP,
      lag: { last1s: LAG, last10s: LAG, last60s: LAG },
      sinceStart: {
        startupMs: 'number|null', observedMs: 'number', activeMs: 'number', idleMs: 'number',
        utilization: 'number', openMs: 'number', longestMs: 'number', selfMs: 'number',
        iterations: 'number', polls: 'number', events: 'number',
      },
      turns: DURATIONS,
      timers: DURATIONS,
      gc: {
        totalMs: 'number', heapUsedAfterBytes: 'number', externalAfterBytes: 'number',
        kinds: [{
          kind: new Set(['scavenge', 'minor-mark-sweep', 'mark-sweep-compact',
                         'incremental-marking', 'weak-callbacks']),
          count: 'number', totalMs: 'number', maxMs: 'number', p50Ms: 'number', p99Ms: 'number',
        }],
      },
    }],
  },
  histogram: {
    off: 'boolean',
    scheme: {
      linearWidthNs: 'number', linearBelowNs: 'number',
      bucketsPerOctave: 'number', lastLowerNs: 'number',
    },
    loops: [{ ...LOOP, observedMs: 'number', busy: BUCKETS, self: BUCKETS }],
  },
};

// Node has a loop of its own that runs no JavaScript.
const ofNode = (loops) => loops.filter((loop) => loop.kind !== 'other');

// P(W > x) = 1 % has this solution when one period of `d` fills the window but
// for idle time and short periods.
const p99 = (d, windowMs) => Math.max(0, d - 0.01 * windowMs);
const near = (actual, expected, most, what) =>
  assert.ok(Math.abs(actual - expected) <= most, `${what}: ${actual}, not ${expected} ± ${most}`);

describe('lag()', { concurrency: 2 }, () => {
  test('shows a block of 300 ms as an arrival at a random instant feels it', async (t) => {
    // The window of 10 s holds the block as a whole: it began after the first
    // tick and is younger than the window.
    const [main] = (await inside(t, `
      vigil.lag();
      await until(() => vigil.lag(1000).loops[0].filled);
      block(300);
      await until(() => vigil.lag(10000).loops[0].windowMs > 4000);
      return vigil.lag(10000);
    `)).loops;
    const { windowMs } = main;
    assert.equal(main.filled, windowMs >= 9500);
    near(main.maxMs, 300, 50, 'maxMs');
    // Each percentile within its bucket and what else the loop did.
    near(main.p99Ms, p99(main.maxMs, windowMs), 15, 'p99Ms');
    near(main.p999Ms, main.maxMs - 0.001 * windowMs, 15, 'p999Ms');
    assert.ok(main.p50Ms < 5, `p50Ms ${main.p50Ms}`);
    near(main.meanMs, main.maxMs ** 2 / 2 / windowMs, 1, 'meanMs');
    near(main.utilization, main.busyMs / windowMs, 1e-4, 'utilization');
    assert.ok(main.busyMs >= main.maxMs && main.busyMs < main.maxMs + 300, `busyMs ${main.busyMs}`);
    assert.ok(main.periods > 1 && main.polls >= main.periods, JSON.stringify(main));
    assert.ok(main.ageMs < 5000, `ageMs ${main.ageMs}`);
  });

  test('is empty at first, starts measuring and does not arm', async (t) => {
    const it = await inside(t, `
      const first = vigil.lag();
      await until(() => vigil.snapshot().watching);
      const snapshot = vigil.snapshot();
      const fs = require('node:fs');
      const names = fs.readdirSync('/proc/self/task')
        .map((tid) => fs.readFileSync('/proc/self/task/' + tid + '/comm', 'utf8').trim());
      return { first, names, mode: snapshot.mode, armed: snapshot.armed };
    `);
    checkShape(it.first, SHAPES.lag);
    assert.equal(it.first.windowMs, 10000);
    assert.equal(ofNode(it.first.loops).length, 1);
    assert.deepEqual(
      [it.first.loops[0].windowMs, it.first.loops[0].filled, it.first.loops[0].p99Ms], [0, false, 0]);
    assert.equal(isWatching(it.names), true);
    assert.deepEqual([it.mode, it.armed], ['auto', false]);
  });

  test('has a loop for each Worker, which sees the block of another thread', async (t) => {
    const it = await inside(t, `
      const { Worker } = require('node:worker_threads');
      vigil.lag();
      const source = \`
        const { parentPort, threadId } = require('node:worker_threads');
        const vigil = require('node:vigil');
        const blocked = () => vigil.lag(1000).loops.find((l) => l.kind === 'main' && l.maxMs > 800);
        const timer = setInterval(() => {
          const main = blocked();
          if (main === undefined) return;
          clearInterval(timer);
          const { openMs } = vigil.snapshot().loops[0].sinceStart;
          parentPort.postMessage({ threadId, main, openMs, loops: vigil.lag().loops });
          Atomics.store(new Int32Array(require('node:worker_threads').workerData), 0, 1);
        }, 50);
      \`;
      const shared = new SharedArrayBuffer(4);
      const word = new Int32Array(shared);
      const idle = new Worker('setInterval(() => {}, 100)', { eval: true });
      const seer = new Worker(source, { eval: true, name: 'seer', workerData: shared });
      const ids = [idle.threadId, seer.threadId];
      await new Promise((done) => seer.once('online', done));
      await until(() => vigil.lag(1000).loops.filter((l) => l.kind !== 'other' && l.filled).length === 3);
      // Blocked until the Worker has seen it.
      const end = Date.now() + 60_000;
      while (Atomics.load(word, 0) === 0 && Date.now() < end) block(10);
      const [seen] = await new Promise((done) => seer.once('message', (m) => done([m])));
      await Promise.all([idle.terminate(), seer.terminate()]);
      return { seen, ids };
    `);
    const { seen, ids } = it;
    seen.loops = ofNode(seen.loops);
    assert.ok(seen.openMs > 800, `openMs ${seen.openMs}`);
    assert.deepEqual(seen.loops.map((l) => l.kind), ['main', 'worker', 'worker']);
    assert.deepEqual(seen.loops.map((l) => l.threadId), [0, ...ids]);
    assert.equal(seen.threadId, ids[1]);
    assert.match(seen.loops[2].name, /seer/);
    assert.ok(seen.loops.slice(1).every((l) => l.maxMs < seen.main.maxMs), JSON.stringify(seen.loops));
  });

  test('a Worker that ended can be read for a while', async (t) => {
    const loops = await inside(t, `
      const { Worker } = require('node:worker_threads');
      const worker = new Worker('setInterval(() => {}, 100)', { eval: true });
      vigil.lag();
      await until(() => vigil.lag(1000).loops.some((l) => l.kind === 'worker' && l.filled));
      await worker.terminate();
      return [vigil.lag().loops, vigil.snapshot().loops, vigil.histogram().loops];
    `);
    const [lag, snapshot, histogram] = loops.map((list) => list.find((l) => l.kind === 'worker'));
    assert.equal(lag.ended, true);
    assert.ok(lag.windowMs > 900, `windowMs ${lag.windowMs}`);
    assert.equal(snapshot.sinceStart, null);
    assert.equal(histogram, undefined);
  });
});

test('snapshot() knows what the loop did', async (t) => {
  const it = await inside(t, `
    vigil.snapshot();
    await until(() => vigil.snapshot().watching);
    await Promise.all([1, 2, 3].map(() => require('node:fs').promises.stat('/')));
    block(150);
    await sleep(50);
    const { performance } = require('node:perf_hooks');
    return { all: vigil.snapshot(), elu: performance.eventLoopUtilization() };
  `);
  const { all, elu } = it;
  for (const loop of all.loops) assert.equal(loop.gc === null, loop.kind === 'other', loop.name);
  checkShape({ ...all, loops: ofNode(all.loops) }, SHAPES.snapshot);
  assert.deepEqual([all.off, all.mode, all.version], [false, 'auto', '1']);
  const [main] = all.loops;
  const { sinceStart } = main;
  near(sinceStart.longestMs, 150, 50, 'longestMs');
  assert.ok(sinceStart.startupMs > 1, `startupMs ${sinceStart.startupMs}`);
  near(sinceStart.activeMs + sinceStart.idleMs, sinceStart.observedMs, 0.001, 'observedMs');
  near(sinceStart.idleMs, elu.idle, 20, 'idleMs');
  assert.ok(sinceStart.iterations > 1 && sinceStart.polls >= sinceStart.iterations, JSON.stringify(sinceStart));
  assert.ok(main.turns.maxMs >= 140, JSON.stringify(main.turns));
  assert.ok(main.timers.count >= 1, JSON.stringify(main.timers));
  const io = all.threadPool.kinds.find((k) => k.kind === 'fast-io');
  assert.ok(io.run.count >= 3 && io.wait.count >= 3, JSON.stringify(io));
  assert.equal(main.gc.kinds.length, 5);
});

test('snapshot() says how this process is watched', async (t) => {
  const body = `
    const { mode, armed } = vigil.snapshot();
    return [mode, armed];
  `;
  const serve = `
    const server = require('node:net').createServer().listen(0, '127.0.0.1');
    await new Promise((done) => server.on('listening', done));
    server.close();
  `;
  assert.deepEqual(await inside(t, body), ['auto', false]);
  assert.deepEqual(await inside(t, serve + body), ['auto', true]);
  assert.deepEqual(await inside(t, body, { env: { VIGIL: 'on' } }), ['on', true]);
});

describe('histogram()', () => {
  const body = (ms) => `
    await sleep(20);
    block(${ms});
    await sleep(20);
    return vigil.histogram();
  `;
  const merge = (lists) => {
    const sum = new Map();
    for (const { lowerNs, count, sumNs } of lists.flat()) {
      const bucket = sum.get(lowerNs) ?? { lowerNs, count: 0, sumNs: 0 };
      sum.set(lowerNs, { lowerNs, count: bucket.count + count, sumNs: bucket.sumNs + sumNs });
    }
    return [...sum.values()].sort((a, b) => a.lowerNs - b.lowerNs);
  };
  // The same formulas as inside of the process, from buckets alone.
  const meanMs = (buckets, observedMs) => buckets
    .reduce((all, { count, sumNs }) => all + (sumNs / 1e6) ** 2 / count, 0) / 2 / observedMs;

  test('has buckets as the scheme says', async (t) => {
    const report = await inside(t, body(100));
    checkShape(report, SHAPES.histogram);
    const { scheme } = report;
    assert.deepEqual(scheme, { linearWidthNs: 32, linearBelowNs: 1024,
                               bucketsPerOctave: 32, lastLowerNs: 2 ** 37 });
    const upper = (lower) => lower < scheme.linearBelowNs ? lower + scheme.linearWidthNs
      : lower + 2 ** Math.floor(Math.log2(lower)) / scheme.bucketsPerOctave;
    let last = -1;
    for (const { lowerNs, count, sumNs } of report.loops[0].busy) {
      assert.ok(lowerNs > last, 'sorted');
      last = lowerNs;
      assert.equal(upper(lowerNs) % 1, 0);
      assert.ok(count > 0 && sumNs >= count * lowerNs && sumNs < count * upper(lowerNs),
                JSON.stringify({ lowerNs, count, sumNs }));
    }
    assert.ok(last >= 95e6 && last < 200e6, `the block is in ${last}`);
  });

  test('of two processes merges to the sum', async (t) => {
    const reports = await Promise.all([inside(t, body(60)), inside(t, body(240))]);
    assert.deepEqual(reports[0].scheme, reports[1].scheme);
    const main = reports.map((r) => r.loops[0]);
    const merged = merge(main.map((l) => l.busy));
    for (const key of ['count', 'sumNs']) {
      const total = (list) => list.reduce((all, bucket) => all + bucket[key], 0);
      assert.equal(total(merged), total(main[0].busy) + total(main[1].busy));
    }
    const observedMs = main[0].observedMs + main[1].observedMs;
    const each = main.map((l) => meanMs(l.busy, l.observedMs) * l.observedMs);
    near(meanMs(merged, observedMs), (each[0] + each[1]) / observedMs, 0.01 * each[1] / observedMs, 'meanMs');
  });

  test('needs no watch thread', async (t) => {
    const names = await inside(t, `
      vigil.histogram();
      const fs = require('node:fs');
      return fs.readdirSync('/proc/self/task')
        .map((tid) => fs.readFileSync('/proc/self/task/' + tid + '/comm', 'utf8').trim());
    `);
    assert.equal(isWatching(names), false);
  });
});

test('wrong arguments throw as Node throws', async (t) => {
  const it = await inside(t, `
    const values = [null, '1000', 10n, {}, true, Symbol('s'), NaN, 999, 600001, -1, 1500.5, Infinity];
    return values.map((v) => {
      try { vigil.lag(v); } catch (e) { return [e.name, e.code, e.message]; }
    });
  `);
  for (const [name, code, message] of it.slice(0, 6)) {
    assert.deepEqual([name, code], ['TypeError', 'ERR_INVALID_ARG_TYPE']);
    assert.match(message, /^The "windowMs" argument must be of type number\. Received /);
  }
  for (const [name, code, message] of it.slice(6)) {
    assert.deepEqual([name, code], ['RangeError', 'ERR_OUT_OF_RANGE']);
    assert.match(message, /^The value of "windowMs" is out of range\. It must be /);
  }
  assert.match(it[7][2], />= 1000 && <= 600000\. Received 999/);
});

test('VIGIL=off: it loads and says so', async (t) => {
  const it = await inside(t, `
    const fs = require('node:fs');
    return {
      off: vigil.off, version: vigil.version, lag: vigil.lag(), snapshot: vigil.snapshot(),
      histogram: vigil.histogram(), keys: Object.keys(vigil).sort(),
      code: (() => { try { vigil.lag('x'); } catch (e) { return e.code; } })(),
      names: fs.readdirSync('/proc/self/task')
        .map((tid) => fs.readFileSync('/proc/self/task/' + tid + '/comm', 'utf8').trim()),
    };
  `, { env: { VIGIL: 'off' } });
  assert.equal(it.off, true);
  assert.equal(it.version, '1');
  assert.deepEqual(it.lag, { off: true, windowMs: 10000, loops: [] });
  for (const name of ['snapshot', 'histogram']) {
    checkShape(it[name], SHAPES[name]);
    assert.equal(it[name].off, true);
    assert.deepEqual(it[name].loops, []);
  }
  assert.deepEqual([it.snapshot.mode, it.snapshot.armed, it.snapshot.watching], ['off', false, false]);
  assert.equal(it.code, 'ERR_INVALID_ARG_TYPE');
  assert.equal(isWatching(it.names), false);
});

describe('the module', { concurrency: 2 }, () => {
  const FEATURE = `console.log(process.versions.vigil === undefined ? 'no'
    : 'yes ' + Object.keys(require('node:vigil')).sort());`;

  test('is detected by process.versions.vigil', async (t) => {
    assert.equal((await run(t, ['-e', FEATURE])).stdout, 'yes capture,histogram,lag,leakHunt,off,snapshot,version\n');
    assert.equal((await run(t, ['-e', FEATURE], { bin: stockNode })).stdout, 'no\n');
  });

  test('has the scheme only', async (t) => {
    const it = await inside(t, `
      let code;
      try { require('vigil'); } catch (e) { code = e.code; }
      const module = require('node:module');
      return [code, module.isBuiltin('vigil'), module.isBuiltin('node:vigil'),
              process.getBuiltinModule('vigil') === undefined,
              process.getBuiltinModule('node:vigil') === vigil,
              module.builtinModules.filter((name) => /vigil/.test(name)), vigil.off];
    `);
    assert.deepEqual(it, ['MODULE_NOT_FOUND', false, true, true, true, ['node:vigil'], false]);
  });

  test('leaves the npm package of that name alone', async (t) => {
    const dir = temporary(t);
    mkdirSync(path.join(dir, 'node_modules/vigil'), { recursive: true });
    writeFileSync(path.join(dir, 'node_modules/vigil/index.js'), 'module.exports = "of npm";');
    writeFileSync(path.join(dir, 'index.js'), 'console.log(require("vigil"));');
    assert.equal((await run(t, [path.join(dir, 'index.js')])).stdout, 'of npm\n');
  });

  test('can be imported, also in a Worker', async (t) => {
    const source = `
      import { lag, off, version } from 'node:vigil';
      import vigil from 'node:vigil';
      import { isMainThread, Worker } from 'node:worker_threads';
      console.log(isMainThread, off, version, lag === vigil.lag, lag().windowMs);
      if (isMainThread) new Worker(new URL(import.meta.url));
    `;
    const file = path.join(temporary(t), 'it.mjs');
    writeFileSync(file, source);
    const end = await run(t, [file]);
    assert.equal(end.stdout, 'true false 1 true 10000\nfalse false 1 true 10000\n', end.stderr);
  });

  test('works in a startup snapshot of the program', async (t) => {
    const dir = temporary(t);
    const [script, blob] = ['it.js', 'it.blob'].map((name) => path.join(dir, name));
    writeFileSync(script, `
      const vigil = require('node:vigil');
      vigil.lag();
      require('node:v8').startupSnapshot.setDeserializeMainFunction(() => {
        console.log(vigil.off, vigil.version, vigil.snapshot().loops.map((l) => l.kind)[0]);
      });
    `);
    const built = await run(t, ['--snapshot-blob', blob, '--build-snapshot', script]);
    assert.equal(built.code, 0, built.stderr);
    const end = await run(t, ['--snapshot-blob', blob, script]);
    assert.equal(end.stdout, 'false 1 main\n', end.stderr);
    const off = await run(t, ['--snapshot-blob', blob, script], { env: { VIGIL: 'off' } });
    assert.equal(off.stdout, 'true 1 undefined\n', off.stderr);
  });

  test('does not start the watch thread when it is loaded', async (t) => {
    const it = new App(t, ['-e', 'require("node:vigil").off; console.log("ready"); setInterval(() => {}, 1000)']);
    await it.line(/^ready/m);
    assert.equal(isWatching(it.threads()), false);
    it.kill('SIGKILL');
    await once(it.child, 'close');
  });
});
