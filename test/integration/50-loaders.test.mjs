// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The files of V8, and those of an incident, load in the code of Chrome
// DevTools and of speedscope and say there what is true. Broken files don't.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, app, run, temporary } from './helpers.mjs';
import { checkIncident, waitForIncident } from './incident.mjs';
import { checkLoads, loadAll } from './loaders.mjs';

const near = (a, b, what) => assert.ok(Math.abs(a - b) <= 0.02 * Math.max(a, b) + 5, `${what}: ${a} and ${b}`);

async function evidence(t) {
  const dir = temporary(t);
  const { code, stderr } = await run(
    t, ['--cpu-prof', '--cpu-prof-dir', dir, '--cpu-prof-name', 'good.cpuprofile',
        app('evidence.mjs'), dir], { env: { VIGIL: 'off' } });
  assert.equal(code, 0, stderr);
  return { dir, file: (kind, name = 'good') => path.join(dir, `${name}.${kind}`) };
}

// Time with a function at the end of the stack, in ms, from the bare file: each
// sample holds until the next one.
function selfTime({ nodes, samples, timeDeltas }, functionName) {
  const its = new Set(nodes.filter((n) => n.callFrame.functionName === functionName).map((n) => n.id));
  return samples.reduce((sum, id, i) => sum + (its.has(id) ? timeDeltas[i + 1] ?? 0 : 0), 0) / 1000;
}

function checkSpin(results, profile) {
  const [devtools, speedscope] = results;
  assert.deepEqual(results.map(({ loader }) => loader), ['devtools', 'speedscope']);
  assert.equal(devtools.nodes, profile.nodes.length);
  assert.equal(devtools.samples, profile.samples.length);
  near(devtools.busy, speedscope.busy, 'busy time');
  for (const { loader, unit, total, busy, depth, top: [hot] } of results) {
    assert.equal(unit, 'ms');
    assert.equal(hot.name, 'guiltySpin', loader);
    assert.deepEqual(hot.stack.slice(-3), ['outer', 'middle', 'guiltySpin'], loader);
    assert.ok(hot.self > 0.6 * busy && busy <= total * 1.001, `${hot.self} of ${busy} of ${total} ms`);
    near(hot.self, selfTime(profile, 'guiltySpin'), `self time in ${loader}`);
    near(total, (profile.endTime - profile.startTime) / 1000, `time in ${loader}`);
    assert.ok(depth >= 4);
  }
}

// The good file in several broken ways. Each gets an object to break, or
// returns a text.
const BROKEN = {
  cpuprofile: {
    truncated: (profile, text) => text.slice(0, text.length / 2),
    nodeless: (profile) => {
      profile.nodes = profile.nodes.filter((n) => n.callFrame.functionName !== 'guiltySpin');
    },
    twoParents: (profile) => { adopt(profile, 'outer'); },
    cycle: (profile) => {
      const { old } = adopt(profile, 'guiltySpin', 'middle');
      old.children = [];
    },
    loop: (profile) => { adopt(profile, 'guiltySpin', 'outer'); },
    sampleOfNothing: (profile) => { profile.samples[3] = 1e6; },
    deltaless: (profile) => { profile.timeDeltas.pop(); },
  },
  heapprofile: {
    truncated: (profile, text) => text.slice(0, text.length / 2),
    nodeless: ({ head }) => { head.children = []; },
    childless: ({ head }) => { delete head.children[0].children; },
    twoParents: ({ head }) => { head.children.push(head.children[0].children[0]); },
    sizeless: ({ head }) => { delete head.children[0].selfSize; },
  },
  heapsnapshot: {
    truncated: (snapshot, text) => text.slice(0, text.length / 2),
    truncatedStrings: (snapshot, text) => text.slice(0, -100),
    nodeless: ({ snapshot, nodes }) => {
      const fields = snapshot.meta.node_fields.length;
      nodes.splice(10 * fields, fields);
      snapshot.node_count--;
    },
    edgeToNothing: ({ snapshot, nodes, edges }) => {
      edges[10 * snapshot.meta.edge_fields.length + 2] = nodes.length;
    },
  },
};

// What DevTools drops without a word, and we find by what is missing there.
const DROPPED = /(nodeless|sampleOfNothing)\.(cpu|heap)profile$/;

// Makes the node of the function `name` a child also of the node of `to`.
function adopt({ nodes }, to, name = 'guiltySpin') {
  const find = (functionName) => nodes.find((n) => n.callFrame.functionName === functionName);
  const node = find(name);
  const old = nodes.find(({ children }) => children?.includes(node.id));
  (find(to).children ??= []).push(node.id);
  return { node, old };
}

describe('loaders', { concurrency: 2 }, () => {
  test('good files, and each of them broken', async (t) => {
    const { dir, file } = await evidence(t);
    const kinds = Object.keys(BROKEN);
    const results = await checkLoads(t, kinds.map((kind) => file(kind)));
    const profile = JSON.parse(readFileSync(file('cpuprofile'), 'utf8'));

    await t.test('CPU profile', () => checkSpin(results['good.cpuprofile'], profile));

    await t.test('sampling heap profile', () => {
      const [devtools, speedscope] = results['good.heapprofile'];
      assert.equal(devtools.total, speedscope.total);
      assert.equal(devtools.busy, speedscope.busy);
      // The samples say the same as the tree but for rounding.
      assert.ok(Math.abs(devtools.sampled - devtools.total) < 0.05 * devtools.total,
                `${devtools.sampled} and ${devtools.total} bytes`);
      for (const { loader, unit, total, top: [most] } of [devtools, speedscope]) {
        assert.equal(unit, 'bytes');
        assert.equal(most.name, 'hungry', loader);
        assert.ok(most.self > 0.7 * total, `${most.self} of ${total} bytes`);
        // 50,000 objects of five words at least, and the array.
        assert.ok(most.self > 1e6 && most.self < 1e7, `${most.self} bytes`);
      }
    });

    await t.test('heap snapshot', () => {
      const [{ nodes, total, classes }] = results['good.heapsnapshot'];
      const { snapshot } = JSON.parse(readFileSync(file('heapsnapshot'), 'utf8'));
      assert.equal(nodes, snapshot.node_count);
      assert.equal(classes.find(({ name }) => name === 'KnownThing').count, 1234);
      assert.ok(total > 3e6 && total < 1e8, `${total} bytes`);
    });

    await t.test('broken files', async (t) => {
      const files = kinds.flatMap((kind) => Object.entries(BROKEN[kind]).map(([name, damage]) => {
        const text = readFileSync(file(kind), 'utf8');
        const value = JSON.parse(text);
        writeFileSync(file(kind, name), damage(value, text) ?? JSON.stringify(value));
        return file(kind, name);
      }));
      for (const { file, loader, errors } of await loadAll(t, files)) {
        assert.ok(errors.length > 0, `${loader} takes ${path.relative(dir, file)}`);
        if (loader === 'devtools' && DROPPED.test(file)) assert.match(errors.join(), /DevTools/);
      }
    });

    await t.test('a file that loads and says what is not true', async (t) => {
      const moved = structuredClone(profile);
      const { node, old } = adopt(moved, 'outer');
      old.children = old.children.filter((id) => id !== node.id);
      writeFileSync(file('cpuprofile', 'moved'), JSON.stringify(moved));
      const results = (await checkLoads(t, [file('cpuprofile', 'moved')]))['moved.cpuprofile'];
      assert.throws(() => checkSpin(results, moved), /middle/);
    });
  });

  test('the files of an incident', async (t) => {
    const dir = path.join(temporary(t), 'vigil');
    const it = new App(t, [app('serve.mjs'), 'tcp'], { env: { ...FAST, VIGIL_DIR: dir } });
    const incident = checkIncident(await waitForIncident(it, dir));
    it.kill('SIGKILL');
    const files = incident.names.filter((name) => /\.(cpu|heap)profile$|\.heapsnapshot$/.test(name))
      .map((name) => path.join(incident.dir, name));
    assert.ok(files.length >= 2);
    for (const [name, results] of Object.entries(await checkLoads(t, files))) {
      if (!name.startsWith('cpu-')) continue;
      const [devtools, speedscope] = results;
      near(devtools.busy, speedscope.busy, 'busy time');
      for (const { loader, busy, top: [hot] } of results) {
        assert.ok(hot.stack.includes('guiltyHandler'), `${loader}: ${JSON.stringify(hot)}`);
        assert.ok(hot.self > 0.7 * busy, `${hot.self} of ${busy} ms`);
      }
    }
  });
});
