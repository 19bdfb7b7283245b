// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Prints the line of an error after each kind and order of line ends, once in
// source of one byte a character and once of two, and the lines of a profile.

import { Session } from 'node:inspector/promises';
import vm from 'node:vm';

const ENDS = ['\n', '\r', '\r\n'];
// All texts of up to four line ends, some with a character between them.
const texts = ['', 'x;'];
for (let i = 0, n = 0; n < 4; n++) {
  for (const end = texts.length; i < end; i++) {
    for (const e of ENDS) texts.push(texts[i] + e, `${texts[i]}${e}x;`);
  }
}

const lineOf = (source) => {
  try {
    vm.runInThisContext(source, { filename: 'lines-of' });
  } catch (error) {
    return Number(/lines-of:(\d+)/.exec(error.stack)[1]);
  }
  return null;
};

globalThis.x = 1;
const lines = texts.map((ends) => ({
  ends,
  oneByte: lineOf(`${ends}throw new Error()`),
  twoByte: lineOf(`${ends}throw new Error('\u0100')`),
  expected: ends.replaceAll('\r\n', '\n').split(/[\r\n]/).length,
}));

// Empty lines, a long one and short ones: the cost is on two of them.
const body = ['', '(function spin(ms) {', `  /* ${'long '.repeat(200)} */`, '',
              '  let n = 0; const end = Date.now() + ms;', '  while (Date.now() < end)',
              '    for (let i = 0; i < 1e4; i++)', '      n += i % 7;', '  return n;', '})'];
const spin = vm.runInThisContext(body.join('\r\n'), { filename: 'profile-of' });
spin(200);
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.setSamplingInterval', { interval: 200 });
await session.post('Profiler.start');
spin(300);
const { profile } = await session.post('Profiler.stop');
const nodes = profile.nodes.filter((node) => node.callFrame.functionName === 'spin');
console.log(JSON.stringify({
  lines,
  profiled: {
    functionLine: [...new Set(nodes.map((node) => node.callFrame.lineNumber + 1))],
    expectedFunctionLine: [2],
    ticks: [...new Set(nodes.flatMap((node) => node.positionTicks ?? []).map(({ line }) => line))],
    expectedTicks: [6, 7, 8],
  },
}));
