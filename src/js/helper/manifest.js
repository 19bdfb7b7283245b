// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// incident.json once more, with one more file: replaced whole or not at all.

const fs = require('fs');
const path = require('path');

const MANIFEST = 'incident.json';

function read(incident) {
  const manifest = JSON.parse(fs.readFileSync(path.join(incident, MANIFEST), 'utf8'));
  if (!Array.isArray(manifest?.files)) throw new Error(`${MANIFEST} lists no files`);
  return manifest;
}

function lists(incident, name) {
  return read(incident).files.some((file) => file?.name === name);
}

function replace(incident, text) {
  const temporary = path.join(incident, `.manifest-${process.pid}.tmp`);
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
  try {
    const fd = fs.openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      fs.writeFileSync(fd, text);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, path.join(incident, MANIFEST));
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  const dir = fs.openSync(incident, 'r');
  try {
    fs.fsyncSync(dir);
  } finally {
    fs.closeSync(dir);
  }
}

// Instead of another one of its name, if there is one.
function addFile(incident, file) {
  const manifest = read(incident);
  manifest.files = [...manifest.files.filter((other) => other?.name !== file.name), file];
  replace(incident, `${JSON.stringify(manifest, null, 2)}\n`);
}

module.exports = { addFile, lists };
