// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Puts the data into the page, and the page onto the disk: whole or not at all.

const fs = require('fs');
const path = require('path');

const MARK = '@VIGIL_DATA@';

// JSON that neither ends the script element it stands in nor reads differently
// there: HTML knows no escapes in it, JSON does.
function embed(data) {
  return JSON.stringify(data).replace(/[<>&\u2028\u2029\u007f-\u009f]/g,
                                      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function writePage(file, page, data) {
  const at = page.indexOf(MARK);
  if (at === -1) throw new Error('the page has no place for the data');
  const parts = [page.slice(0, at), embed(data), page.slice(at + MARK.length)];
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
  const temporary = path.join(path.dirname(file), `.report-${process.pid}.tmp`);
  fs.rmSync(temporary, { force: true });
  let bytes = 0;
  try {
    const fd = fs.openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      for (const part of parts) bytes += writeAll(fd, Buffer.from(part));
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  const dir = fs.openSync(path.dirname(file), 'r');
  try {
    fs.fsyncSync(dir);
  } finally {
    fs.closeSync(dir);
  }
  return bytes;
}

function writeAll(fd, buffer) {
  for (let at = 0; at < buffer.length;) at += fs.writeSync(fd, buffer, at);
  return buffer.length;
}

module.exports = { MARK, embed, writePage };
