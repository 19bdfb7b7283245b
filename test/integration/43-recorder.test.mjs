// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The profile of the time before an incident: of what, of when, how big, and
// beside all others that profile.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, MINUTE, app, node, temporary, until } from './helpers.mjs';
import { within } from './31-native.mjs';
import { first } from './41-first.mjs';
import { checkGuilty, checkProfile, incidents, onStack } from './incident.mjs';
import { checkLoads } from './loaders.mjs';

// No rule fires: the program asks.
const QUIET = {
  VIGIL: 'on', VIGIL_GRACE: '0s', VIGIL_COOLDOWN: '0s', VIGIL_PER_HOUR: '60', VIGIL_STALL_MS: '200',
  VIGIL_STALL_TRIGGER: 'off', VIGIL_LAG_P99_MS: '60000', VIGIL_GC_SHARE: 'off', VIGIL_OLD_SPACE_SHARE: 'off',
};

const json = (...names) => JSON.parse(readFileSync(path.join(...names), 'utf8'));

// Wall-clock ms of what profiles count, which is us since the boot.
const boot = Date.now() - Number(process.hrtime.bigint()) / 1e6;
const wallOf = (us) => boot + us / 1000;

async function ran(t, args, env) {
  const VIGIL_DIR = path.join(temporary(t), 'vigil');
  const [bin, ...rest] = [...first, node, ...args];
  const it = new App(t, rest, { bin, env: { ...QUIET, VIGIL_DIR, ...env } });
  const { code, stdout } = await it.exit(4 * MINUTE);
  assert.equal(code, 0, it.said());
  return { it, VIGIL_DIR, said: stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line)) };
}

function beforeOf(folder) {
  const name = readdirSync(folder).find((file) => file.startsWith('before-'));
  return name && path.join(folder, name);
}

// The times, in wall-clock ms, that the profile gives to a function: from each
// of its samples to the next.
function timesOf(profile, name) {
  const parents = new Map(profile.nodes.flatMap((n) => (n.children ?? []).map((id) => [id, n.id])));
  const names = new Map(profile.nodes.map((n) => [n.id, n.callFrame.functionName]));
  const has = (id) => id !== undefined && (names.get(id) === name || has(parents.get(id)));
  const times = [];
  let at = profile.startTime;
  for (const [i, delta] of profile.timeDeltas.entries()) {
    at += delta;
    const end = at + (profile.timeDeltas[i + 1] ?? 0);
    if (has(profile.samples[i])) times.push([wallOf(at), wallOf(end)]);
  }
  return times;
}

const sum = (times) => times.reduce((all, [a, b]) => all + b - a, 0);

describe('the recorder', { concurrency: 3 }, () => {
  // Once more where the watch thread had no processor for as long as it took.
  test('has what was before the trigger', async function before(t, { last = false } = {}) {
    const { it, VIGIL_DIR, said: [{ tries }] } = await ran(t, [app('stalls.mjs'), 'loop'], {
      VIGIL_CAPTURE: 'cpu,before', VIGIL_CPU_PROFILE: '1s', VIGIL_STALL_TRIGGER: '700ms',
    });
    // The rule's, for a block in guiltyLoop and not in what came before.
    const found = incidents(VIGIL_DIR).map((folder) => ({ folder, ...json(folder, 'incident.json') }))
      .find(({ rule, triggered }) => rule.name === 'stall' && Date.parse(triggered) > tries[0].wall);
    assert.ok(found, it.said());
    const triggered = Date.parse(found.triggered);
    const { wall, took } = tries.findLast((block) => block.wall < triggered);
    const file = beforeOf(found.folder);
    const profile = json(file);
    checkProfile(profile);
    // The capture itself begins some ms after the trigger.
    within(wallOf(profile.endTime) - triggered, -1000, 500, 'end');
    within(triggered - wallOf(profile.startTime), 0, 60_500, 'begin');
    assert.equal(profile.timeDeltas.reduce((a, b) => a + b), profile.endTime - profile.startTime);
    const times = timesOf(profile, 'guiltyLoop').filter(([begin]) => begin > wall - 100);
    if (!last && !(times.length > 0 && times[0][0] < triggered)) return before(t, { last: true });
    assert.ok(times.length > 0 && times[0][0] < triggered, 'samples before the trigger');
    const end = Math.min(wall + took, wallOf(profile.endTime));
    assert.ok(times.at(-1)[1] < end + 300, `until ${times.at(-1)[1]}, it blocked until ${end}`);
    within(sum(times), end - wall - 250, end - wall + 250, 'time in it');
    const results = Object.values(await checkLoads(t, [file])).flat();
    assert.equal(results.length, 2);
  });

  test('tells busy from idle', async (t) => {
    const { VIGIL_DIR, said } = await ran(t, [app('stalls.mjs'), 'wait', 'wait', 'wait'], { VIGIL_CAPTURE: 'before' });
    const profile = json(beforeOf(incidents(VIGIL_DIR).at(-1)));
    checkProfile(profile);
    const waits = timesOf(profile, 'guiltyWait');
    within(sum(waits), said.reduce((all, { took }) => all + took, 0) - 500,
           said.reduce((all, { took }) => all + took, 0) + 500, 'time in it');
    for (const { idle } of said) {
      const polls = timesOf(profile, '(idle)').filter(([a, b]) => b > idle && a < idle + 800)
        .map(([a, b]) => [Math.max(a, idle), Math.min(b, idle + 800)]);
      within(sum(polls), 400, 801, 'idle');
    }
  });

  for (const [env, why] of [[{ VIGIL_RECORDER: 'off' }, 'VIGIL_RECORDER'], [{ VIGIL_CAPTURE: 'cpu' }, 'VIGIL_CAPTURE']]) {
    test(`nothing with ${Object.entries(env).flat().join('=')}, and that is said`, async (t) => {
      const VIGIL_DIR = path.join(temporary(t), 'vigil');
      const it = new App(t, [app('serve.mjs'), 'tcp'],
                         { env: { ...FAST, VIGIL_CAPTURE: 'cpu,before', VIGIL_DIR, ...env } });
      const [folder] = await until(() => it.vigil.length > 0 && incidents(VIGIL_DIR), () => `incident; it said ${it.said()}`);
      assert.equal(beforeOf(folder), undefined);
      const { noProfileBefore } = json(folder, 'incident.json');
      assert.match(noProfileBefore ?? '', new RegExp(why));
      assert.ok(it.vigil[0].includes(`; no profile of the time before: ${noProfileBefore}`), it.vigil[0]);
    });
  }

  test('keeps the newest within VIGIL_RECORDER_SIZE', async (t) => {
    // What 16 threads share is 64 KB for each.
    const bound = 64 * 1024;
    const run = async (threads, size) => {
      const { said: [{ bytes, profile }] } = await ran(t, [app('recorded.mjs'), 'deep', `${threads}`], { VIGIL_RECORDER_SIZE: size });
      checkProfile(profile);
      assert.ok(onStack(profile, 'newest').found > 0);
      return { bytes, held: profile.nodes.length * 8 + profile.samples.length * 24, oldest: onStack(profile, 'oldest').found };
    };
    const small = await run(15, '1MB');
    const large = await run(0, '16MB');
    assert.ok(small.held <= bound, JSON.stringify(small));
    assert.ok(small.held >= bound / 16, JSON.stringify(small));
    assert.equal(small.oldest, 0);
    // There was more than that to keep.
    assert.ok(large.held > bound && large.oldest > 0, JSON.stringify(large));
    assert.ok(small.bytes < large.bytes / 2, JSON.stringify({ small, large }));
  });

  test('a smaller VIGIL_RECORDER_SIZE than possible is said', async (t) => {
    const { it } = await ran(t, ['-e', ''], { VIGIL_RECORDER_SIZE: '64KB' });
    assert.match(it.stderr, /^vigil: VIGIL_RECORDER_SIZE="64KB" is not .*; using 16MB\n$/m);
  });

  test('of 30 Workers at once, each for itself', async (t) => {
    const { said: [workers], VIGIL_DIR } = await ran(t, [app('recorded.mjs'), 'workers', '30']);
    assert.equal(workers.length, 30);
    for (const { file, name, names } of workers) {
      assert.deepEqual([...new Set(names)], [name]);
      const { thread } = json(path.dirname(file), 'incident.json');
      assert.ok(thread.id > 0);
      assert.ok(timesOf(json(file), name).length > 0);
    }
    const ids = workers.map(({ file }) => json(path.dirname(file), 'incident.json').thread.id);
    assert.equal(new Set(ids).size, 30);
    assert.ok(incidents(VIGIL_DIR).length >= 30);
    await checkLoads(t, [workers[0].file]);
  });

  test('beside the profilers of the program', async (t) => {
    const folder = temporary(t);
    const { said: [{ inspector, v8, directory, before }] } =
      await ran(t, ['--cpu-prof', '--cpu-prof-dir', folder, app('recorded.mjs'), 'others']);
    const [flag] = readdirSync(folder);
    const cpu = readdirSync(directory).find((name) => name.startsWith('cpu-'));
    for (const profile of [inspector, v8, json(folder, flag), json(directory, cpu)]) {
      checkProfile(profile);
      checkGuilty(profile, 'guiltyCode', 0.8);
    }
    // A twentieth of their samples.
    checkProfile(before);
    const { busy, found } = onStack(before, 'guiltyCode');
    assert.ok(found >= 15 && found >= 0.7 * busy, `${found} of ${busy}`);
    // 15 blocks of 150 ms.
    for (const profile of [inspector, v8, before]) within(sum(timesOf(profile, 'guiltyCode')), 1500, 3500, 'time in it');
  });
});
