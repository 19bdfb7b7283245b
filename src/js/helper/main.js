// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The helper: a process of its own that src/helper_start.c starts, this same
// binary with this script on its standard input. It has no other descriptor but a
// pipe, on which it tells what it did (say.js), and the lock that it holds.
//
//   work DIR BYTES   makes report.html for the finished incidents in VIGIL_DIR,
//                    then ships them as far as that is configured
//   claim DIR        asks the fleet's budget: exit code 10 yes, 11 no, 12 unknown
//   probe DIR        looks whether the store can keep that budget
//
// BYTES is the memory that it may take.

const fs = require('fs');
const { done, fail, log, total } = require('./say');
const { makeReports } = require('./reports');
const { claim, probe, ship } = require('../ship/main');
const page = require('vigil-page');

const CLAIMED = { yes: 10, no: 11, local: 12 };

// The first whom the kernel takes when memory ends. Not done before exec(), where
// the memory is still the program's.
function goFirst() {
  try {
    fs.writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Nothing can be done, or has to be.
  }
}

async function work(dir, env, memory) {
  const report = env.VIGIL_REPORT !== 'off';
  // Half of it is V8's heap.
  const options = { heapBudget: memory / 2 };
  // Others that finish meanwhile find the directory locked: they are ours, too.
  const seen = new Set();
  let made;
  do {
    made = report ? makeReports(dir, page, seen, options) : 0;
    const { shipped, failed, left, lines } = await ship({ dir, env, log });
    for (const line of lines) log(line);
    total('shipped', shipped);
    total('ship-failed', failed);
    total('left', left);
  } while (made !== 0);
  return 0;
}

async function main([task, dir, memory], env) {
  switch (task) {
    case 'work': return work(dir, env, Number(memory));
    case 'claim': return CLAIMED[await claim({ dir, env, log })] ?? CLAIMED.local;
    case 'probe': await probe({ dir, env, log }); return 0;
    default: throw new Error(`no task ${task}`);
  }
}

process.title = 'vigil-helper';
goFirst();
process.on('uncaughtException', (error) => {
  fail(String(error?.message ?? error));
  done(1);
  process.exit(1);
});
main(process.argv.slice(2), process.env).then((code) => {
  done(code);
  process.exit(code);
});
