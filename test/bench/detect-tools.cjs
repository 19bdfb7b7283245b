// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// What else notices that a loop is slow, in the process itself. Each says what it sees
// once a window: { tool, value }, and `over` when that passes its limit.

const { monitorEventLoopDelay, performance } = require('node:perf_hooks');
const { Worker } = require('node:worker_threads');
const { createRequire } = require('node:module');

const { windowMs, limitMs, busy, stallMs, stacktrace } = JSON.parse(process.env.DETECT_TOOLS);
const say = (tool, value, over, evidence) => console.log(JSON.stringify({ tool, value, over, evidence }));

// A timer of 10 ms that is on time is 10 ms to this histogram.
const delays = [
  ['eld10', monitorEventLoopDelay({ resolution: 10 }), 10],
  ['eld20', monitorEventLoopDelay({ resolution: 20 }), 20],
  ['eldi', monitorEventLoopDelay({ samplePerIteration: true }), 0],
];
for (const [, histogram] of delays)
  histogram.enable();

let last = performance.eventLoopUtilization();
setInterval(() => {
  for (const [tool, histogram, floor] of delays) {
    const p99 = histogram.percentile(99) / 1e6 - floor;
    say(tool, p99, p99 > limitMs);
    histogram.reset();
  }
  const now = performance.eventLoopUtilization();
  const { utilization } = performance.eventLoopUtilization(now, last);
  last = now;
  say('elu', utilization, utilization > busy);
}, windowMs);

// A worker looks whether the main thread still says that it is there.
if (stacktrace) {
  const { registerThread, threadPoll } = createRequire(stacktrace)('@sentry-internal/node-native-stacktrace');
  registerThread();
  setInterval(() => threadPoll(), stallMs / 5);
  const worker = new Worker(`
    const { workerData, parentPort } = require('node:worker_threads');
    const { createRequire } = require('node:module');
    const { getThreadsLastSeen, captureStackTrace } =
      createRequire(workerData.stacktrace)('@sentry-internal/node-native-stacktrace');
    let said = false;
    setInterval(() => {
      const ms = Number(getThreadsLastSeen()['0']);
      if (ms > workerData.stallMs && !said)
        parentPort.postMessage({ ms, stack: JSON.stringify(captureStackTrace()['0']) });
      said = ms > workerData.stallMs;
    }, workerData.stallMs / 5);`, { eval: true, env: {}, workerData: { stacktrace, stallMs } });
  worker.on('message', ({ ms, stack }) => say('stacktrace', ms, true, stack));
}
