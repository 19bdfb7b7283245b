// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// report.html in a headless Chromium: it draws, says nothing on the console and
// asks for nothing; search, zoom and views change what is shown; no name of a
// program becomes anything but text.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { App, FAST, app, node, temporary } from './helpers.mjs';
import { first } from './41-first.mjs';
import { waitForIncident } from './incident.mjs';
import { EPOCH, frame, incident, largeProfile, manifest, profile } from '../report/fixtures.mjs';
import { at, canvas, checkQuiet, open, press, rows, shown, skipped } from '../report/opened.mjs';

const CPU = `cpu-${EPOCH}.cpuprofile`, BEFORE = `before-${EPOCH}.cpuprofile`;
const HANDLER = frame('handler', 'file:///app/server.js', 9, 4);
const GUILTY = frame('parseOrder', 'file:///app/orders.js', 29, 4);
const OTHER = frame('render', 'file:///app/node_modules/views/index.js', 3, 1);
const NATIVE = frame('zlib_deflate');
const GC = frame('(garbage collector)');

// 1000 ms: idle 200, parseOrder 400 (GC below it 100), render 200, native 100, GC 100.
const known = () => incident(path.join(temporary({ after }), 'i'), {
  'incident.json': manifest(),
  [CPU]: profile([[200], [300, HANDLER, GUILTY], [100, HANDLER, GUILTY, GC], [200, HANDLER, OTHER], [100, HANDLER, NATIVE], [100, GC]], 2_000_000),
  [BEFORE]: profile([[900], [50, HANDLER, GUILTY], [50, HANDLER, OTHER]], 1_000_000),
});

const series = (page, id) => page.evaluate(`[...document.querySelectorAll('#${id} .u-series .u-label')].map((e) => e.textContent).slice(1)`);
// How many pixels of the chart have that colour of the page.
const pixels = (page, id, color) => page.evaluate(`(() => {
  const canvas = document.querySelector('#${id} canvas');
  const [r, g, b] = getComputedStyle(document.documentElement).getPropertyValue('--${color}').match(/[0-9a-f]{2}/g).map((s) => parseInt(s, 16));
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let n = 0;
  for (let i = 0; i < data.length; i += 4) n += data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255;
  return n;
})()`);

// The lag by the second, its limit, and what else was going on.
async function checkTimeline(page, { timeline, rule }) {
  const lag = await series(page, 'lag-chart');
  assert.ok(lag.includes('lag p99') && lag.includes('longest block'), `${lag}`);
  assert.equal(lag.includes('pool wait p99'), timeline.poolWaitMs.some((ms) => ms !== null));
  assert.deepEqual(await series(page, 'busy-chart'), ['loop busy', 'garbage collection']);
  assert.ok(!(await page.text('#timeline')).includes('no lag by the second'));
  const label = await page.evaluate(`document.getElementById('lag-chart').getAttribute('aria-label')`);
  assert.equal(label.includes('limit 50 ms'), rule.name === 'lag-p99', label);
  // Full colour from half of a second on.
  const marked = timeline.gcMs.some((ms, i) => ms > 0.5 * timeline.spanMs[i]);
  if (marked) assert.ok(await pixels(page, 'lag-chart', 'gc') > 4, JSON.stringify(timeline));
  return { marked, pool: lag.includes('pool wait p99') };
}

describe('a real incident', { concurrency: 1 }, () => {
  for (const [reason, env, flags, expected] of [
    ['js', {}, [], /guiltyCode causes\.mjs:\d+ and what it called had \d+ % of the busy time/],
    ['gc', {}, ['--expose-gc', '--single-threaded-gc'], /guiltyAllocate causes\.mjs:\d+ allocated \d+ % of what was sampled/],
    ['threadpool', { UV_THREADPOOL_SIZE: '1', VIGIL_POOL_WAIT_P99_MS: '100' }, [], /the thread pool had no thread free/],
  ]) {
    test(`of ${reason}`, async (t) => {
      if (skipped(t)) return;
      const VIGIL_DIR = path.join(temporary(t), 'vigil');
      const [bin, ...args] = [...first, node, ...flags, app('causes.mjs'), reason];
      const it = new App(t, args, { bin, env: { ...FAST, VIGIL_COOLDOWN: '1h', VIGIL_GRACE: '2s', VIGIL_STALL_MS: '100', VIGIL_DIR, ...env } });
      await it.line(/^ready/m);
      const dir = await waitForIncident(it, VIGIL_DIR);
      it.kill('SIGKILL');
      const { cause, files, timeline, rule } = JSON.parse(readFileSync(path.join(dir, 'incident.json'), 'utf8'));
      const opened = await open(t, dir);
      const { page } = opened;
      await checkQuiet(opened);
      const { marked, pool } = await checkTimeline(page, { timeline, rule });
      assert.ok(reason !== 'threadpool' || pool);
      assert.ok(reason !== 'gc' || cause.class !== 'gc' || marked, JSON.stringify(timeline));
      assert.equal(await page.evaluate(`document.querySelector('.verdict').dataset.class`), cause.class);
      // Others on this machine can be the cause.
      if (cause.class === reason) assert.match((await page.text('#verdict')).replace(/\s+/g, ' '), expected);
      const sections = await shown(page);
      const has = (name) => files.some((file) => file.name.startsWith(name));
      assert.equal(sections.includes('flame'), has('cpu-') || has('before-'), `${sections}`);
      for (const [id, name] of [['heap', 'heap-'], ['stalls', 'stalls'], ['alloc', 'alloc-']]) {
        assert.equal(sections.includes(id), has(name), `${sections}`);
      }
      assert.deepEqual((await page.evaluate(`[...document.querySelectorAll('#files a')].map((a) => a.textContent)`)).sort(),
                       [...files.map(({ name }) => name), 'incident.json'].sort());
      // A phone shows all of it without moving sideways.
      await page.send('Emulation.setDeviceMetricsOverride', { width: 360, height: 740, deviceScaleFactor: 2, mobile: true });
      await page.painted();
      assert.ok(await page.evaluate('document.documentElement.scrollWidth') <= 360);
      await checkQuiet(opened);
    });
  }
});

describe('the flame graph', { concurrency: 1 }, () => {
  test('draws what is known, and zooms by click and by keyboard', async (t) => {
    if (skipped(t)) return;
    const opened = await open(t, known());
    const { page } = opened;
    await page.until(`document.querySelector('#flame canvas').dataset.drawn > 0`);
    const whole = await canvas(page);
    // all, handler, parseOrder, its GC, render, GC; native code is in handler.
    assert.deepEqual([whole.view, whole.nodes, whole.drawn, whole.depth], ['during', '6', '6', '0']);
    assert.match(await page.text('#detail'), /busy, 800 ms of 1\.00 s/);

    // Of 800: handler 700, in it parseOrder 400.
    await page.click(...await at(page, 0.25, 2));
    await page.until(`document.querySelector('#flame canvas').dataset.zoom === 'parseOrder'`);
    await page.painted();
    assert.equal((await canvas(page)).drawn, '4');  // Itself, what is above and below.
    assert.match(await page.text('#detail'), /parseOrder orders\.js:30\s+400 ms total \(50 % of busy\) · 300 ms self \(38 %\)/);
    assert.equal(await page.evaluate(`document.getElementById('reset').disabled`), false);

    await page.press('ArrowDown');
    assert.match(await page.text('#detail'), /\(garbage collector\)[^]*JavaScript stood still/);
    await page.press('Escape');
    assert.equal((await canvas(page)).zoom, 'handler');
    await page.press('ArrowDown');
    await page.press('ArrowRight');
    assert.match(await page.text('#detail'), /render index\.js:4\s+200 ms total/);
    await page.press('Enter');
    assert.deepEqual([(await canvas(page)).zoom, (await canvas(page)).depth], ['render', '2']);
    await page.press('Home');
    assert.equal((await canvas(page)).depth, '0');
    await checkQuiet(opened);
  });

  test('search says what share matches, in graph and table', async (t) => {
    if (skipped(t)) return;
    const { page } = await open(t, known());
    await page.evaluate('document.body.focus()');
    await page.press('/');
    await page.until(`document.activeElement.id === 'search'`);
    const found = async (text) => {
      await page.evaluate(`document.getElementById('search').select()`);
      await page.type(text);
      return [await page.evaluate(`document.getElementById('found').dataset.share`), await page.text('#found'), (await rows(page)).length];
    };
    assert.deepEqual(await found('parseOrder'), ['0.5000', '50 % matched', 1]);
    assert.deepEqual(await found('/parse|render/'), ['0.7500', '75 % matched', 2]);
    assert.deepEqual(await found('node_modules'), ['0.2500', '25 % matched', 1]);
    assert.deepEqual(await found('(unclosed'), ['0.0000', 'no match', 0]);
    await page.press('Escape');
    assert.deepEqual([await page.evaluate(`document.getElementById('found').dataset.share`), (await rows(page)).length], ['', 4]);
  });

  test('views: before, the difference, native frames', async (t) => {
    if (skipped(t)) return;
    const { page } = await open(t, known());
    const cell = async (name, column) => (await rows(page)).find((row) => row[0].startsWith(name))[column];
    assert.equal(await cell('handler', 1), '100 ms 13 %');  // With the native code.
    await press(page, '#native');
    assert.equal(await cell('zlib_deflate', 1), '100 ms 13 %');
    assert.equal(await cell('handler', 2), '700 ms 88 %');
    assert.equal(await cell('handler', 1), '0 ms 0 %');
    await press(page, '[data-value=before]');
    assert.deepEqual([(await canvas(page)).view, await cell('parseOrder', 2)], ['before', '50 ms 50 %']);
    await press(page, '[data-value=difference]');
    assert.deepEqual([(await canvas(page)).view, await cell('parseOrder', 3), await cell('render', 3)], ['difference', '+35 %', '+15 %']);
    assert.match(await page.text('#detail'), /10 % of the time before → 80 % during/);
  });

  test('of 50,000 nodes draws what can be seen', async (t) => {
    if (skipped(t)) return;
    const dir = incident(path.join(temporary(t), 'i'), { 'incident.json': manifest(), [CPU]: largeProfile(50_000) });
    const opened = await open(t, dir);
    const { page } = opened;
    await page.until(`document.querySelector('#flame canvas').dataset.drawn > 0`);
    const { nodes, drawn } = await canvas(page);
    assert.equal(nodes, '50000');
    assert.ok(drawn > 500 && drawn < 20_000, drawn);
    const ms = await page.evaluate(`(async () => {
      const c = document.querySelector('#flame canvas');
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      const begin = performance.now();
      for (let i = 0; i < 20; i++) {
        c.dispatchEvent(new PointerEvent('pointermove', { clientX: c.getBoundingClientRect().left + 10 + i * 20, clientY: c.getBoundingClientRect().top + 50, bubbles: true }));
        await frame();
      }
      return (performance.now() - begin) / 20;
    })()`);
    t.diagnostic(`${ms.toFixed(1)} ms a frame, ${drawn} of ${nodes} drawn`);
    assert.ok(ms < 500, `${ms} ms a frame`);
    await page.evaluate(`document.getElementById('search').focus()`);
    await page.type('fn77\\b');
    assert.ok(await page.evaluate(`Number(document.getElementById('found').dataset.share)`) > 0);
    await checkQuiet(opened);
  });
});

describe('the page', { concurrency: 1 }, () => {
  test('sorts tables, by keyboard too', async (t) => {
    if (skipped(t)) return;
    const { page } = await open(t, known());
    const sorted = () => page.evaluate(`[...document.querySelectorAll('#functions th')].map((th) => th.getAttribute('aria-sort'))`);
    assert.deepEqual(await sorted(), [null, 'descending', null, null]);
    assert.match((await rows(page))[0][0], /^parseOrder/);
    await page.evaluate(`document.querySelectorAll('#functions th button')[2].focus()`);
    await page.press('Enter');
    assert.deepEqual(await sorted(), [null, null, 'descending', null]);
    assert.match((await rows(page))[0][0], /^handler/);
    await page.evaluate(`document.querySelectorAll('#functions th button')[2].click()`);
    assert.equal((await sorted())[2], 'ascending');
    // A row leads to the graph.
    await press(page, '#functions tbody button');
    assert.equal(await page.evaluate('document.activeElement.tagName'), 'CANVAS');
    assert.ok(await page.evaluate(`document.getElementById('found').dataset.share`) > 0);
  });

  test('follows the system in dark and light, until told otherwise', async (t) => {
    if (skipped(t)) return;
    const dir = known();
    const ground = (page) => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const light = await open(t, dir);
    const dark = await open(t, dir, { scheme: 'dark' });
    const [day, night] = [await ground(light.page), await ground(dark.page)];
    assert.notEqual(day, night);
    await press(dark.page, '#theme');
    assert.equal(await ground(dark.page), day);
    assert.equal(await dark.page.text('#theme'), 'Dark');
    await press(light.page, '#theme');
    assert.equal(await ground(light.page), night);
    await checkQuiet(light);
    await checkQuiet(dark);
  });

  test('has a time line with the limit and garbage collection', async (t) => {
    if (skipped(t)) return;
    const atMs = Array.from({ length: 70 }, (_, i) => (i - 60) * 1000);
    const timeline = { atMs, spanMs: atMs.map(() => 1000), p99Ms: atMs.map((ms) => (ms >= -23_000 ? 200 : null)), maxMs: atMs.map(() => 300),
                       busyMs: atMs.map(() => 500), gcMs: atMs.map(() => 100), poolWaitMs: atMs.map(() => null) };
    const dir = incident(path.join(temporary(t), 'i'), { 'incident.json': manifest({ timeline }), [CPU]: profile([[500], [500, GUILTY]]) });
    const opened = await open(t, dir);
    const { page } = opened;
    assert.deepEqual(await series(page, 'lag-chart'), ['wait of an arrival, at most (by samples)', 'lag p99', 'longest block']);
    assert.deepEqual(await series(page, 'busy-chart'), ['loop busy', 'garbage collection']);
    assert.match(await page.evaluate(`document.getElementById('lag-chart').getAttribute('aria-label')`), /^Lag in ms from −60\.0 s, .* limit 50 ms; at the trigger p99 257 ms\.$/);
    assert.match(await page.text('#verdict'), /It began 23 s before the trigger\./);
    await checkQuiet(opened);
  });

  test('says what is missing, with nothing but the directory', async (t) => {
    if (skipped(t)) return;
    const dir = incident(path.join(temporary(t), 'i'), { [CPU]: '{"nodes":[', 'stalls.json': '' });
    const opened = await open(t, dir);
    assert.deepEqual(await opened.page.evaluate(`[...document.querySelectorAll('#missing li')].map((li) => li.dataset.piece)`), ['manifest', 'cpu', 'stalls']);
    assert.match(await opened.page.text('#missing'), /CPU profile – .*: the file is cut off/);
    assert.deepEqual(await shown(opened.page), ['verdict', 'files']);
    assert.equal(await opened.page.text('h1'), 'What triggered this is not known: there is no readable incident.json.');
    await checkQuiet(opened);
  });

  test('shows hostile names as text', async (t) => {
    if (skipped(t)) return;
    const names = ['</script><script>document.title="owned"</script>', '<img src=x onerror="document.title=\'owned\'">', '"\'`&lt;', '\u202egnirts\u2066',
                   '\u2028\u2029', '\ud800', '__proto__', 'constructor', '${1}', 'x'.repeat(100_000), '(idle', '$&$`'];
    const frames = names.map((name, i) => frame(name, `file:///app/${names[(i + 1) % names.length].slice(0, 200)}.js`, i));
    const [img] = names.slice(1);
    const stack = frames.map((f) => ({ function: f.functionName, url: f.url, line: 1, module: img }));
    const dir = incident(path.join(temporary(t), 'i'), {
      'incident.json': manifest({
        headline: img, thread: { id: 0, name: img }, process: { pid: 1, host: img, vigil: img },
        cause: { class: 'js', text: names[0], missing: [img], possible: [img], figures: { [img]: 1, syscall: img } },
        gc: { sinceStart: { [img]: { [img]: 1 } } }, noHeapSnapshot: img, files: [{ name: 'javascript:alert(1)', bytes: 1, sha256: img }, { name: img }],
      }),
      [CPU]: profile(frames.map((f, i) => [100 - i, f])),
      [`alloc-${EPOCH}.heapprofile`]: { head: { callFrame: frame('(root)'), selfSize: 0, id: 1, children: frames.map((callFrame, i) => ({ callFrame, selfSize: 10 + i, id: i + 2, children: [] })) }, samples: [] },
      'stalls.json': { schema: 1, stallsSinceStart: 1, stalls: [{ began: new Date(EPOCH * 1000).toISOString(), lastedMs: 700, ended: true, ownWork: false,
                       cause: { class: img, text: img }, looks: [{ afterMs: 1, state: img, gc: false, syscall: img, wchan: img, stack }, { noStack: img }] }] },
    });
    const opened = await open(t, dir);
    const { page } = opened;
    assert.doesNotMatch(await page.evaluate('document.title'), /owned/);
    assert.equal(await page.evaluate(`document.querySelectorAll('img, iframe, object').length`), 0);
    assert.equal(await page.evaluate(`document.scripts.length`), 2);
    assert.equal(await page.evaluate(`[...document.querySelectorAll('a')].filter((a) => /^javascript:/i.test(a.href)).length`), 0);
    const text = await page.evaluate('document.body.textContent');
    for (const name of names.slice(0, 4)) assert.ok(text.includes(name), name);
    // Names that turn the direction stay in their own element.
    assert.ok(await page.evaluate(`[...document.querySelectorAll('bdi')].some((e) => e.textContent.includes('\\u202e'))`));
    assert.ok(await page.evaluate('document.documentElement.scrollWidth') <= 1280);
    for (const name of names) {
      await page.evaluate(`(() => { const s = document.getElementById('search'); s.value = ${JSON.stringify(name.slice(0, 100))}; s.dispatchEvent(new Event('input')); })()`);
    }
    await page.click(...await at(page, 0.1, 1));
    await page.painted();
    await checkQuiet(opened);
  });

  test('may ask nobody for anything', async (t) => {
    if (skipped(t)) return;
    const { page } = await open(t, known());
    const refused = await page.evaluate(`(async () => {
      const seen = [];
      addEventListener('securitypolicyviolation', (e) => seen.push(e.effectiveDirective));
      await fetch('http://127.0.0.1:9/').catch(() => {});
      const image = new Image();
      await new Promise((done) => { image.onerror = done; image.src = 'http://127.0.0.1:9/x.png'; });
      const script = document.createElement('script');
      script.textContent = 'document.title = "owned"';
      document.body.append(script);
      // They are told later.
      while (seen.length < 3) await new Promise((done) => setTimeout(done, 10));
      return seen;
    })()`);
    assert.deepEqual(refused, ['connect-src', 'img-src', 'script-src-elem']);
    assert.doesNotMatch(await page.evaluate('document.title'), /owned/);
  });
});
