// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// VIGIL_LOG: what is said, where and how. How lines are made, kept short and
// counted is tested in test/unit; docs/log.md describes it.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, app, run, temporary, until } from './helpers.mjs';
import { checkIncident, incidents, waitForIncident } from './incident.mjs';

const QUICK = { ...FAST, VIGIL_CAPTURE: 'none', VIGIL_COOLDOWN: '1h' };

function start(t, env = {}) {
  const dir = path.join(temporary(t), 'vigil');
  const it = new App(t, [app('serve.mjs'), 'tcp'], { env: { ...QUICK, VIGIL_DIR: dir, ...env } });
  it.dir = env.VIGIL_DIR ?? dir;
  return it;
}

const lines = (text) => text.split('\n').slice(0, -1);
const jsonLines = (text) => lines(text).map((line) => JSON.parse(line));
const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');
// The lines of a process once there are so many, all whole.
const said = (text, count, what) => until(() => {
  const all = text();
  return all.endsWith('\n') && lines(all).length >= count && all;
}, what);

// What every line as JSON has.
function checkLine(line, it, event, level) {
  const { time, logger, pid, message } = line;
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 300_000, time);
  assert.deepEqual({ logger, pid, event: line.event, level: line.level }, { logger: 'vigil', pid: it.pid, event, level });
  assert.ok(message.length > 10 && !message.startsWith('vigil'), message);
}

// And one of an incident, as incident.json has it.
function checkOne(line, { manifest, names, dir }) {
  for (const [key, value] of Object.entries({
    thread: manifest.thread.name, threadId: manifest.thread.id, rule: manifest.rule.name, onDemand: manifest.rule.onDemand,
    unit: manifest.rule.unit, value: manifest.rule.value, limit: manifest.rule.limit, windowMs: manifest.lag.windowMs,
    p99Ms: manifest.lag.p99Ms, maxMs: manifest.lag.maxMs, busyMs: manifest.lag.busyMs, cause: manifest.cause.class,
    incident: dir, suppressedBefore: manifest.suppressedBefore,
  })) assert.deepEqual(line[key], value, key);
  assert.deepEqual(line.files.sort(), names.sort());
  assert.ok(line.message.startsWith(`${manifest.headline}, cause: ${manifest.cause.class} (`), line.message);
}

const TEXT = /^vigil: event loop lag p99 is \d+ ms over the last \d+\.\d s \(limit 50 ms, main thread\), cause: [a-z]+ \(.+\)/;

describe('VIGIL_LOG', { concurrency: 3 }, () => {
  test('text, as ever; then one line of what is refused', async (t) => {
    const it = start(t);
    const dir = await waitForIncident(it, it.dir);
    assert.match(it.stderr, new RegExp(`${TEXT.source}; wrote ${dir}/incident\\.json[,;][^\n]*\n$`));
    it.kill('SIGKILL');
    await it.exit();
    const again = start(t, { VIGIL_DIR: it.dir });
    await again.line(/\n/, 'stderr');
    assert.match(again.stderr, new RegExp(`${TEXT.source}; not captured: it is too soon after the last incident \\(VIGIL_COOLDOWN\\)\n$`));
    assert.equal(incidents(it.dir).length, 1);
  });

  test('json', async (t) => {
    const it = start(t, { VIGIL_LOG: 'json', VIGIL_METRICS: '0' });
    const [note, one, ...more] = jsonLines(await said(() => it.stderr, 2, () => it.said()));
    assert.deepEqual(more, []);
    checkLine(note, it, 'note', 'info');
    assert.match(note.message, /^metrics are at http/);
    checkLine(one, it, 'incident', 'warn');
    checkOne(one, checkIncident(incidents(it.dir)[0]));
    it.kill('SIGKILL');
    await it.exit();

    const again = start(t, { VIGIL_LOG: 'json', VIGIL_DIR: it.dir });
    const [refused] = jsonLines(await said(() => again.stderr, 1, () => again.said()));
    checkLine(refused, again, 'refused', 'warn');
    assert.deepEqual([refused.reason, refused.rule, refused.limit], ['cooldown', 'lag-p99', 50]);
    assert.ok(refused.value > 50 && refused.p99Ms === refused.value && refused.thread === 'main thread', JSON.stringify(refused));
  });

  test('json of one that fails', async (t) => {
    const file = path.join(temporary(t), 'log');
    const it = start(t, { VIGIL_LOG: `json:${file}`, VIGIL_DIR: '/dev/null/vigil' });
    const [failed] = jsonLines(await said(() => read(file), 1, () => it.said()));
    checkLine(failed, it, 'failed', 'error');
    assert.match(failed.message, /, but nothing can be captured in \/dev\/null\/vigil: /);
    assert.match(failed.reason, /Not a directory/);
    assert.equal(it.stderr, '');
  });

  test('a file: of several processes, rotated, private', async (t) => {
    const folder = temporary(t);
    const file = path.join(folder, 'vigil.log');
    const run = async () => {
      const both = [start(t, { VIGIL_LOG: file }), start(t, { VIGIL_LOG: file })];
      const text = await said(() => read(file), 2, () => both.map((it) => it.said()).join());
      for (const it of both) {
        it.kill('SIGKILL');
        await it.exit();
        const own = lines(text).filter((line) => line.includes(` ${it.pid} vigil: `));
        assert.equal(own.length, 1, text);
        const [, time, line] = /^(\S+) \d+ (vigil: .*)$/.exec(own[0]);
        assert.ok(Math.abs(Date.parse(time) - Date.now()) < 300_000, time);
        assert.match(line, TEXT);
        assert.equal(it.stderr, '');
      }
    };
    await run();
    assert.equal((statSync(file).mode & 0o7777).toString(8), '600');
    renameSync(file, `${file}.1`);
    const old = read(`${file}.1`);
    await run();
    assert.equal(read(`${file}.1`), old);
  });

  test('a file that cannot be written is said at once, and lines go to stderr', async (t) => {
    const folder = path.join(temporary(t), 'not-there');
    const it = start(t, { VIGIL_LOG: `json:${folder}/vigil.json`, VIGIL_GRACE: '2s' });
    await it.line(/\n/, 'stderr');
    assert.equal(it.stderr, `vigil: ${folder}/vigil.json cannot be written (No such file or directory): lines go to stderr\n`);
    const [, line] = lines(await said(() => it.stderr, 2, () => it.said()));
    assert.match(line, TEXT);
    it.kill('SIGKILL');
    await it.exit();
    mkdirSync(folder);
    const well = start(t, { VIGIL_LOG: `json:${folder}/vigil.json` });
    const [one] = jsonLines(await said(() => read(`${folder}/vigil.json`), 1, () => well.said()));
    checkLine(one, well, 'incident', 'warn');
    assert.equal(well.stderr, '');
  });

  test('off says nothing but what is not understood', async (t) => {
    const it = start(t, { VIGIL_LOG: 'off', VIGIL_METRICS: '0' });
    const wrong = start(t, { VIGIL_LOG: 'off', VIGIL_FOR: 'ever', VIGIL_DIR: '/dev/null/vigil' });
    await until(() => incidents(it.dir).length > 0, () => `incident; it said ${it.said()}`);
    it.kill('SIGTERM');
    await it.exit();
    assert.equal(it.stderr, '');
    await wrong.line(/^ready/m);
    assert.match(wrong.stderr, /^vigil: VIGIL_FOR="ever" is not understood: .*\n$/);
  });

  test('tells of wrong values, too, in its form', async (t) => {
    const file = path.join(temporary(t), 'log');
    const hello = ['-e', '0'];
    const { stderr } = await run(t, hello, { env: { VIGIL_LOG: 'json', VIGIL_WINDOW: 'x', VIGIL: 'y' } });
    assert.deepEqual(jsonLines(stderr).map(({ event, level, message }) => [event, level, /^\w+/.exec(message)[0]]),
                     [['config', 'warn', 'VIGIL'], ['config', 'warn', 'VIGIL_WINDOW']]);
    assert.equal((await run(t, hello, { env: { VIGIL_LOG: file, VIGIL_WINDOW: 'x' } })).stderr, '');
    assert.match(read(file), /^\S+ \d+ vigil: VIGIL_WINDOW="x" is not understood: .*\n$/);
    assert.match((await run(t, hello, { env: { VIGIL_LOG: 'relative' } })).stderr,
                 /^vigil: VIGIL_LOG="relative" is not understood: want text or json .*, or off; using text\n$/);
  });

  test('docs/log.md has the members, and no other', async (t) => {
    const docs = readFileSync(new URL('../../docs/log.md', import.meta.url), 'utf8');
    const documented = [...docs.matchAll(/^\| (`\w+`(?:, `\w+`)*) \|/gm)].flatMap(([, names]) => names.match(/\w+/g));
    const it = start(t, { VIGIL_LOG: 'json' });
    const [one] = jsonLines(await said(() => it.stderr, 1, () => it.said()));
    const rare = ['reason', 'linesLeftOut'];
    assert.deepEqual(documented.filter((name) => !rare.includes(name)).sort(), Object.keys(one).sort());
    for (const name of rare) assert.ok(documented.includes(name), name);
  });
});
