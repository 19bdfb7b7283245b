// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Reading what may be missing, cut off, huge or hostile: every value is checked
// before it is used, and a fault is a sentence for the page, never an end.

const fs = require('fs');
const path = require('path');

const kMaxText = 2_000;
const kMaxName = 600;

// A reason that goes onto the page.
class Unreadable extends Error {}

const isObject = (v) => typeof v === 'object' && v !== null && !Array.isArray(v);
const object = (v) => (isObject(v) ? v : {});
const array = (v) => (Array.isArray(v) ? v : []);
const number = (v) => (typeof v === 'number' && Number.isFinite(v) ? v : null);
const boolean = (v) => (typeof v === 'boolean' ? v : null);

// Not in the middle of a surrogate pair.
function clip(v, most) {
  if (v.length <= most) return v;
  const end = most - 1;
  return `${v.slice(0, (v.charCodeAt(end - 1) & 0xfc00) === 0xd800 ? end - 1 : end)}…`;
}

const text = (v, most = kMaxText) => (typeof v === 'string' ? clip(v, most) : null);
const name = (v) => text(v, kMaxName) ?? '';

// Members that are numbers, of an object with any names.
function numbers(v) {
  const out = {};
  for (const [key, value] of Object.entries(object(v)).slice(0, 100)) {
    if (number(value) !== null) out[clip(key, 100)] = value;
  }
  return out;
}

function size(bytes) {
  for (const [unit, of] of [['GB', 2 ** 30], ['MB', 2 ** 20], ['KB', 2 ** 10]]) {
    if (bytes >= of) return `${(bytes / of).toFixed(bytes >= 10 * of ? 0 : 1)} ${unit}`;
  }
  return `${bytes} bytes`;
}

// Opens a plain file of the incident: no link, no pipe that would wait.
function open(dir, file) {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  let fd;
  try {
    fd = fs.openSync(path.join(dir, file), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch ({ code }) {
    throw new Unreadable(code === 'ENOENT' ? 'the file is missing'
      : code === 'ELOOP' ? 'it is a link, which is not followed' : `it cannot be opened (${code})`);
  }
  const stat = fs.fstatSync(fd);
  let fault = null;
  if (!stat.isFile()) fault = 'it is not a plain file';
  else if (stat.size === 0) fault = 'the file is empty';
  if (fault !== null) {
    fs.closeSync(fd);
    throw new Unreadable(fault);
  }
  return { fd, size: stat.size };
}

// Calls `take` with each piece of the file. The pieces share one buffer.
function stream(dir, file, take) {
  const { fd, size: bytes } = open(dir, file);
  try {
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (let n; (n = fs.readSync(fd, buffer, 0, buffer.length, null)) > 0;) {
      take(buffer.subarray(0, n), bytes);
    }
  } finally {
    fs.closeSync(fd);
  }
}

function json(dir, file, most) {
  const { fd, size: bytes } = open(dir, file);
  try {
    if (bytes > most) {
      throw new Unreadable(`the file has ${size(bytes)}, the report reads up to ${size(most)}: open it in Chrome DevTools`);
    }
    const all = fs.readFileSync(fd, 'utf8');
    try {
      return JSON.parse(all);
    } catch {
      throw new Unreadable(/[}\]]\s*$/.test(all) ? 'it is not valid JSON' : 'the file is cut off');
    }
  } finally {
    fs.closeSync(fd);
  }
}

module.exports = { Unreadable, array, boolean, clip, isObject, json, name, number, numbers, object, size, stream, text };
