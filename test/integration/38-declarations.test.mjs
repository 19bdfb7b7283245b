// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The TypeScript declarations and the documentation in the package, against
// what node:vigil gives: every member and its type.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';
import { describe, test } from 'node:test';
import { packaged, prefix } from './helpers.mjs';
import { inside } from './31-native.mjs';

// ---- as much of TypeScript as the declarations use

function parse(source) {
  const tokens = source.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, '').match(/'[^']*'|\w+|=>|[^\s\w]/g);
  let at = 0;
  const next = (what) => {
    assert.ok(what === undefined || tokens[at] === what, `${tokens.slice(at, at + 5).join(' ')}, not ${what}`);
    return tokens[at++];
  };
  const skip = (what) => tokens[at] === what && next() !== '';
  const many = (separator, one) => {
    const all = [];
    do all.push(one()); while (skip(separator));
    return all;
  };
  const members = () => {
    const all = {};
    next('{');
    while (!skip('}')) {
      const name = next();
      const optional = skip('?');
      next(':');
      all[name] = { optional, type: union() };
      skip(';');
    }
    return { members: all };
  };
  const primary = () => {
    let type;
    if (tokens[at] === '{') {
      type = members();
    } else if (skip('(')) {
      // Of a function without parameters.
      next(')');
      next('=>');
      type = { returns: union() };
    } else if (tokens[at] === 'Array') {
      at += 2;
      type = { array: union() };
      next('>');
    } else {
      const name = next();
      type = name.startsWith("'") ? { literal: name.slice(1, -1) } : { name };
      if (name === 'Promise') {
        next('<');
        type.of = union();
        next('>');
      }
    }
    while (skip('[')) { next(']'); type = { array: type }; }
    return type;
  };
  const union = () => {
    skip('|');
    const all = many('|', () => {
      const parts = many('&', primary);
      return parts.length === 1 ? parts[0] : { all: parts };
    });
    return all.length === 1 ? all[0] : { any: all };
  };

  const found = { interfaces: {}, consts: {}, functions: {} };
  next('declare');
  next('module');
  assert.equal(next(), "'node:vigil'");
  next('{');
  while (!skip('}')) {
    next('export');
    const what = next();
    const name = next();
    if (what === 'interface') {
      const base = skip('extends') ? [{ name: next() }] : [];
      found.interfaces[name] = { all: [...base, members()] };
    } else if (what === 'const') {
      next(':');
      found.consts[name] = union();
      next(';');
    } else {
      assert.equal(what, 'function');
      next('(');
      const parameters = {};
      while (!skip(')')) {
        const parameter = next();
        skip('?');
        next(':');
        parameters[parameter] = union();
      }
      next(':');
      found.functions[name] = { parameters, result: union() };
      next(';');
    }
  }
  assert.equal(at, tokens.length);
  return found;
}

// Merges what & and extends join, to one list of members.
function flatten(type, interfaces) {
  if (type.name in interfaces) return flatten(interfaces[type.name], interfaces);
  if (type.all) return { members: Object.assign({}, ...type.all.map((t) => flatten(t, interfaces).members)) };
  return type;
}

// Says why `value` is not of the type, or ''. No member more, none less.
function mismatch(value, declared, interfaces, where) {
  const type = flatten(declared, interfaces);
  if (type.any) {
    const all = type.any.map((t) => mismatch(value, t, interfaces, where));
    return all.includes('') ? '' : all.join(', ');
  }
  if (type.literal !== undefined) return value === type.literal ? '' : `${where} is ${value}, not ${type.literal}`;
  if (type.name === 'null') return value === null ? '' : `${where} is not null`;
  if (type.name) return typeof value === type.name ? '' : `${where} is ${value}, not ${type.name}`;
  if (type.array) {
    if (!Array.isArray(value)) return `${where} is not an array`;
    return value.map((v, i) => mismatch(v, type.array, interfaces, `${where}[${i}]`)).find((s) => s) ?? '';
  }
  if (value === null || typeof value !== 'object') return `${where} is ${value}`;
  const [have, want] = [Object.keys(value), Object.keys(type.members)].map((keys) => keys.sort().join());
  if (have !== want) return `${where} has ${have}, not ${want}`;
  return Object.entries(type.members)
    .map(([key, member]) => mismatch(value[key], member.type, interfaces, `${where}.${key}`)).find((s) => s) ?? '';
}

// Every name of a member in a value.
function names(value, into = new Set()) {
  if (Array.isArray(value)) value.forEach((v) => names(v, into));
  else if (value !== null && typeof value === 'object') {
    for (const [key, v] of Object.entries(value)) names(v, into.add(key));
  }
  return into;
}

const CALLS = `
  vigil.lag();
  const worker = new Worker('setInterval(() => {}, 10)', { eval: true });
  await until(() => vigil.lag(1000).loops.some((l) => l.kind === 'worker' && l.filled));
  const live = [vigil.lag(), vigil.snapshot(), vigil.histogram()];
  await worker.terminate();
  const ended = [vigil.lag(), vigil.snapshot(), vigil.histogram()];
`;
const REPORTS = ['lag', 'snapshot', 'histogram'];

describe('the package', { skip: packaged }, () => {
  test('has declarations of what node:vigil gives', async (t) => {
    const file = path.join(prefix, 'include/node-vigil/vigil.d.ts');
    const source = readFileSync(file, 'utf8');
    // Node's own TypeScript parser takes it, and leaves nothing to run.
    assert.equal(stripTypeScriptTypes(source).replaceAll(/\/\/.*|\s/g, ''), '');
    const { interfaces, consts, functions } = parse(source);
    const it = await inside(t, `${CALLS}
      return { live, ended, keys: Object.keys(vigil).sort(), off: vigil.off, version: vigil.version,
               types: Object.fromEntries(Object.keys(vigil).map((key) => [key, typeof vigil[key]])) };`);
    const off = await inside(t, 'return [vigil.lag(), vigil.snapshot(), vigil.histogram()];',
                             { env: { VIGIL: 'off' } });
    assert.deepEqual([...Object.keys(consts), ...Object.keys(functions)].sort(), it.keys);
    for (const [name, type] of Object.entries(it.types)) assert.equal(type === 'function', name in functions, name);
    assert.deepEqual(functions.lag.parameters, { windowMs: { name: 'number' } });
    assert.deepEqual([functions.snapshot.parameters, functions.histogram.parameters], [{}, {}]);
    assert.deepEqual(functions.capture, { parameters: { options: { name: 'CaptureOptions' } },
                                          result: { name: 'Promise', of: { name: 'Incident' } } });
    assert.deepEqual(functions.leakHunt, { parameters: { options: { name: 'LeakHuntOptions' } },
                                           result: { name: 'Promise', of: { name: 'LeakReport' } } });
    for (const name of Object.keys(consts)) assert.equal(mismatch(it[name], consts[name], interfaces, name), '');
    for (const values of [it.live, it.ended, off]) {
      for (const [i, name] of REPORTS.entries()) {
        assert.equal(mismatch(values[i], functions[name].result, interfaces, name), '');
      }
    }
    assert.ok(it.ended[1].loops.some((l) => l.ended && l.sinceStart === null), 'an ended one was among them');
    // This can tell wrong from right.
    const { scheme, ...rest } = it.live[2];
    assert.match(mismatch(rest, functions.histogram.result, interfaces, 'it'), /it has/);
    assert.match(mismatch({ ...rest, scheme: 7 }, functions.histogram.result, interfaces, 'it'), /scheme is 7/);
  });

  test('has documentation of each member, with its unit in the name', async (t) => {
    const text = readFileSync(path.join(prefix, 'share/doc/node-vigil/api.md'), 'utf8');
    const live = await inside(t, `${CALLS} return [...live, ...ended];`);
    const all = names(live);
    assert.ok(all.size > 50);
    for (const name of all) assert.ok(text.includes(`\`${name}\``), `api.md says nothing of ${name}`);
    // Lengths of time that a person reads are in ms and say so; raw buckets in ns.
    const times = (value, unit) => [...names(value)].filter((name) => name.endsWith(unit));
    assert.deepEqual(times(live.slice(0, 2), 'Ns'), []);
    assert.deepEqual(times(live[2], 'Ns').sort(),
                     ['lastLowerNs', 'linearBelowNs', 'linearWidthNs', 'lowerNs', 'sumNs']);
    const unitless = new Set(['off', 'windowMs', 'loops', 'threadId', 'name', 'kind', 'ended', 'filled', 'utilization',
      'periods', 'polls', 'events', 'version', 'mode', 'armed', 'watching', 'heapSnapshots', 'taken',
      'late', 'failed', 'refused', 'threadPool', 'queued', 'queuedMax',
      'running', 'cancelled', 'unmeasured', 'kinds', 'wait', 'run', 'lag', 'last1s', 'last10s', 'last60s',
      'sinceStart', 'iterations', 'turns', 'timers', 'gc', 'count', 'scheme', 'bucketsPerOctave', 'busy', 'self']);
    for (const name of all) {
      assert.ok(unitless.has(name) || /(Ms|Ns|Bytes)$/.test(name), `${name} has no unit`);
    }
  });

  test('node:vigil gives plain objects of its own each time', async (t) => {
    const it = await inside(t, `
      const plain = (v) => v === null || typeof v !== 'object' ||
        [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(v)) && Object.values(v).every(plain);
      const calls = [vigil.lag, vigil.snapshot, vigil.histogram];
      const first = calls.map((f) => f());
      for (const v of first) { v.loops.length = 0; v.off = 'changed'; }
      const again = calls.map((f) => f());
      return [calls.every((f) => plain(f())), again.map((v) => [v.off, v.loops.length > 0]),
              JSON.stringify(structuredClone(again)) === JSON.stringify(again)];
    `);
    assert.deepEqual(it, [true, [[false, true], [false, true], [false, true]], true]);
  });
});
