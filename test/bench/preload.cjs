// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Loads before the program what BENCH_LOAD names, and uses it as its README does.

const { monitorEventLoopDelay } = require('node:perf_hooks');
const { createRequire } = require('node:module');
const { readdirSync } = require('node:fs');

const load = process.env.BENCH_LOAD;

function get(name) {
  const own = readdirSync(process.env.BENCH_FOLDER)
    .find((folder) => folder.replace(/_[\d.]+$/, '') === name.replace(/[@/]/g, '_'));
  return createRequire(`${process.env.BENCH_FOLDER}/${own}/`)(name);
}

const every = (ms, f) => setInterval(f, ms).unref();

const loads = {
  eld10: () => monitorEventLoopDelay({ resolution: 10 }).enable(),
  eld20: () => monitorEventLoopDelay({ resolution: 20 }).enable(),
  eldi: () => monitorEventLoopDelay({ samplePerIteration: true }).enable(),
  'event-loop-stats': () => {
    const { sense } = get('event-loop-stats');
    every(1000, sense);
  },
  '@datadog/native-metrics': () => {
    const metrics = get('@datadog/native-metrics');
    metrics.start();
    every(10_000, () => metrics.stats());
  },
  '@sentry-internal/node-native-stacktrace': () => {
    const { registerThread, threadPoll } = get('@sentry-internal/node-native-stacktrace');
    registerThread();
    every(200, () => threadPoll());
    // The thread that would see that it is blocked.
    const { Worker } = require('node:worker_threads');
    new Worker(`
      const { createRequire } = require('node:module');
      const { workerData } = require('node:worker_threads');
      const { getThreadsLastSeen } = createRequire(workerData)('@sentry-internal/node-native-stacktrace');
      setInterval(() => getThreadsLastSeen(), 500);`, {
      eval: true, execArgv: [], env: {},
      workerData: `${process.env.BENCH_FOLDER}/_sentry-internal_node-native-stacktrace_0.5.0/`,
    }).unref();
  },
  'xprofiler': () => get('xprofiler').start(),
};

// Not in what the program starts.
if (require('node:worker_threads').isMainThread)
  loads[load]();
