// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// A terminal as a whole screen, given back as it was however the program ends:
// by a key, a signal, an error, or the end of the terminal itself.

const fs = require('fs');
const { StringDecoder } = require('string_decoder');

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';  // Other screen; no cursor, no wrapping.
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l\x1b[0m';
const ENDING = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
const kLineWidth = 80;
const kLines = 24;

// What keys send, as names.
const KEYS = { '\x1b[A': 'up', '\x1b[B': 'down', '\x1b[C': 'right', '\x1b[D': 'left', '\x1bOA': 'up', '\x1bOB': 'down', '\x1bOC': 'right', '\x1bOD': 'left',
               '\x03': 'ctrl-c', '\x04': 'ctrl-d', '\x1a': 'ctrl-z', '\x0c': 'ctrl-l', '\x1b': 'escape' };

class Screen {
  #input = process.stdin;
  #output = process.stdout;
  #up = false;

  // `onKey(name)`, `onResize()`.
  constructor({ onKey, onResize }) {
    const decoder = new StringDecoder('utf8');
    this.onData = (data) => {
      for (const [key] of decoder.write(data).matchAll(/\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])|[^]/gu)) onKey(KEYS[key] ?? key);
    };
    this.onEnd = () => onKey('q');
    this.onResize = onResize;
    this.onContinue = () => {
      this.open();
      onResize();
    };
    this.onExit = () => this.close();
    process.on('exit', this.onExit);
    for (const [signal, code] of Object.entries(ENDING)) process.on(signal, () => process.exit(code));
    process.on('uncaughtException', (error) => {
      this.close();
      // A terminal that has gone takes no message.
      if (!['EIO', 'EPIPE'].includes(error.code)) process.stderr.write(`vigil: ${error.stack}\n`);
      process.exit(1);
    });
    this.#input.on('data', this.onData).on('end', this.onEnd).on('error', this.onEnd);
    this.#output.on('resize', this.onResize);
  }

  get size() {
    return [this.#output.columns || kLineWidth, this.#output.rows || kLines];
  }

  open() {
    if (this.#up) return;
    this.#input.setRawMode(true);
    this.#input.resume();
    fs.writeSync(1, ENTER);
    this.#up = true;
  }

  close() {
    if (!this.#up) return;
    this.#up = false;
    try {
      fs.writeSync(1, LEAVE);
      this.#input.setRawMode(false);
    } catch {
      // The terminal has gone.
    }
    this.#input.pause();
  }

  // As a shell expects it of ctrl-z.
  suspend() {
    this.close();
    process.once('SIGCONT', this.onContinue);
    process.kill(process.pid, 'SIGSTOP');
  }

  // Each line is drawn over what is there, so nothing flickers.
  draw(lines) {
    if (!this.#up) return;
    const [, rows] = this.size;
    const text = lines.slice(0, rows).map((line, i) => `\x1b[${i + 1};1H${line}\x1b[0m\x1b[K`).join('');
    this.#output.write(`${text}\x1b[J`);
  }
}

module.exports = { Screen };
