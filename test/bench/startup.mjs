// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Samples for startup.sh: `variant, round, metric, value` between tabs.

import { spawnSync } from 'node:child_process';

const [stock, ours, rounds] = process.argv.slice(2);
const variants = [
  ['stock', stock], ['stock again', stock], ['ours, VIGIL=off', ours, 'off'],
  ['ours', ours], ['ours, VIGIL=on', ours, 'on'],
];
// Resident, of it not from files, and what was once the most.
const memory = `
  const status = require('node:fs').readFileSync('/proc/self/status', 'utf8');
  const kB = (name) => Number(new RegExp('^' + name + ':\\\\s+(\\\\d+)', 'm').exec(status)[1]);
  console.log([kB('VmRSS'), kB('RssAnon'), kB('VmHWM')].join());`;

function run(bin, vigil, script) {
  const env = { ...process.env };
  delete env.VIGIL;
  delete env.NODE_OPTIONS;
  if (vigil) env.VIGIL = vigil;
  const start = process.hrtime.bigint();
  const { status, stdout, stderr } = spawnSync(bin, ['-e', script], { env, encoding: 'utf8' });
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  if (status !== 0) throw new Error(`${bin} ended with ${status}: ${stderr}`);
  return { ms, stdout };
}

// The files are in memory from here on.
for (const [, bin, vigil] of variants) run(bin, vigil, '0');
for (let round = 0; round < Number(rounds); round++) {
  for (let n = 0; n < variants.length; n++) {
    const [name, bin, vigil] = variants[(n + round) % variants.length];
    console.log(`${name}\t${round}\ttime of an empty program, ms\t${run(bin, vigil, '0').ms}`);
    const [resident, anonymous, most] = run(bin, vigil, memory).stdout.split(',');
    console.log(`${name}\t${round}\tmemory, resident, kB\t${resident}`);
    console.log(`${name}\t${round}\tmemory, resident and not of a file, kB\t${anonymous}`);
    console.log(`${name}\t${round}\tmemory, the most it was, kB\t${most}`);
  }
}
