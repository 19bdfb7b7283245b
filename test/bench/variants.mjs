// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What is compared: a binary, its environment, and what is loaded before the
// program. The first one is what the others are compared with.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const preload = fileURLToPath(new URL('preload.cjs', import.meta.url));
const unset = { VIGIL: undefined, VIGIL_RECORDER: undefined, NODE_OPTIONS: undefined };

// name of the add-on's folder, as addons.sh makes it
export const addOns = {
  'event-loop-stats': 'event-loop-stats_1.4.1',
  '@datadog/native-metrics': '_datadog_native-metrics_4.0.0',
  '@sentry-internal/node-native-stacktrace': '_sentry-internal_node-native-stacktrace_0.5.0',
  'xprofiler': 'xprofiler_3.1.0',
};

export function variants({ stock, ours, folder, work }) {
  const add = (name, node, env = {}, load = undefined) => ({
    name,
    node,
    args: load ? ['-r', preload] : [],
    env: { ...process.env, ...unset, VIGIL_DIR: `${work}/vigil`, TMPDIR: work, ...env,
           ...load && { BENCH_LOAD: load, BENCH_FOLDER: folder } },
  });
  const list = [
    add('official', stock),
    add('official, again', stock),
    add('Vigil, VIGIL=off', ours, { VIGIL: 'off' }),
    add('Vigil, no recorder', ours, { VIGIL: 'on', VIGIL_RECORDER: 'off' }),
    add('Vigil', ours, { VIGIL: 'on' }),
    add('official + monitorEventLoopDelay 10 ms', stock, {}, 'eld10'),
    add('official + monitorEventLoopDelay 20 ms', stock, {}, 'eld20'),
    add('official + monitorEventLoopDelay per iteration', stock, {}, 'eldi'),
  ];
  const missing = [];
  for (const [name, own] of Object.entries(addOns)) {
    if (existsSync(`${folder}/${own}/loads`))
      list.push(add(`official + ${name}`, stock, {}, name));
    else
      missing.push(name);
  }
  return { list, missing };
}
