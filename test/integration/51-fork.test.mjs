// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Heap snapshots that a forked child takes: the file, next to one that was taken
// in the process; and that the process goes on as if nothing had happened.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { MINUTE, app, node, temporary, until } from './helpers.mjs';
import { checkIncident, checkSnapshot, waitForIncident } from './incident.mjs';
import { children, inside, open, read, start } from './heap.mjs';
import { checkLoads } from './loaders.mjs';
import { addons, noAddons } from './31-native.mjs';

// ---- the file

// A forked snapshot of planted.mjs, and one that it took in the process after
// that. Both for the third time: before, functions are compiled for it and things
// made that are kept.
async function pair(t, env) {
  const file = path.join(temporary(t), 'inprocess.heapsnapshot');
  const it = start(t, [app('planted.mjs'), file], { env });
  await it.line(/^ready/m);
  let incident;
  for (let i = 1; i <= 3; i++) {
    it.kill('SIGUSR2');
    incident = checkIncident(await waitForIncident(it, it.dir, i));
    assert.equal(incident.manifest.heapSnapshot.mode, 'fork', JSON.stringify(incident.manifest));
    it.kill('SIGHUP');
    await until(() => it.stdout.split('written').length === i + 1, () => `snapshot; it said ${it.said()}`);
  }
  it.kill('SIGKILL');
  const forked = path.join(incident.dir, incident.names.find((name) => name.startsWith('heap-')));
  const inprocess = read(file);
  checkSnapshot(inprocess);
  return { forked: incident.snapshot, inprocess, forkedFile: forked, inprocessFile: file };
}

// What the second one has more, as far as it was seen, of 76,000 nodes: what the
// call that writes it has made by then (the signal's number in a Buffer, arrays of
// arguments, the file's name and its parts: 6 to 8 nodes, with a map, a stack slot
// or a handle that leads to each); and, since JavaScript runs between the two, now
// and then a function that was optimized for it, with its feedback (22 nodes).
const MOST_NODES = 1 / 1000;
const MOST_BYTES = 1 / 1000;
const MOST_EDGES = 2 / 1000;

function checkSame(a, b, key = (name) => name) {
  const sums = [a, b].map((snapshot) => {
    const merged = new Map();
    for (const [name, { count, self }] of open(snapshot).constructors()) {
      const sum = merged.get(key(name)) ?? { count: 0, self: 0 };
      merged.set(key(name), { count: sum.count + count, self: sum.self + self });
    }
    return merged;
  });
  const none = { count: 0, self: 0 };
  const different = [];
  let nodes = 0;
  let bytes = 0;
  for (const name of new Set([...sums[0].keys(), ...sums[1].keys()])) {
    const [x, y] = sums.map((sum) => sum.get(name) ?? none);
    if (x.count === y.count && x.self === y.self) continue;
    nodes += Math.abs(x.count - y.count);
    bytes += Math.abs(x.self - y.self);
    different.push([name.slice(0, 80), x, y]);
  }
  const edges = Math.abs(a.snapshot.edge_count - b.snapshot.edge_count);
  const total = [...sums[0].values()].reduce((sum, { self }) => sum + self, 0);
  assert.ok(nodes <= MOST_NODES * a.snapshot.node_count && bytes <= MOST_BYTES * total &&
            edges <= MOST_EDGES * a.snapshot.edge_count,
            `${nodes} nodes, ${bytes} bytes, ${edges} edges: ${JSON.stringify(different.slice(0, 40))}`);
  // And there is something to compare.
  assert.ok(sums[0].size > 1000 || key('string x') === 'string', `${sums[0].size} constructors`);
  assert.ok(a.snapshot.node_count > 20_000);
}

describe('the file', { concurrency: 2 }, () => {
  test('is a heap snapshot, the same as one taken in the process', async (t) => {
    const { forked, inprocess, forkedFile } = await pair(t);

    await t.test('with what was planted, where it was planted', () => {
      const heap = open(forked);
      assert.equal(heap.find('object', 'PlantedCustomer').length, 1500);
      assert.equal(heap.find('object', 'PlantedShelf').length, 30);
      const [shop, ...others] = heap.find('object', 'PlantedShop');
      assert.deepEqual(others, []);
      const next = (node, edge) => heap.edgesOf(node).find(([name]) => name === edge)?.[1];
      const table = next(next(shop, 'shelvesOfShop'), 'table');
      const shelves = heap.edgesOf(table).map(([, to]) => to).filter((n) => heap.nameOf(n) === 'PlantedShelf');
      assert.equal(new Set(shelves).size, 30);
      for (const shelf of shelves) {
        const elements = next(next(shelf, 'customersOfShelf'), 'elements');
        const customers = heap.edgesOf(elements).filter(([, to]) => heap.nameOf(to) === 'PlantedCustomer');
        assert.equal(customers.length, 50);
        assert.match(heap.nameOf(next(customers[0][1], 'note')), /^note \d+ of a customer$/);
      }
    });

    await t.test('that Chrome DevTools loads', async (t) => {
      const [[{ nodes, classes }]] = Object.values(await checkLoads(t, [forkedFile]));
      assert.equal(nodes, forked.snapshot.node_count);
      assert.equal(classes.find(({ name }) => name === 'PlantedCustomer').count, 1500);
    });

    await t.test('with as many of each kind', () => checkSame(forked, inprocess));
  });

  test('has no contents of strings with VIGIL_REDACT=on, and all else', async (t) => {
    const { forked, inprocess, forkedFile, inprocessFile } = await pair(t, { VIGIL_REDACT: 'on' });
    const [hidden, shown] = [forkedFile, inprocessFile].map((file) => readFileSync(file, 'latin1'));
    // So this is how they would be found. Not concatenated and sliced ones and
    // numbers, which no snapshot shows; their parts are.
    for (const i of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]) assert.ok(shown.includes(`classified${i}`), `${i}`);
    for (const word of ['classified', 'lassified4', 'and then some more', 'note 7 of', '31337.4242', '31337424231337', '\\u4e16', '\u4e16']) {
      assert.equal(hidden.indexOf(word), -1, hidden.slice(hidden.indexOf(word) - 100, hidden.indexOf(word) + 100));
    }
    // The source is a string as any other, but for its names.
    assert.ok(shown.includes('Copyright Node Vigil') && !hidden.includes('Copyright Node Vigil'));
    for (const name of ['propertyOfContents', 'customersOfShelf', 'PlantedShelf', 'planted.mjs']) {
      assert.ok(forked.strings.includes(name) || hidden.includes(name), name);
    }
    assert.ok(forked.strings.includes('(2000000 characters)'));
    const hides = /^(string|regexp) /;
    checkSame(forked, inprocess, (name) => (hides.test(name) ? name.split(' ')[0] : name));
  });
});

// ---- the process

describe('the process', { concurrency: 2 }, () => {
  const MB = '150';

  // How long timers waited at most while a snapshot was taken, and what was
  // served meanwhile.
  async function during(t, env) {
    const it = start(t, [app('ballast.mjs'), MB], { env });
    const [, port] = await it.line(/^ready (\d+)/m);
    const get = async (what) => (await fetch(`http://127.0.0.1:${port}/${what}`)).text();
    await get('longest');
    let served = 0;
    it.kill('SIGUSR2');
    while (!it.stderr.includes('\n')) {
      const before = children(it.pid).length;
      assert.equal(await get(''), 'ok\n');
      if (before === 1 && children(it.pid).length === 1) served++;
    }
    const longestMs = Number(await get('longest'));
    const { manifest, snapshot } = checkIncident(await waitForIncident(it, it.dir));
    it.kill('SIGKILL');
    assert.ok(snapshot.snapshot.node_count > 150_000);
    assert.ok(manifest.heapSnapshot.heapBytes > 150e6);
    return { longestMs, served, manifest };
  }

  test('goes on meanwhile', async (t) => {
    const { longestMs, served, manifest: { heapSnapshot, snapshotMs } } = await during(t);
    const { mode, restMs, forkMs, childMs, childBytes } = heapSnapshot;
    const said = JSON.stringify({ longestMs, served, snapshotMs, heapSnapshot });
    assert.equal(mode, 'fork');
    // What it cost the loop is the way to the fork and the fork.
    assert.ok(restMs + forkMs <= snapshotMs * 1.001 && snapshotMs < childMs / 2, said);
    assert.ok(longestMs < childMs / 2, said);
    assert.ok(served >= 20, said);
    assert.ok(childBytes > 1e6, said);
    const inprocess = await during(t, { VIGIL_HEAP_MODE: 'inprocess' });
    assert.equal(inprocess.served, 0);
    assert.ok(longestMs < inprocess.longestMs / 2, `${said}, and in the process ${inprocess.longestMs}`);
  });

  test('keeps its heap out of all other forks', { skip: noAddons }, async (t) => {
    const { value } = await inside(t, `
      const { readFileSync } = require('node:fs');
      const { execFileSync } = require('node:child_process');
      const { mapped } = native('forks');
      // Mappings as [begin, end, whether a fork has them not].
      const regions = () => [...readFileSync('/proc/self/smaps', 'latin1')
        .matchAll(/^([0-9a-f]+)-([0-9a-f]+) [^]*?^VmFlags:(.*)$/gm)]
        .map(([, from, to, flags]) => [BigInt('0x' + from), BigInt('0x' + to), / dc( |$)/.test(flags)]);
      globalThis.kept = Array.from({ length: 20_000 }, () => new Array(124).fill(7));
      const before = regions();
      const m = await capture();
      const after = regions();
      const hidden = after.filter(([, , is]) => is);
      const pages = new BigUint64Array(hidden.flatMap(([from, to]) =>
        Array.from({ length: Math.ceil(Number(to - from) / 2 ** 18) }, (_, i) => from + BigInt(i) * 2n ** 18n)));
      const size = (list) => Number(list.reduce((sum, [from, to]) => sum + to - from, 0n));
      // Bytes that were hidden before and are there now, but not hidden.
      let lost = 0;
      for (const [from, to] of before.filter(([, , is]) => is)) {
        for (const [a, b] of after.filter(([, , is]) => !is)) {
          const both = (to < b ? to : b) - (from > a ? from : a);
          if (both > 0n) lost += Number(both);
        }
      }
      return { mode: m.heapSnapshot.mode, hadBytes: size(before.filter(([, , is]) => is)), hasBytes: size(hidden), lost,
               pages: pages.length, here: mapped(pages, false), inFork: mapped(pages, true),
               spawned: execFileSync('echo', ['works']).toString() };`, { env: { ADDONS: addons('forks.c') } });
    const { mode, hadBytes, hasBytes, lost, pages, here, inFork, spawned } = value;
    const said = JSON.stringify(value);
    assert.equal(mode, 'fork');
    assert.ok(hadBytes > 20e6 && hasBytes > 20e6, said);
    assert.equal(lost, 0, said);
    // Some may be given back meanwhile.
    assert.ok(pages > 20 && here > 0.9 * pages, said);
    assert.equal(inFork, 0, said);
    assert.equal(spawned, 'works\n');
  });

  // Chunks of 256 KB each in a mapping of its own would be half of the fork's time.
  test('is short: the heap lies in one piece, also where threads make it', async () => {
    const value = JSON.parse(execFileSync(node, ['-e', `
      const { readFileSync } = require('node:fs');
      const { Worker } = require('node:worker_threads');
      const fill = 'globalThis.kept = Array.from({ length: 20_000 }, () => new Array(496).fill(7));';
      const wait = "require(\\"node:worker_threads\\").parentPort.once(\\"message\\", () => {})";
      const workers = [1, 2].map(() => new Worker(fill + wait, { eval: true }));
      eval(fill);
      Promise.all(workers.map((one) => new Promise((done) => one.once('online', done)))).then(() => {
        setTimeout(function look() {
          const { rss } = process.memoryUsage();
          if (rss < 240e6) return setTimeout(look, 20);
          console.log(JSON.stringify({ rss, chunks: Math.floor(240e6 / 2 ** 18),
                                       mappings: readFileSync('/proc/self/maps', 'latin1').split('\\n').length }));
          for (const one of workers) one.postMessage(0);
        });
      });`], { encoding: 'utf8', timeout: MINUTE, env: { ...process.env, VIGIL: 'off' } }));
    assert.ok(value.mappings < value.chunks / 2, JSON.stringify(value));
  });
});
