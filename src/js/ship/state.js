// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Small JSON files that are replaced whole or not at all, and survive a power cut.

const fs = require('node:fs');
const path = require('node:path');

const kMost = 4 * 2 ** 20;

// What is not there, is no JSON object or too long is as if it were not there.
function read(dir, name) {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  let fd;
  try {
    fd = fs.openSync(path.join(dir, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile() || stat.size > kMost) return null;
    const value = JSON.parse(fs.readFileSync(fd, 'utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  } finally {
    fs.closeSync(fd);
  }
}

function write(dir, name, value) {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
  const temporary = path.join(dir, `.${name}-${process.pid}.tmp`);
  fs.rmSync(temporary, { force: true });
  try {
    const fd = fs.openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      fs.writeFileSync(fd, `${JSON.stringify(value, null, 2)}\n`);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, path.join(dir, name));
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  const fd = fs.openSync(dir, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

module.exports = { read, write };
