// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What the report makes of an incident: who is to blame, what the heap holds,
// and that no broken or huge piece takes the others along.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { environment, node, run, stockNode, temporary, top } from './helpers.mjs';
import { checkLoads } from './loaders.mjs';
import { EPOCH, frame, incident, largeProfile, largeSnapshot, manifest, profile } from '../report/fixtures.mjs';

const require = createRequire(import.meta.url);
const { collect } = require(path.join(top, 'src/js/report/make.js'));
const { dominators } = require(path.join(top, 'src/js/report/heap_dominators.js'));
const { embed } = require(path.join(top, 'src/js/report/write.js'));

const MB = 2 ** 20;
const CPU = `cpu-${EPOCH}.cpuprofile`, BEFORE = `before-${EPOCH}.cpuprofile`, HEAP = `heap-${EPOCH}.heapsnapshot`;
const GUILTY = frame('parseOrder', 'file:///app/orders.js', 29, 4);
const HANDLER = frame('handler', 'file:///app/server.js', 9, 4);
const GC = frame('(garbage collector)');
const PARSE = frame('v8::internal::Builtin_JsonParse(int, unsigned long*, v8::internal::Isolate*)');
let made;

before(() => {
  const { VIGIL_CACHE, VIGIL_DISTFILES } = process.env;
  made = execFileSync(path.join(top, 'deps/scripts.sh'), { encoding: 'utf8', env: environment({ VIGIL_CACHE, VIGIL_DISTFILES }) }).trim();
});

const spoken = ({ verdict }) => verdict.sentences.map((s) => s.map((p) => p.strong ?? p.code ?? p).join('')).join(' ');

// Runs the program that the build makes, in a process with little memory.
async function report(t, dir, flags = [], options = {}) {
  const script = `const r = require(${JSON.stringify(path.join(made, 'report.js'))}).report(${JSON.stringify(dir)}, ${JSON.stringify(options)});
    console.log(JSON.stringify({ ...r, rss: process.resourceUsage().maxRSS / 1024 }));`;
  const { code, stdout, stderr } = await run(t, [...flags, '-e', script], { env: { VIGIL: 'off' } });
  assert.equal(code, 0, stderr);
  return { ...JSON.parse(stdout), page: readFileSync(path.join(dir, 'report.html'), 'utf8') };
}

const dataOf = (page) => JSON.parse(/<script id="data" type="application\/json">(.*?)<\/script>/s.exec(page)[1]);

describe('the page', () => {
  test('has at most 100 kB without data, and takes nothing from elsewhere', () => {
    const page = readFileSync(path.join(made, 'page.html'), 'utf8');
    assert.ok(Buffer.byteLength(page) <= 100_000, `${Buffer.byteLength(page)} bytes`);
    assert.match(page, /Content-Security-Policy" content="default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'"/);
    assert.doesNotMatch(page.replace(/<!--[^]*?-->/, ''), /<(link|img|iframe|script [^>]*src)\b/);
    assert.match(page, /Leon Sorokin/);  // The licence came along.
  });

  test('is written whole, for its owner only, over an older one', async (t) => {
    const dir = incident(path.join(temporary(t), 'i'), { 'incident.json': manifest(), [CPU]: profile([[500], [500, HANDLER, GUILTY]]) });
    writeFileSync(path.join(dir, 'report.html'), 'old');
    chmodSync(path.join(dir, 'report.html'), 0o644);
    const { page, bytes, missing } = await report(t, dir);
    assert.deepEqual(missing, {});
    assert.equal(Buffer.byteLength(page), bytes);
    assert.equal(statSync(path.join(dir, 'report.html')).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(dir).sort(), [CPU, 'incident.json', 'report.html'].sort());
    assert.equal(dataOf(page).profiles.during.samples, 1000);
  });

  test('data cannot end its element', () => {
    const names = ['</script><img src=x onerror=alert(1)>', '<!--<script>', '\u2028\u2029', '\ud800', '\u0000\u0085"\\'];
    const text = embed({ names });
    assert.doesNotMatch(text, /[<>&\u2028\u2029\u0085]/);
    assert.deepEqual(JSON.parse(text).names, names);
  });
});

describe('the verdict', () => {
  const js = (t, pieces) => collect(incident(path.join(temporary(t), 'i'), { 'incident.json': manifest(), ...pieces }), {});

  test('names the function, its hot line, its share, and what it did', (t) => {
    const during = profile([[200], [700, HANDLER, GUILTY], [100, GC], [200, HANDLER, frame('other', 'file:///app/x.js', 3)]]);
    during.nodes.find((n) => n.callFrame === GUILTY).positionTicks = [{ line: 34, ticks: 650 }, { line: 31, ticks: 50 }];
    const data = js(t, { [CPU]: during, [BEFORE]: profile([[800], [200, frame('JSEntry'), HANDLER, GUILTY, PARSE]], 0) });
    const [worst] = data.profiles.during.blame;
    assert.deepEqual([worst.name, worst.file, worst.line, worst.hotLine], ['parseOrder', 'orders.js', 30, 34]);
    assert.ok(Math.abs(worst.share - 0.7) < 1e-9, `${worst.share}`);
    assert.match(spoken(data), /^Over 10 s, one event in a hundred waited 257 ms or longer \(limit 50 ms\) for the main thread: JavaScript kept it busy\. parseOrder orders\.js:34 and what it called had 70 % of the busy time, mostly in JSON\.parse\./);
    assert.match(data.verdict.next[0], /^JSON\.parse takes time/);
    assert.equal(data.profiles.during.gcMs, 100);
    // Both have the same number for the same function.
    const { functions, profiles } = data;
    const numbers = Object.values(profiles).map(({ tree }) => tree.fn.find((fn) => functions.name[fn] === 'parseOrder'));
    assert.equal(numbers[0], numbers[1]);
  });

  test('blames a module, and says who called it', (t) => {
    const module = frame('merge', 'file:///app/node_modules/deep/index.js', 4);
    const data = js(t, { [CPU]: profile([[100], [900, HANDLER, module]]) });
    assert.match(spoken(data), /merge index\.js:5 and what it called had 100 % of the busy time; it was called by handler server\.js:10\./);
  });

  test('follows the cause', (t) => {
    const say = (cause, more = {}) => spoken(collect(incident(path.join(temporary(t), 'i'), {
      'incident.json': manifest({ cause: { class: cause, text: 'because', missing: [], figures: {} }, ...more }) }), {}));
    assert.match(say('starved'), /: other processes had the CPU\./);
    assert.match(say('throttled'), /: its CPU limit was used up\./);
    assert.match(say('threadpool', { rule: { name: 'pool-wait-p99', unit: 'ms', value: 1500, limit: 1000 } }),
                 /^Work waited 1\.5 s or longer \(limit 1\.0 s\) for a thread of the pool, one in a hundred: the thread pool had no thread free\./);
    assert.match(say('suspended', { rule: { name: 'stall', unit: 'ms', value: 6200, limit: 5000 } }),
                 /^No event was handled on the main thread for 6\.2 s \(limit 5\.0 s\): it was stopped from outside\./);
    assert.match(say('gc', { rule: { name: 'gc-share', unit: '%', value: 61, limit: 30 } }),
                 /^Garbage collection took 61 % \(limit 30 %\) of the time of the main thread\./);
    const { verdict } = collect(incident(path.join(temporary(t), 'i'), { 'incident.json': manifest({
      cause: { class: 'gc', text: '', missing: [], figures: {} }, gc: { sinceStart: { 'scavenge': { count: 10, totalMs: 50 }, 'mark-sweep-compact': { count: 4, totalMs: 800 } } } }) }), {});
    assert.match(verdict.next[0], /^Most of it since the start was mark-sweep-compact, 4 pauses of 200 ms on average: the heap grows/);
    assert.match(say('no such class'), /why is not certain/);
  });

  test('has waits and shares by the second from samples', (t) => {
    // A block of 400 ms with GC in it, in a second, and ten of 20 ms in another.
    const short = Array.from({ length: 10 }, () => [[80], [20, HANDLER]]).flat();
    const { slices, lag, blocks, busyMs, spanMs } = js(t, { [CPU]: profile([[500], [300, HANDLER], [100, GC], [100], ...short]) }).profiles.during;
    assert.deepEqual([busyMs, spanMs], [600, 2000]);
    assert.deepEqual(slices.busy, [0, 0, 1, 0.6, 0.16, 0.24, 0.16, 0.24]);
    assert.deepEqual(slices.gc, [0, 0, 0, 0.4, 0, 0, 0, 0]);
    // All but one in a hundred arrivals wait less than 390 of 400, or 19 of 20.
    assert.deepEqual(lag.p99Ms.map(Math.round), [390, 19]);
    assert.deepEqual(blocks.lengthMs, [400, ...Array(10).fill(20)]);
    // Always busy: what samples see as one block may be many.
    assert.equal(js(t, { [CPU]: profile([[1000, HANDLER]]) }).profiles.during.blocks, null);
  });

  test('tells since when, from the time line', (t) => {
    const atMs = Array.from({ length: 60 }, (_, i) => (i - 60) * 1000);
    const timeline = { atMs, spanMs: atMs.map(() => 1000), p99Ms: atMs.map((ms) => (ms >= -23_000 ? 200 : 2)) };
    const data = collect(incident(path.join(temporary(t), 'i'), { 'incident.json': manifest({ timeline }) }), {});
    assert.equal(data.verdict.sinceMs, 23_000);
    assert.match(spoken(data), /It began 23 s before the trigger\.$/);
  });
});

describe('a piece', () => {
  const good = () => ({ 'incident.json': manifest(), [CPU]: profile([[500], [500, HANDLER, GUILTY]]) });

  test('that is missing or broken is said, and the others are there', async (t) => {
    const root = temporary(t);
    const whole = JSON.stringify(profile([[10], [10, GUILTY]]));
    largeSnapshot(path.join(root, 'heap'), 1, 10);
    const heap = readFileSync(path.join(root, 'heap'), 'utf8');
    const cases = {
      [CPU]: [['', /the file is empty/], [whole.slice(0, 300), /cut off/], ['{"nodes": "x"}', /no CPU profile/], ['[]', /no CPU profile/],
              ['null', /no CPU profile/], ['{]}', /not valid JSON/], ['{"nodes":[{"id":1}],"samples":[]}', /no samples/],
              ['{"nodes":[null,{"id":1,"children":[1,1,9]}],"samples":[7,8]}', /no time/],
              ['{"nodes":[{"id":1}],"samples":[1,1],"timeDeltas":[0,1e99],"startTime":0}', /cannot be true/]],
      [BEFORE]: [['\0\0\0', /cut off/]],
      [HEAP]: [['', /empty/], [heap.slice(0, 900), /cut off/], [heap.slice(0, -30), /cut off/], ['{}', /no heap snapshot/], ['[1]', /no heap snapshot/],
               [heap.replace('"node_count":22', '"node_count":99999999'), /cut off, or its header is wrong/],
               [heap.replace('"node_count":22', '"node_count":21'), /more nodes/], [heap.replace('"self_size"', '"other"'), /no "self_size"/],
               [heap.replace('1,0,6', '1,0,7'), /leads nowhere/], [heap.replace('[9,0,', '[{},'), /not numbers/]],
      [`alloc-${EPOCH}.heapprofile`]: [['{"head":{}}', /no samples/], ['{}', /no allocation profile/]],
      'stalls.json': [['{"stalls":', /cut off/]],
      'incident.json': [['', /empty/], ['{"schema":', /cut off/]],
    };
    let i = 0;
    for (const [name, ways] of Object.entries(cases)) {
      for (const [content, why] of ways) {
        const dir = incident(path.join(root, `${i++}`), { ...good(), [name]: content });
        const { missing, profiles } = collect(dir, {});
        const [reason, ...more] = Object.values(missing);
        assert.match(reason ?? 'nothing', why, `${name} ${content.slice(0, 60)}`);
        assert.deepEqual(more, []);
        assert.equal(profiles.during === null, name === CPU);
      }
    }
  });

  test('of a wrong type in the manifest is left out', async (t) => {
    const wrong = { process: 'x', thread: null, rule: [], cause: 7, lag: { p99Ms: '9', a: 1e999 }, gc: { sinceStart: [1] }, pool: { sinceStart: { x: 1 } },
                    files: [null, 3, { name: 4 }, { name: '../../etc/passwd', bytes: 'x' }], timeline: { atMs: [3, 2, 1] }, triggered: 'yesterday' };
    const dir = incident(path.join(temporary(t), 'i'), { ...good(), 'incident.json': manifest(wrong) });
    const { incident: it, files } = collect(dir, {});
    assert.deepEqual([it.lag, it.timeline, it.triggered, it.cause.class], [{}, null, null, 'unknown']);
    assert.ok(files.some(({ name, gone }) => name === '../../etc/passwd' && gone));
    await report(t, dir);
  });

  test('why there is none comes from the manifest', (t) => {
    const dir = incident(path.join(temporary(t), 'i'), { 'incident.json': manifest({ noCpuProfile: 'it would show an innocent' }) });
    assert.deepEqual(collect(dir, {}).missing, { cpu: 'it would show an innocent' });
  });

  test('is not followed out of the directory, and never waited for', async (t) => {
    const root = temporary(t);
    writeFileSync(path.join(root, 'secret'), JSON.stringify(profile([[5, GUILTY]])));
    const dir = incident(path.join(root, 'i'), { 'incident.json': manifest() });
    symlinkSync('../secret', path.join(dir, CPU));
    execFileSync('mkfifo', [path.join(dir, HEAP)]);
    mkdirSync(path.join(dir, BEFORE));
    const { page } = await report(t, dir);
    const data = dataOf(page);
    assert.deepEqual([data.profiles.during, data.profiles.before, data.heap], [null, null, null]);
    assert.deepEqual(data.files.map(({ name }) => name), ['incident.json']);
  });

  test('of 50,000 nodes is kept, and of more the widest', (t) => {
    const root = temporary(t);
    const all = collect(incident(path.join(root, 'a'), { 'incident.json': manifest(), [CPU]: largeProfile(50_000) }), {}).profiles.during;
    assert.deepEqual([all.tree.fn.length, all.leftOut], [49_999, 0]);
    const some = collect(incident(path.join(root, 'b'), { 'incident.json': manifest(), [CPU]: largeProfile(80_000) }), {}).profiles.during;
    assert.deepEqual([some.tree.fn.length, some.leftOut], [50_000, 29_999]);
    const sum = (list) => list.reduce((a, b) => a + b, 0);
    assert.equal(sum(some.tree.self) + sum(some.tree.hidden), 79_999_000);
  });
});

describe('the heap', () => {
  test('dominators are right', () => {
    // As they are defined: d dominates n if n cannot be reached without d.
    let seed = 7;
    const random = (n) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % n;
    };
    let deep = 0;
    for (let round = 0; round < 300; round++) {
      const nodes = 2 + random(14);
      const edges = Array.from({ length: nodes }, () => Array.from({ length: random(4) }, () => random(nodes)));
      const first = Uint32Array.from([0, ...edges.map(((sum) => (list) => sum += list.length)(0))]);
      const { node: order, number, reached, dominator } = dominators({ nodes, first, to: Uint32Array.from(edges.flat()) });
      const reach = (without) => {
        const seen = new Set(without === 0 ? [] : [0]);
        for (const n of seen) for (const to of edges[n]) if (to !== without) seen.add(to);
        return seen;
      };
      const all = reach(-1);
      assert.equal(reached, all.size);
      for (const n of all) {
        if (n === 0) continue;
        const above = [...all].filter((d) => d !== n && !reach(d).has(n));
        // The nearest one is dominated by all the others.
        const nearest = above.find((d) => above.every((other) => other === d || !reach(other).has(d)));
        assert.equal(order[dominator[number[n]]], nearest, JSON.stringify({ edges, n }));
        if (above.length > 2) deep++;
      }
    }
    assert.ok(deep > 100, `${deep}`);
  });

  test('retained sizes are those of Chrome DevTools', async (t) => {
    const dir = incident(path.join(temporary(t), 'i'), { 'incident.json': manifest() });
    const script = `class Kept { constructor(i) { this.list = [{ i }, 'text ' + i]; } }
      globalThis.kept = Array.from({ length: 2000 }, (_, i) => new Kept(i));
      require('node:v8').writeHeapSnapshot(${JSON.stringify(path.join(dir, HEAP))});`;
    assert.equal((await run(t, ['-e', script], { bin: stockNode })).code, 0);
    const { heap } = collect(dir, {});
    const [theirs] = (await checkLoads(t, [path.join(dir, HEAP)]))[HEAP];
    let compared = 0;
    for (const name of ['Kept', 'Array', 'Map', 'Set', 'Function', 'RegExp', 'Error', 'BuiltinModule', 'global', 'ArrayBuffer']) {
      const ours = heap.rows.find((row) => row.name === name);
      const their = theirs.classes.find((row) => row.name === name);
      if (!ours && !their) continue;
      assert.equal(ours?.count, their?.count, name);
      // It takes the pairs of a WeakMap more exactly: its keys have names.
      assert.ok(Math.abs(ours.retained - their.retained) <= 0.005 * their.retained, JSON.stringify({ ours, their }));
      compared++;
    }
    assert.ok(compared >= 8, `${compared}`);
    assert.equal(heap.rows.find(({ name }) => name === 'Kept').count, 2000);
    assert.ok(heap.largest.some(({ name, chain }) => name === 'Array' && chain.includes('global')), JSON.stringify(heap.largest));
  });

  test('of more than 100 MB takes bounded memory', async (t) => {
    const dir = incident(path.join(temporary(t), 'i'), { 'incident.json': manifest() });
    const { nodes, edges } = largeSnapshot(path.join(dir, HEAP), 40, 40_000);
    assert.ok(statSync(path.join(dir, HEAP)).size > 100 * MB);
    const few = ['--max-old-space-size=64'];
    const { page, rss } = await report(t, dir, few);
    const { heap } = dataOf(page);
    assert.deepEqual([heap.nodes, heap.edges, heap.noRetained], [nodes, edges, null]);
    const row = (name) => heap.rows.find((r) => r.name === name);
    assert.deepEqual(row('Thing "ä\\'), { name: 'Thing "ä\\', count: 1_600_000, shallow: 64_000_000, retained: 1_600_000 * 64 });
    assert.deepEqual(row('Array'), { name: 'Array', count: 40, shallow: 640, retained: 640 + 1_600_000 * 64 });
    assert.deepEqual(row('(string)'), { name: '(string)', count: 1_600_000, shallow: 38_400_000, retained: 38_400_000 });
    // Of it 256 MB for the graph at most, and what Node itself has.
    assert.ok(rss < 512, `${rss} MB`);

    const small = await report(t, dir, few, { heapBudget: 64 * MB });
    const counted = dataOf(small.page).heap;
    assert.match(counted.noRetained, /^Retained sizes are left out: 3,200,041 objects/);
    assert.deepEqual(counted.rows.find((r) => r.name === 'Array'), { name: 'Array', count: 40, shallow: 640, retained: null });
    assert.ok(small.rss < rss && small.rss < 200, `${small.rss} MB, ${rss} MB`);
  });
});

test('the command of the source tree makes one, too', async (t) => {
  const { VIGIL_CACHE, VIGIL_DISTFILES } = process.env;
  const dir = incident(path.join(temporary(t), 'i'), { 'incident.json': manifest() });
  const env = { VIGIL_CACHE, VIGIL_DISTFILES, VIGIL: 'off' };
  const make = path.join(top, 'src/js/report/make.js');
  const { code, stdout, stderr } = await run(t, [make, dir], { env });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /report\.html \d+ KB/);
  assert.equal((await run(t, [make], { env })).code, 2);
  assert.equal((await run(t, [make, path.join(dir, 'nowhere')], { env })).code, 1);
  assert.ok(node);
});
