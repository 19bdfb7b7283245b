// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Makes a function hot before the first profile, then takes six, one after the
// other: three by the inspector, three by node:v8. Prints samples by function.

import { Session } from 'node:inspector/promises';
import v8 from 'node:v8';

function hotInner(n) {
  let s = 0;
  for (let i = 0; i < n; i++) s = (s * 31 + i) | 0;
  return s;
}

function hotOuter(ms) {
  const end = performance.now() + ms;
  let x = 0;
  while (performance.now() < end) x ^= hotInner(20000);
  return x;
}

function print(by, profile) {
  const names = new Map(profile.nodes.map((n) => [n.id, n.callFrame.functionName || '(anonymous)']));
  const self = {};
  let busy = 0;
  for (const id of profile.samples) {
    const name = names.get(id);
    // Where the profile begins and ends, and what is no code of the program.
    if (['(root)', '(idle)', '(program)', '(garbage collector)', 'post', 'dispatch',
         'startCpuProfile', 'stop'].includes(name)) continue;
    self[name] = (self[name] ?? 0) + 1;
    busy++;
  }
  console.log(JSON.stringify({ by, self, busy }));
}

hotOuter(600);
for (let i = 0; i < 3; i++) {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 1000 });
  await session.post('Profiler.start');
  hotOuter(400);
  print(`inspector ${i}`, (await session.post('Profiler.stop')).profile);
  session.disconnect();
}
for (let i = 0; i < 3; i++) {
  const handle = v8.startCpuProfile();
  hotOuter(400);
  print(`v8 ${i}`, JSON.parse(handle.stop()));
}
