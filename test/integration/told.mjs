// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Asking a process where VIGIL_METRICS says, for all tests that do.

import http from 'node:http';
import path from 'node:path';
import { App, app, temporary, until } from './helpers.mjs';

// One request on a connection of its own: { status, headers, body, ms }. `at`
// is a URL like http://127.0.0.1:1234, or a path of a socket.
export function ask(at, what, { method = 'GET', headers = {}, agent = false } = {}) {
  const where = at.startsWith('/') ? { socketPath: at } : { host: new URL(at).hostname.replace(/^\[|\]$/g, ''), port: new URL(at).port };
  const begin = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.request({ ...where, path: what, method, headers, agent }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (s) => { body += s; }).on('error', reject)
        .on('end', () => resolve({ status: response.statusCode, headers: response.headers, body,
                                   ms: performance.now() - begin }));
    });
    request.on('error', reject).end();
  });
}

// A process that tells, on a free port unless `env` says where. `at` is where.
export async function start(t, args = [], env = {}) {
  const dir = path.join(temporary(t), 'vigil');
  const it = new App(t, [app('told.mjs'), ...args],
                     { env: { VIGIL_METRICS: '0', VIGIL_DIR: dir, ...env } });
  it.dir = dir;
  it.at = env.VIGIL_METRICS?.startsWith('/') ? env.VIGIL_METRICS
    : (await it.line(/^vigil: metrics are at (\S+)\/metrics$/m, 'stderr'))[1];
  await it.line(/^ready/m);
  it.metrics = async (headers) => parse((await ask(it.at, '/metrics', { headers })).body);
  it.status = async () => JSON.parse((await ask(it.at, '/status')).body);
  return it;
}

// { families: { name: { type, help, unit } }, samples: [{ name, labels, value }],
//   value(name, labels), sum(name, labels) } of either format.
export function parse(text) {
  const families = {};
  const samples = [];
  for (const line of text.split('\n')) {
    const meta = /^# (HELP|TYPE|UNIT) (\S+) (.*)$/.exec(line);
    if (meta) {
      (families[meta[2]] ??= {})[meta[1].toLowerCase()] = meta[3];
      continue;
    }
    if (line === '' || line === '# EOF') continue;
    const [, name, inside, value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ??
      (() => { throw new Error(`no sample: ${line}`); })();
    const labels = Object.fromEntries([...(inside ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
      .map(([, key, text]) => [key, text.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c))]));
    samples.push({ name, labels, value: Number(value.replace('+Inf', 'Infinity')) });
  }
  const match = (name, labels) => samples.filter((s) => s.name === name &&
    Object.entries(labels).every(([key, value]) => s.labels[key] === value));
  return {
    families, samples,
    value: (name, labels = {}) => match(name, labels)[0]?.value,
    sum: (name, labels = {}) => match(name, labels).reduce((sum, s) => sum + s.value, 0),
    match,
  };
}

// What `probe` gives once its argument, the metrics, has it.
export const told = (it, probe, what, ms) => until(async () => probe(await it.metrics()), what, ms);
