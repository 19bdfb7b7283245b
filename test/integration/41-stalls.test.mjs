// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// While a loop is blocked, the watch thread sees in what: the JavaScript that is
// responsible, what runs or waits below it, and for how long. The program
// measures each stall itself, and the kernel what it cost.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { App, MINUTE, app, node, temporary } from './helpers.mjs';
import { addons, noAddons, within } from './31-native.mjs';
import { first } from './41-first.mjs';
import { incidents, onStack } from './incident.mjs';

const LIMIT_MS = 200;
const program = app('stalls.mjs');
const source = readFileSync(program, 'utf8').split('\n');

// No rule fires: the program asks.
const QUIET = {
  VIGIL: 'on', VIGIL_GRACE: '0s', VIGIL_COOLDOWN: '0s', VIGIL_CAPTURE: 'none', VIGIL_STALL_MS: `${LIMIT_MS}`,
  VIGIL_STALL_TRIGGER: 'off', VIGIL_LAG_P99_MS: '60000', VIGIL_GC_SHARE: 'off', VIGIL_OLD_SPACE_SHARE: 'off',
};

// For each way to block, what must be seen of it: the cause; whether the thread
// ran; what is on top of the guilty function; the system call.
const EXPECTED = {
  loop: { cause: ['js'], runs: true },
  regex: { cause: ['js'], runs: true, top: (f) => f.function === '^(a+)+$' },
  // The engine at work for JavaScript.
  parse: { cause: ['js'], runs: true, top: (f) => f.function.includes('JsonParser') },
  spin: { cause: ['native'], runs: true, top: (f) => f.function === 'spin' && f.module.endsWith('blocks.node') },
  collect: { cause: ['gc'], top: (f) => f.function.includes('MarkCompact'), gc: true },
  // What of it is collecting is up to V8.
  allocate: { cause: ['js', 'gc', 'native'] },
  command: { cause: ['syscall'], syscall: 'epoll_pwait', top: (f) => f.function.includes('SyncProcessRunner') },
  sleep: { cause: ['syscall'], syscall: 'clock_nanosleep', top: (f) => f.function === 'nanosleep_once' },
  poll: { cause: ['syscall'], syscall: 'poll', top: (f) => f.function === 'poll_once' },
  semaphore: { cause: ['syscall'], syscall: 'futex', top: (f) => f.function === 'wait_for_semaphore' },
  wait: { cause: ['syscall'], syscall: 'futex' },
  read: { cause: ['syscall'], syscall: 'read', top: (f) => f.function === 'readSync' },
};

let ADDONS;

before(() => { if (!noAddons) ADDONS = addons('blocks.c', 'interrupted.c'); });

// Runs the program; what it says of each way, and its folder of incidents.
async function blocked(t, ways, env) {
  const dir = temporary(t);
  const FIFO = path.join(dir, 'fifo');
  const VIGIL_DIR = path.join(dir, 'vigil');
  execFileSync('mkfifo', [FIFO]);
  const [bin, ...args] = [...first, node, '--expose-gc', program, ...ways];
  const it = new App(t, args, { bin, env: { ADDONS, FIFO, ...QUIET, VIGIL_DIR, ...env } });
  const { code, stdout } = await it.exit(4 * MINUTE);
  assert.equal(code, 0, it.said());
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ way }) => way), ways);
  return { lines, dir: VIGIL_DIR, it };
}

const hasGuilty = ({ stack }, name) => stack.some((f) => f.function === name);

// Every frame, and those above the guilty function.
function checkStack(look, name, expected) {
  const at = look.stack.findIndex((f) => f.function === name);
  const { url, line, column } = look.stack[at];
  assert.equal(url, pathToFileURL(program).href);
  assert.match(source[line - 1], new RegExp(`^function ${name}\\b`));
  assert.ok(column >= 1);
  for (const f of look.stack) {
    assert.ok(f.function.length > 0, JSON.stringify(f));
    assert.ok(!('module' in f && 'url' in f), JSON.stringify(f));
  }
  return expected.top === undefined || look.stack.slice(0, at).some(expected.top);
}

// The looks: the first at the limit, then at its double, and so on.
function checkLooks({ looks, lastedMs }) {
  for (const [i, { afterMs }] of looks.entries()) {
    const due = LIMIT_MS * 2 ** i;
    within(afterMs, due, due + 700, `look ${i}`);
    assert.ok(afterMs <= lastedMs, `look ${i} at ${afterMs}, lasted ${lastedMs}`);
  }
  // But for one that may have come too late.
  assert.ok(LIMIT_MS * 2 ** looks.length > lastedMs - 700, `${looks.length} looks in ${lastedMs} ms`);
}

function checkFigures({ cause: { figures } }, { cpu, delay, took }, { runs, syscall }) {
  within(figures.spanMs, LIMIT_MS, took + 100, 'span');
  assert.equal(figures.busyMs, figures.spanMs);
  // Up to the last look, and from the one before the stall.
  within(figures.cpuMs, 0, cpu + 150, 'CPU time');
  within(figures.runDelayMs, 0, delay + 150, 'run delay');
  if (runs) assert.ok(figures.cpuMs + figures.runDelayMs > 0.8 * figures.spanMs, JSON.stringify(figures));
  if (syscall) {
    assert.ok(figures.cpuMs < 0.5 * figures.spanMs, JSON.stringify(figures));
    assert.equal(figures.syscall, syscall);
    within(figures.syscallMs, 0.3 * figures.spanMs, figures.spanMs + 1, 'blocked');
  }
}

function check(it) {
  const expected = EXPECTED[it.way];
  const stall = it.stalls.filter((s) => s.looks.some((look) => hasGuilty(look, it.name))).at(-1);
  assert.ok(stall, `no stall with ${it.name}: ${JSON.stringify(it.stalls)}`);
  within(Date.parse(stall.began) - it.wall, -1000, 5, 'begin');
  within(stall.lastedMs, it.took, it.took + 1000, 'length');
  assert.deepEqual([stall.ended, stall.ownWork], [true, false]);
  checkLooks(stall);
  const seen = stall.looks.filter((look) => hasGuilty(look, it.name));
  // A collection that waits for its helpers is blocked in the kernel, and has no
  // stack then: see src/stack.c.
  const able = stall.looks.filter((look) => !look.gc || seen.includes(look));
  assert.ok(seen.length * 2 > able.length, JSON.stringify(stall.looks));
  const tops = seen.filter((look) => checkStack(look, it.name, expected));
  assert.ok(tops.length > 0, JSON.stringify(seen));
  if (expected.syscall) {
    for (const { state, syscall, gc } of seen) {
      assert.deepEqual({ state, syscall, gc }, { state: 'S', syscall: expected.syscall, gc: false });
    }
    assert.match(stall.cause.text, new RegExp(`blocked in ${expected.syscall}\\(\\)`));
  }
  if (expected.runs) assert.ok(stall.looks.some(({ state }) => state === 'R'), JSON.stringify(stall.looks));
  if (expected.gc) assert.ok(stall.looks.every(({ gc }) => gc), JSON.stringify(stall.looks));
  checkFigures(stall, it, expected);
  // It was tried again, but if others have the CPUs all the time, that is why.
  const causes = it.delay < it.took / 4 ? expected.cause : [...expected.cause, 'starved'];
  assert.ok(causes.includes(stall.cause.class), JSON.stringify(stall.cause));
  // The loop polled after that, and a poll is no stall.
  for (const { began, lastedMs } of it.stalls) {
    const middle = it.idle + 500 - Date.parse(began);
    assert.ok(middle < 0 || middle > lastedMs, `a stall from ${began} for ${lastedMs} ms, idle since ${it.idle}`);
  }
}

describe('a stall', { skip: noAddons, concurrency: 3 }, () => {
  for (const ways of [['loop', 'regex', 'parse', 'spin', 'collect', 'allocate'],
                      ['command', 'sleep', 'poll', 'semaphore', 'wait', 'read']]) {
    test(ways.join(', '), async (t) => {
      const { lines } = await blocked(t, ways);
      for (const it of lines) await t.test(it.way, () => check(it));
      // All the time it was looked at, and not one call was cut short.
      const calls = lines.filter(({ way }) => ['sleep', 'poll', 'semaphore'].includes(way));
      assert.ok(calls.every(({ result }) => result === 0), JSON.stringify(calls.map(({ result }) => result)));
    });
  }

  test('the newest 32 are kept', async (t) => {
    const { lines: [it] } = await blocked(t, ['many'], { VIGIL_STALL_MS: '20' });
    assert.equal(it.stalls.length, 32);
    assert.ok(it.stallsSinceStart > 32, `${it.stallsSinceStart}`);
    const begins = it.stalls.map(({ began }) => Date.parse(began));
    assert.deepEqual(begins, begins.toSorted((a, b) => a - b));
    const last = it.stalls.filter((s) => s.looks.some((look) => hasGuilty(look, 'guiltyShort'))).at(-1);
    within(Date.parse(last.began) - it.wall, -1000, 5, 'begin of the last one');
  });

  for (const off of ['0', 'off']) {
    test(`none with VIGIL_STALL_MS=${off}`, async (t) => {
      const { lines, dir, it } = await blocked(t, ['loop', 'loop'],
                                               { VIGIL_STALL_MS: off, COLD: '1', VIGIL_CAPTURE: 'before' });
      assert.ok(lines.every(({ stalls }) => stalls === undefined), it.said());
      assert.ok(it.vigil.every((line) => line.startsWith('captured on request')), it.said());
      // It did look.
      const last = incidents(dir).at(-1);
      const { files, noStalls } = JSON.parse(readFileSync(path.join(last, 'incident.json'), 'utf8'));
      assert.equal(existsSync(path.join(last, 'stalls.json')), false);
      assert.ok(noStalls === null || noStalls.length > 0);
      const { name } = files.find((f) => f.name.startsWith('before-'));
      assert.ok(onStack(JSON.parse(readFileSync(path.join(last, name), 'utf8')), 'guiltyLoop').found > 0);
    });
  }

  test('over VIGIL_STALL_TRIGGER is an incident', async (t) => {
    const { lines: [line], dir, it } = await blocked(t, ['wait'], { VIGIL_STALL_TRIGGER: '700ms', VIGIL_PER_HOUR: '60' });
    const all = incidents(dir).map((folder) => ({
      folder, ...JSON.parse(readFileSync(path.join(folder, 'incident.json'), 'utf8')),
    }));
    const { folder, rule, headline, triggered, thread } = all.find(({ rule }) => rule.name === 'stall') ?? assert.fail(it.said());
    assert.deepEqual([rule.onDemand, rule.unit, rule.limit, thread.id], [false, 'ms', 700, 0]);
    within(rule.value, 700, line.took + 1000, 'value');
    assert.match(headline, /^the event loop was blocked for \d+ ms \(limit 700 ms, main thread\)$/);
    assert.ok(Date.parse(triggered) >= line.wall + 700);
    const { stalls } = JSON.parse(readFileSync(path.join(folder, 'stalls.json'), 'utf8'));
    assert.ok(stalls.at(-1).looks.some((look) => hasGuilty(look, 'guiltyWait')), JSON.stringify(stalls));
    assert.equal(it.vigil.filter((s) => s.startsWith(headline)).length, 1);
  });
});
