// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Exit codes of the command; docs/cli.md.
const kFound = 1;
const kUsage = 2;
const kNoProcess = 3;

// What the user is told in one line, and the exit code.
class Problem extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

module.exports = { Problem, kFound, kNoProcess, kUsage };
