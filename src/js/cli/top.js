// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

const { capture } = require('./capture');
const { ask } = require('./client');
const { find } = require('./find');
const { clean, printJson } = require('./format');
const { frame } = require('./frame');
const { only } = require('./options');
const { Problem, kNoProcess, kUsage } = require('./problem');

const kHistory = 600;

const help = `usage: vigil top PID [--interval SECONDS] [--once] [--json]

Shows how a process is, once a second: the lag of its loops, why they are busy, garbage
collection, the thread pool, stalls, and how near each rule is to an incident.

Keys: q quit, p pause, c capture, arrows and 1-9 other threads, ? help.

  --interval SECONDS  0.2 to 60
  --once              print it once; also where the output is no terminal
  --json              print once what the process says of itself

Colours: not with NO_COLOR, nor with TERM=dumb.
`;

const options = { interval: 'value', once: 'flag' };

function isUtf8({ LC_ALL, LC_CTYPE, LANG }) {
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
}

const isDumb = ({ TERM }) => TERM === undefined || TERM === '' || TERM === 'dumb';

// What is shown, and what keys do to it; knows no terminal.
class Top {
  constructor(socket, status, utf8) {
    Object.assign(this, { socket, utf8, paused: false, ended: false, help: false, message: '', foot: true, threadId: 0, before: null, histories: new Map() });
    this.take(status);
  }

  take(status) {
    this.before = this.status ?? null;
    this.status = status;
    for (const { threadId, lag } of status.threads) {
      const history = this.histories.get(threadId) ?? [];
      history.push(lag?.p99Ms ?? null);
      if (history.length > kHistory) history.shift();
      this.histories.set(threadId, history);
    }
  }

  get index() {
    // A Worker that has ended: back to the main thread.
    return Math.max(0, this.status.threads.findIndex(({ threadId }) => threadId === this.threadId));
  }

  get thread() {
    return this.status.threads[this.index];
  }

  get history() {
    return this.histories.get(this.thread.threadId);
  }

  select(index) {
    const { threads } = this.status;
    if (index >= 0 && index < threads.length) this.threadId = threads[index].threadId;
  }

  async capture() {
    if (this.ended || this.capturing) return;
    this.capturing = true;
    this.message = 'capturing...';
    try {
      const { state, directory, reason } = await capture(this.socket, `thread=${this.thread.threadId}`);
      this.message = state === 'done' ? `captured: ${clean(directory)}` : `${state}: ${clean(reason ?? '')}`;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.message = clean(error.message);
    }
    this.capturing = false;
  }

  // 'quit', 'suspend' or nothing.
  key(key, redraw) {
    if (key === 'q' || key === 'ctrl-c' || key === 'ctrl-d') return 'quit';
    if (key === 'ctrl-z') return 'suspend';
    if (key === 'p' || key === ' ') this.paused = !this.paused;
    else if (key === '?' || key === 'h') this.help = !this.help;
    else if (key === 'escape') this.help = false;
    else if (key === 'left' || key === 'up') this.select(this.index - 1);
    else if (key === 'right' || key === 'down') this.select(this.index + 1);
    else if (/^[1-9]$/.test(key)) this.select(Number(key) - 1);
    else if (key === 'c') this.capture().then(redraw);
    return null;
  }
}

function check(status) {
  if (!Array.isArray(status.threads) || status.threads.length === 0) throw new Problem(kNoProcess, `process ${status.pid} has no loop that could be looked at yet`);
  return status;
}

async function live(top, interval) {
  const { Screen } = require('./screen');
  const env = process.env;
  const coloured = !env.NO_COLOR;
  let done;
  const end = new Promise((resolve) => { done = resolve; });
  const draw = () => screen.draw(frame(top, ...screen.size, coloured));
  const screen = new Screen({
    onKey(key) {
      const wanted = top.key(key, draw);
      if (wanted === 'quit') done(0);
      else if (wanted === 'suspend') screen.suspend();
      else draw();
    },
    onResize: draw,
  });
  screen.open();
  draw();
  const timer = setInterval(async () => {
    if (top.paused || top.ended || top.asking) return;
    top.asking = true;
    try {
      const { body } = await ask(top.socket, '/status');
      if (!top.paused) top.take(check(body));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // Too slow once is no end.
      top.ended = !/no answer within/.test(error.message);
      top.message = `${clean(error.message)}${top.ended ? '; q quits' : ''}`;
    }
    top.asking = false;
    draw();
  }, interval * 1000);
  const code = await end;
  clearInterval(timer);
  screen.close();
  // A capture that is asked for goes on without us.
  process.exit(top.ended ? kNoProcess : code);
}

async function run(given) {
  const interval = Number(given.interval ?? 1);
  if (!(interval >= 0.2 && interval <= 60)) throw new Problem(kUsage, '--interval wants seconds from 0.2 to 60');
  const { socket, status } = await find(only(given, 'a PID', 'top'));
  check(status);
  if (given.json) {
    printJson(status);
    return 0;
  }
  const top = new Top(socket, status, isUtf8(process.env));
  if (given.once || !process.stdout.isTTY || !process.stdin.isTTY || isDumb(process.env)) {
    top.foot = false;
    process.stdout.write(`${frame(top, process.stdout.columns ?? 80, 1000, false).join('\n')}\n`);
    return 0;
  }
  return live(top, interval);
}

module.exports = { Top, help, options, run };
