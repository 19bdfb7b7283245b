// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// src/js/ship in processes of its own, as the helper runs it.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { App, environment, node, top } from '../integration/helpers.mjs';

const file = execFileSync(path.join(top, 'test/ship/fetch.sh'), { encoding: 'utf8', env: environment({ VIGIL_CACHE: process.env.VIGIL_CACHE }) }).trim();
export const SHIP = path.join(file, 'ship.js');

// Retries as ever, but sooner.
export const QUICK = { firstMs: 10, mostMs: 100 };
export const quick = { upload: QUICK, alert: QUICK, command: QUICK };

export function begin(t, dir, env, { task = 'ship', policy = quick, bin = node } = {}) {
  const app = new App(t, [path.join(top, 'test/ship/run.mjs'), SHIP, task, dir, JSON.stringify(policy)],
                      { bin, env: { VIGIL: 'off', HOME: '/nonexistent', AWS_EC2_METADATA_DISABLED: 'true', ...env } });
  app.result = async (ms) => {
    await app.exit(ms);
    if (app.code !== 0) throw new Error(`the shipper ended: ${app.said()}`);
    return JSON.parse(app.stdout);
  };
  return app;
}

// { result, log, rssMax } of one task.
export const run = (t, dir, env, options) => begin(t, dir, env, options).result();
