// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Its workers are child processes and, the second time, threads; one test
// fails on purpose.

import { command, folder, tool } from '../lib.mjs';

const dir = folder({
  'package.json': { name: 'tested', private: true, jest: { testEnvironment: 'node', transform: {} } },
  'sum.js': 'module.exports = (a, b) => a + b;',
  'a.test.js': "const sum = require('./sum'); test('adds', () => expect(sum(1, 2)).toBe(3)); test.each([[1], [2]])('each %d', (n) => { expect(n).toMatchSnapshot(); });",
  'b.test.js': "jest.useFakeTimers(); test('timers', () => { const f = jest.fn(); setTimeout(f, 1e6); jest.runAllTimers(); expect(f).toHaveBeenCalledTimes(1); });",
  'c.test.js': "test('mocks', () => { jest.doMock('./sum', () => () => 7); expect(require('./sum')()).toBe(7); });",
  'fails.js': "test('fails', () => expect({ a: 1 }).toEqual({ a: 2 }));",
});
for (const extra of [['--workerThreads=false'], ['--workerThreads=true']]) {
  const { stderr } = tool(command('jest'), ['--ci=false', '--maxWorkers=2', ...extra], { cwd: dir });
  console.log(stderr.match(/^(Tests|Snapshots|Test Suites):.*/gm).join('\n'));
}
const { stderr } = tool(command('jest'), ['--testRegex', 'fails.js'], { cwd: dir, code: 1 });
console.log(stderr.replace(/^(Time:|FAIL).*\n/gm, '').replaceAll(/\(\d+ ms\)/g, ''));
