// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The functions of all profiles of an incident as small numbers, so that the
// same function is the same number in each of them.

const { clip, name: cleanName, number, object } = require('./read');

const KIND = { app: 0, module: 1, node: 2, native: 3, gc: 4, program: 5 };

function kindOf(name, url) {
  if (url === '') {
    if (name === '(garbage collector)') return KIND.gc;
    return /^\(.*\)$/.test(name) ? KIND.program : KIND.native;
  }
  if (url.startsWith('node:')) return KIND.node;
  return /[\\/]node_modules[\\/]/.test(url) ? KIND.module : KIND.app;
}

const kMaxUrl = 1_000;

class Functions {
  constructor() {
    this.byKey = new Map();
    this.byUrl = new Map();
    this.name = [];
    this.url = [];    // Index into urls.
    this.line = [];   // From 1; 0: not known.
    this.kind = [];
    this.urls = [];
  }

  // Of a V8 call frame, whose lines count from 0.
  ofFrame(frame) {
    const f = object(frame);
    return this.of(cleanName(f.functionName), cleanUrl(f.url),
                   (number(f.lineNumber) ?? -1) + 1, (number(f.columnNumber) ?? -1) + 1);
  }

  // A position is one function, whatever name a profiler gives it.
  of(name, url, line, column) {
    const key = url === '' ? `n${name}` : line > 0 ? `${line}:${column}:${url}` : `u${name}\n${url}`;
    let id = this.byKey.get(key);
    if (id !== undefined) return id;
    id = this.name.length;
    this.byKey.set(key, id);
    let at = this.byUrl.get(url);
    if (at === undefined) {
      at = this.urls.push(url) - 1;
      this.byUrl.set(url, at);
    }
    this.name.push(name);
    this.url.push(at);
    this.line.push(line > 0 ? line : 0);
    this.kind.push(kindOf(name, url));
    return id;
  }

  // As people say it; the line may be a better one than that of the function.
  describe(id, line = this.line[id]) {
    const url = this.urls[this.url[id]];
    const base = url === '' ? '' : url.slice(url.lastIndexOf('/') + 1) || url;
    return { name: this.name[id] || '(anonymous)', file: base, url, line };
  }

  // Only those that are in use, by their new numbers.
  pack(used) {
    const urls = [];
    const urlAt = new Map();
    const out = { name: [], url: [], line: [], kind: [], urls };
    for (const id of used) {
      const url = this.urls[this.url[id]];
      if (!urlAt.has(url)) urlAt.set(url, urls.push(url) - 1);
      out.name.push(this.name[id]);
      out.url.push(urlAt.get(url));
      out.line.push(this.line[id]);
      out.kind.push(this.kind[id]);
    }
    return out;
  }
}

function cleanUrl(url) {
  if (typeof url !== 'string') return '';
  return clip(url.startsWith('file://') ? decode(url.slice(7)) : url, kMaxUrl);
}

function decode(path) {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

module.exports = { Functions, KIND, cleanUrl };
