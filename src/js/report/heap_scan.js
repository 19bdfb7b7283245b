// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Reads a .heapsnapshot piece by piece: it may be larger than any string. Only
// numbers and the strings that are asked for are kept, by whom they are given to.

const { Unreadable } = require('./read');

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c, COLON = 0x3a, MINUS = 0x2d;
const OPEN_ARRAY = 0x5b, CLOSE_ARRAY = 0x5d, OPEN = 0x7b, CLOSE = 0x7d;
const kMaxHeader = 1 << 20;
const kMaxString = 4096;  // Bytes; what is longer is cut.

const IN = { start: 0, key: 1, value: 2, header: 3, skip: 4, numbers: 5, strings: 6, end: 7 };

class Scanner {
  // `to` has header(object), number lists by key: lists[key](value), listEnd(key),
  // wants(index) and string(index, text).
  constructor(to) {
    this.to = to;
    this.state = IN.start;
    this.key = '';
    this.bytes = null;      // Of the string, or the header, that is being kept.
    this.used = 0;
    this.depth = 0;
    this.inString = false;
    this.escaped = false;
    this.value = 0;
    this.digits = false;
    this.index = 0;
  }

  push(chunk) {
    let at = 0;
    while (at < chunk.length) {
      switch (this.state) {
        case IN.numbers: at = this.numbers(chunk, at); break;
        case IN.strings: at = this.strings(chunk, at); break;
        case IN.header:
        case IN.skip: at = this.nested(chunk, at); break;
        case IN.end: return;
        default: at = this.outer(chunk, at);
      }
    }
  }

  end() {
    if (this.state !== IN.end) throw new Unreadable('the file is cut off');
  }

  outer(chunk, at) {
    const c = chunk[at];
    if (this.inString) {
      if (c === QUOTE) {
        this.inString = false;
        this.state = IN.value;
      } else if (this.key.length < 100) {
        this.key += String.fromCharCode(c);
      }
    } else if (this.state === IN.value) {
      if (c !== COLON && c > 0x20) return this.begin(chunk, at);
    } else if (this.state === IN.start) {
      if (c === OPEN) this.state = IN.key;
      else if (c > 0x20) throw new Unreadable('it is no heap snapshot');
    } else if (c === QUOTE) {
      this.key = '';
      this.inString = true;
    } else if (c === CLOSE) {
      this.state = IN.end;
    } else if (c !== COMMA && c > 0x20) {
      throw new Unreadable('it is no heap snapshot');
    }
    return at + 1;
  }

  begin(chunk, at) {
    const list = this.to.lists[this.key];
    this.depth = 0;
    this.index = 0;
    this.value = 0;
    this.digits = false;
    if (list !== undefined && chunk[at] === OPEN_ARRAY) {
      this.state = IN.numbers;
      return at + 1;
    }
    if (this.key === 'strings' && chunk[at] === OPEN_ARRAY) {
      this.state = IN.strings;
      return at + 1;
    }
    this.used = 0;
    this.state = this.key === 'snapshot' ? IN.header : IN.skip;
    this.bytes = this.state === IN.header ? Buffer.allocUnsafe(kMaxHeader) : null;
    return at;
  }

  numbers(chunk, from) {
    const take = this.to.lists[this.key];
    let at = from, value = this.value, digits = this.digits;
    for (; at < chunk.length; at++) {
      const c = chunk[at];
      if (c >= 0x30 && c <= 0x39) {
        value = value * 10 + c - 0x30;
        digits = true;
      } else if (c === COMMA || c === CLOSE_ARRAY) {
        if (digits) take(value);
        value = 0;
        digits = false;
        if (c === CLOSE_ARRAY) {
          this.state = IN.key;
          this.to.listEnd(this.key);
          return at + 1;
        }
      } else if (c > 0x20 && c !== MINUS) {
        throw new Unreadable(`what "${this.key}" holds is not numbers`);
      }
    }
    this.value = value;
    this.digits = digits;
    return at;
  }

  // A value that is skipped, or kept to be parsed.
  nested(chunk, from) {
    for (let at = from; at < chunk.length; at++) {
      const c = chunk[at];
      if (!this.inString && this.depth === 0 && (c === COMMA || c === CLOSE)) {
        if (this.bytes !== null) this.header();
        this.state = IN.key;
        return at;
      }
      if (this.bytes !== null) {
        if (this.used === kMaxHeader) throw new Unreadable('its header is too long');
        this.bytes[this.used++] = c;
      }
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (c === BACKSLASH) this.escaped = true;
        else if (c === QUOTE) this.inString = false;
      } else if (c === QUOTE) {
        this.inString = true;
      } else if (c === OPEN || c === OPEN_ARRAY) {
        this.depth++;
      } else if (c === CLOSE || c === CLOSE_ARRAY) {
        this.depth--;
      }
    }
    return chunk.length;
  }

  header() {
    const text = this.bytes.toString('utf8', 0, this.used);
    this.bytes = null;
    let header;
    try {
      header = JSON.parse(text);
    } catch {
      throw new Unreadable('its header is not valid JSON');
    }
    this.to.header(header);
  }

  strings(chunk, from) {
    let at = from;
    while (at < chunk.length) {
      const c = chunk[at];
      if (!this.inString) {
        at++;
        if (c === QUOTE) {
          this.inString = true;
          this.used = 0;
          this.bytes = this.to.wants(this.index) ? this.bytes ?? Buffer.allocUnsafe(kMaxString) : null;
        } else if (c === CLOSE_ARRAY) {
          this.state = IN.key;
          return at;
        }
        continue;
      }
      // The end of the string, or of the chunk.
      const start = at;
      let { escaped } = this;
      for (; at < chunk.length; at++) {
        if (escaped) escaped = false;
        else if (chunk[at] === BACKSLASH) escaped = true;
        else if (chunk[at] === QUOTE) break;
      }
      this.escaped = escaped;
      if (this.bytes !== null) {
        this.used += chunk.copy(this.bytes, this.used, start, Math.min(at, start + kMaxString - this.used));
      }
      if (at === chunk.length) break;
      if (this.bytes !== null) this.to.string(this.index, this.kept());
      this.inString = false;
      this.index++;
      at++;
    }
    return at;
  }

  kept() {
    const text = this.bytes.toString('utf8', 0, this.used);
    try {
      return JSON.parse(`"${text}"`);
    } catch {
      // Cut in the middle of an escape.
      return text.replace(/\\(u[0-9a-fA-F]{0,3})?$/, '').replace(/\\./g, '?');
    }
  }
}

module.exports = { Scanner };
