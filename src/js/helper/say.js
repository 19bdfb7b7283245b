// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// What src/helper_line.c understands, a line each:
//   log TEXT        said on stderr as it is
//   fail TEXT       the same, and counted
//   total NAME N    adds to what is counted; of `left` it is the number
//   done CODE       the last one

const fs = require('fs');

const kMaxLine = 1_000;

// Nobody listens any more once the process that started us has ended; the work is
// finished all the same. Not process.stdout, whose writes may come later.
function say(line) {
  try {
    fs.writeSync(1, `${line.replace(/\s+/g, ' ').slice(0, kMaxLine)}\n`);
  } catch {
    // As above.
  }
}

module.exports = {
  log: (text) => say(`log ${text}`),
  fail: (text) => say(`fail ${text}`),
  total: (name, n) => say(`total ${name} ${n}`),
  done: (code) => say(`done ${code}`),
};
