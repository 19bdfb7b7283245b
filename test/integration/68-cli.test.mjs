// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The command `vigil` of the package: each of its commands against a real server,
// `top` in a terminal.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, MINUTE, app, packaged, prefix, temporary, top, until } from './helpers.mjs';
import { checkIncident, incidents, waitForIncident } from './incident.mjs';

const bin = path.join(prefix, 'bin/vigil');
const skip = packaged;

// A server in a folder of its own, with its control socket.
async function start(t, args = [], env = {}) {
  const dir = path.join(temporary(t), 'v');
  const it = new App(t, [app('told.mjs'), ...args], { env: { VIGIL_DIR: dir, ...env } });
  it.dir = dir;
  await it.line(/^ready/m);
  await until(() => existsSync(path.join(dir, `control-${it.pid}.sock`)), () => `the socket; it said ${it.said()}`);
  return it;
}

// Blocked for 300 ms each second from when it was asked.
const BUSY = { ...FAST, VIGIL_REPORT: 'off', VIGIL_CAPTURE: 'cpu,before', VIGIL_COOLDOWN: '0s', VIGIL_PER_HOUR: '60' };

// Runs the command to its end. It finds a process by its PID alone.
async function vigil(t, args, { env = {}, bin: file = bin, cwd } = {}) {
  const { code, stdout, stderr } = await new App(t, args.map(String), { bin: file, env: { VIGIL_DIR: undefined, ...env }, cwd }).exit(2 * MINUTE);
  return { code, stdout, stderr, json: () => JSON.parse(stdout) };
}

// As much of a terminal as `top` needs: a grid, and what it must not do.
class Terminal {
  constructor(columns, rows) {
    Object.assign(this, { alternate: false, cursor: true, wrap: true, widest: 0, faults: [], colours: 0 });
    this.resize(columns, rows);
  }

  resize(columns, rows) {
    Object.assign(this, { columns, rows, x: 0, y: 0 });
    this.grid = Array.from({ length: rows }, () => Array(columns).fill(' '));
  }

  write(text) {
    for (const [piece] of text.matchAll(/\x1b\[[?0-9;]*[A-Za-z]|[^]/gu)) this.#take(piece);
  }

  #take(piece) {
    if (!piece.startsWith('\x1b')) {
      if (piece < ' ') this.faults.push(`control ${JSON.stringify(piece)}`);
      if (this.x >= this.columns || this.y >= this.rows) this.faults.push(`outside at ${this.x},${this.y}: ${piece}`);
      else this.grid[this.y][this.x] = piece;
      this.widest = Math.max(this.widest, ++this.x);
      return;
    }
    const mode = /^\x1b\[\?(\d+)([hl])$/.exec(piece);
    const place = /^\x1b\[(\d+);(\d+)H$/.exec(piece);
    if (mode) this[{ 1049: 'alternate', 25: 'cursor', 7: 'wrap' }[mode[1]]] = mode[2] === 'h';
    else if (place) Object.assign(this, { y: place[1] - 1, x: place[2] - 1 });
    else if (piece === '\x1b[K') this.grid[this.y]?.fill(' ', this.x);
    else if (piece === '\x1b[J') this.grid.forEach((row, y) => { if (y > this.y) row.fill(' '); });
    else if (/^\x1b\[\d*m$/.test(piece)) this.colours += /^\x1b\[[1-9]/.test(piece);
    else this.faults.push(JSON.stringify(piece));
  }

  get text() {
    return this.grid.map((row) => row.join('').trimEnd()).join('\n');
  }
}

// The command in a terminal.
function inTerminal(t, args, { columns = 80, rows = 24, env = {} } = {}) {
  const term = new Terminal(columns, rows);
  const child = spawn('/usr/bin/python3', [path.join(top, 'test/integration/pty.py'), columns, rows, bin, ...args.map(String)].map(String), {
    env: { PATH: process.env.PATH, TERM: 'xterm-256color', LANG: 'C.UTF-8', HOME: process.env.HOME, ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  const it = { term, child, all: '', stderr: '', end: null };
  child.stdout.setEncoding('utf8').on('data', (s) => { it.all += s; term.write(s); });
  child.stderr.setEncoding('utf8').on('data', (s) => { it.stderr += s; });
  child.stdin.on('error', () => {});
  child.stdio[3].on('error', () => {});
  child.on('close', () => { it.end = JSON.parse(it.stderr.trim().split('\n').at(-1)); });
  t.after(() => child.kill('SIGKILL'));
  it.sees = (re) => until(() => re.test(term.text), () => `${re} on the screen:\n${term.text}\n${it.stderr}`);
  it.key = (key) => child.stdin.write(key);
  it.resize = (c, r) => {
    term.resize(c, r);
    child.stdio[3].write(`${c} ${r}\n`);
  };
  it.left = async (code) => {
    await until(() => it.end !== null, () => `its end; the screen:\n${term.text}`);
    assert.deepEqual(it.end, { code, restored: true });
    assert.deepEqual([term.alternate, term.cursor, term.wrap], [false, true, true]);
    assert.deepEqual(term.faults, []);
    assert.ok(term.widest <= Math.max(columns, term.columns), `${term.widest}`);
  };
  return it;
}

describe('the command itself', { skip, concurrency: 2 }, () => {
  test('help, version, usage, exit codes', async (t) => {
    const { code, stdout } = await vigil(t, ['--help']);
    assert.equal(code, 0);
    for (const name of ['top', 'capture', 'ls', 'report', 'doctor']) {
      assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
      const one = await vigil(t, [name, '--help']);
      assert.equal(one.code, 0);
      assert.match(one.stdout, new RegExp(`^usage: vigil ${name} `));
      assert.ok(one.stdout.split('\n').every((line) => line.length <= 90), name);
    }
    assert.match((await vigil(t, ['--version'])).stdout, /^vigil \d+ \(Node\.js v24\./);
    for (const args of [[], ['bogus'], ['top'], ['top', '1', '2'], ['top', '--bogus', '1'], ['capture', '1', '--thread'], ['ls', 'a', 'b'],
                        ['doctor', 'x y'], ['top', '--interval', '0', '1'], ['ls', '--json=x']]) {
      const wrong = await vigil(t, args);
      assert.equal(wrong.code, 2, JSON.stringify([args, wrong]));
      assert.equal(wrong.stdout, '');
    }
    const none = await vigil(t, ['capture', '4194303999']);
    assert.deepEqual([none.code, none.stderr], [3, 'vigil: there is no process 4194303999\n']);
    const other = await vigil(t, ['doctor', process.ppid, '--json']);
    assert.equal(other.code, 3);
    assert.match(other.stderr, /^vigil: process \d+ has no control socket: /);
  });

  test('through links, from anywhere, with no PATH, no shell, and options of the program', async (t) => {
    const dir = temporary(t);
    symlinkSync(bin, path.join(dir, 'a'));
    symlinkSync('a', path.join(dir, 'b'));
    const env = { PATH: '', NODE_OPTIONS: '--require /no/such/file', VIGIL: 'on', VIGIL_DIR: path.join(dir, 'v') };
    const { code, stdout, stderr } = await vigil(t, ['--version'], { bin: path.join(dir, 'b'), env, cwd: '/' });
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^vigil /);
    // It is not watched itself.
    assert.equal(existsSync(env.VIGIL_DIR), false);
    assert.notEqual(readFileSync(bin).subarray(0, 2).toString(), '#!');
  });
});

describe('against a server', { skip, concurrency: 2 }, () => {
  test('ls: processes and incidents, of all, a process, a folder', async (t) => {
    const it = await start(t, ['0', '300', 'again'], BUSY);
    const calm = await start(t);
    it.kill('SIGHUP');
    const directory = await waitForIncident(it, it.dir);
    // It finds the folders in the environments of processes.
    const all = (await vigil(t, ['ls', '--json'])).json();
    const pids = all.processes.map(({ pid }) => pid);
    assert.ok(pids.includes(it.pid) && pids.includes(calm.pid), `${pids}`);
    const one = (await vigil(t, ['ls', it.pid, '--json'])).json();
    assert.deepEqual(one.processes.map(({ pid }) => pid), [it.pid]);
    const { manifest } = checkIncident(directory);
    const listed = one.incidents.at(-1);
    assert.deepEqual([listed.directory, listed.triggered, listed.rule, listed.cause, listed.p99Ms, listed.pid, listed.threadId],
                     [directory, manifest.triggered, 'lag-p99', manifest.cause.class, manifest.lag.p99Ms, it.pid, 0]);
    assert.deepEqual(listed.files.map(({ name }) => name), readdirSync(directory).sort());
    const text = (await vigil(t, ['ls', it.pid])).stdout;
    assert.match(text, new RegExp(`^ *PID  STATE .*\\n *${it.pid}  (incident|pending|well) `));
    assert.match(text, new RegExp(`lag-p99 .*\\n  ${directory}\\n`));
    const folder = (await vigil(t, ['ls', it.dir, '--json'])).json();
    assert.deepEqual([folder.processes, folder.incidents.at(-1).directory], [[], directory]);
    assert.equal((await vigil(t, ['ls', directory, '--json'])).json().incidents.length, 1);
    assert.match((await vigil(t, ['ls', calm.dir])).stdout, /^No incident in /);
  });

  test('capture', async (t) => {
    const it = await start(t, ['1'], BUSY);
    const { code, stdout } = await vigil(t, ['capture', it.pid, '--cpu', '300ms']);
    assert.equal(code, 0);
    const [directory, ...files] = stdout.trim().split('\n');
    assert.deepEqual(incidents(it.dir), [directory]);
    assert.equal(files.length, 2);
    assert.ok(checkIncident(directory).profile !== null);
    // The value of an option, or the process.
    const other = await vigil(t, ['capture', '--alloc', '--thread', '1', '--for=200ms', it.pid, '--json']);
    assert.equal(other.code, 0);
    const { state, incident } = other.json();
    assert.deepEqual([state, incident.threadId, checkIncident(incident.directory).alloc !== null], ['done', 1, true]);
    const started = await vigil(t, ['capture', it.pid, '--before', '--no-wait', '--json']);
    assert.equal(started.json().state, 'waiting');
    const refused = await vigil(t, ['capture', it.pid, '--thread', '77']);
    assert.deepEqual([refused.code, refused.stderr], [1, 'vigil: refused: there is no such thread, or it has just ended\n']);
    const wrong = await vigil(t, ['capture', it.pid, '--cpu=1h']);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /^vigil: cpu="1h" is not understood: want /);
  });

  test('doctor: what is wrong now, and was; and in a folder', async (t) => {
    const it = await start(t, ['0', '300', 'again'], { ...BUSY, VIGIL_FOR: '3s' });
    const calm = await vigil(t, ['doctor', it.pid]);
    assert.equal(calm.code, 0);
    assert.match(calm.stdout, new RegExp(`^Process ${it.pid}, well\\.\\n`));
    it.kill('SIGHUP');
    const pending = await until(async () => {
      const one = await vigil(t, ['doctor', it.pid, '--json']);
      return one.code === 1 ? one : null;
    }, 'a finding');
    const now = pending.json();
    assert.equal(now.well, false);
    const finding = now.threads[0].findings.find(({ rule }) => rule === 'lag-p99') ?? now.threads[0];
    assert.ok(finding.stalledMs > 0 || (finding.sentences.length > 0 && finding.next.length > 0), JSON.stringify(now));
    const directory = await waitForIncident(it, it.dir);
    const { manifest } = checkIncident(directory);
    const text = await until(async () => {
      const one = await vigil(t, ['doctor', it.pid]);
      return /^The last incident, .* ago: event loop lag p99 is /m.test(one.stdout) && one.code === 1 ? one.stdout : null;
    }, 'the last incident');
    assert.match(text, /main thread: one event in a hundred waits/);
    assert.ok(text.split('\n').every((line) => line.length <= 80 || !line.includes(' ', 10)), text);
    const past = await vigil(t, ['doctor', directory, '--json']);
    assert.equal(past.code, 0);
    const said = past.json();
    assert.deepEqual([said.headline, said.cause], [manifest.headline, manifest.cause.class]);
    assert.ok(said.sentences.length > 0 && said.next.length > 0);
    if (manifest.cause.class === 'js') assert.match(said.sentences.join(' '), /guiltyHandler/);
  });

  test('report', async (t) => {
    const it = await start(t, [], BUSY);
    await vigil(t, ['capture', it.pid, '--cpu', '200ms']);
    const [directory] = incidents(it.dir);
    const { code, stdout } = await vigil(t, ['report', directory, '--json']);
    assert.equal(code, 0);
    const { file, bytes } = JSON.parse(stdout);
    assert.equal(file, path.join(directory, 'report.html'));
    const page = readFileSync(file, 'utf8');
    assert.equal(Buffer.byteLength(page), bytes);
    assert.match(page, /^<!doctype html>/i);
    assert.match(page, /captured on request of the control socket/);
    // By its name, with a folder that the environment names.
    assert.equal((await vigil(t, ['report', path.basename(directory)], { env: { VIGIL_DIR: it.dir } })).code, 0);
    const empty = temporary(t);
    const none = await vigil(t, ['report', empty]);
    assert.deepEqual([none.code, none.stderr], [1, `vigil: ${empty} holds no incident\n`]);
    assert.deepEqual(readdirSync(empty), []);
  });

  test('what is broken or hostile on disk does not stop it, nor reach the terminal', async (t) => {
    const dir = path.join(temporary(t), 'v');
    const one = path.join(dir, 'incident-20261123T031415Z-21');
    mkdirSync(one, { recursive: true });
    writeFileSync(path.join(one, 'incident.json'), JSON.stringify({ headline: '\x1b[2J\nx', thread: { name: '\x1b]0;x\x07' }, rule: { name: 'a\rb' } }));
    mkdirSync(path.join(dir, 'incident-20261123T031416Z-21'));
    writeFileSync(path.join(dir, 'incident-20261123T031416Z-21', 'incident.json'), '{"headline');
    for (const args of [['ls', dir], ['doctor', one]]) {
      const { code, stdout } = await vigil(t, args);
      assert.equal(code, 0, JSON.stringify(args));
      assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f]/);
    }
    assert.equal((await vigil(t, ['ls', dir, '--json'])).json().incidents.length, 2);
  });

  test('top, without a terminal', async (t) => {
    const it = await start(t, ['1'], BUSY);
    const { code, stdout } = await vigil(t, ['top', it.pid]);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^vigil top {2}pid ${it.pid} {2}main thread \\(1 of 2\\)`));
    for (const word of ['lag', 'busy', 'cause', 'gc', 'pool', 'stalls', 'process', 'rule', 'lag-p99', 'old-space', 'capture']) {
      assert.match(stdout, new RegExp(`^${word} `, 'm'));
    }
    assert.doesNotMatch(stdout, /\x1b/);
    assert.ok(stdout.split('\n').every((line) => line.length <= 80));
    assert.equal((await vigil(t, ['top', it.pid, '--json'])).json().pid, it.pid);
  });
});

describe('top in a terminal', { skip: skip || (!existsSync('/usr/bin/python3') && 'needs python3 for a terminal'), concurrency: 2 }, () => {
  test('80x24: keys, threads, capture, another size, quit', async (t) => {
    const it = await start(t, ['2', '300', 'again'], { ...BUSY, VIGIL_LAG_P99_MS: '60000' });
    it.kill('SIGHUP');
    const screen = inTerminal(t, ['top', it.pid, '--interval', '0.2']);
    await screen.sees(new RegExp(`^vigil top {2}pid ${it.pid} {2}main thread \\(1 of 3\\)`));
    assert.deepEqual([screen.term.alternate, screen.term.cursor], [true, false]);
    await screen.sees(/^lag {5}p50 .*p99 .*max/m);
    await screen.sees(/^lag-p99 +idle/m);
    await screen.sees(/^q quit/m);
    assert.ok(screen.term.colours > 0);
    // All of it is there.
    for (const word of ['busy', 'cause', 'gc', 'pool', 'stalls', 'process', 'stall', 'gc-share', 'pool-wait-p99', 'old-space', 'capture']) {
      assert.match(screen.term.text, new RegExp(`^${word} `, 'm'));
    }
    screen.key('\x1b[C');
    await screen.sees(/worker 1 .* \(2 of 3\)/);
    screen.key('3');
    await screen.sees(/\(3 of 3\)/);
    screen.key('\x1b[D\x1b[D');
    await screen.sees(/\(1 of 3\)/);
    screen.key('?');
    await screen.sees(/^left, right {4}the thread before/m);
    screen.key('?');
    await screen.sees(/^lag-p99/m);
    screen.key('p');
    await screen.sees(/paused$/m);
    screen.key('p');
    await screen.sees(/\d\d:\d\d:\d\d$/m);
    screen.key('c');
    await until(() => incidents(it.dir).length === 1, 'the capture');
    await screen.sees(/^captured: /m);
    screen.resize(60, 16);
    await screen.sees(/^captured: /m);
    await until(() => screen.term.text.split('\n').length === 16 && /^lag/m.test(screen.term.text), 'the new size');
    screen.resize(120, 40);
    await screen.sees(/^lag-p99/m);
    screen.key('q');
    await screen.left(0);
  });

  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
    test(`${signal} gives the terminal back`, async (t) => {
      const it = await start(t);
      const screen = inTerminal(t, ['top', it.pid]);
      await screen.sees(/^lag/m);
      const pid = Number(readFileSync(`/proc/${screen.child.pid}/task/${screen.child.pid}/children`, 'utf8'));
      process.kill(pid, signal);
      await screen.left(code);
    });
  }

  test('ctrl-c, no colours, and a process that ends', async (t) => {
    const it = await start(t);
    const plain = inTerminal(t, ['top', it.pid], { env: { NO_COLOR: '1', LC_ALL: 'C' } });
    await plain.sees(/^lag/m);
    await plain.sees(/^busy {4}[#.]{20} /m);
    assert.equal(plain.term.colours, 0);
    const other = inTerminal(t, ['top', it.pid]);
    await other.sees(/^lag/m);
    other.key('\x03');
    await other.left(0);
    it.kill('SIGKILL');
    await plain.sees(/^process \d+ has ended; q quits/m);
    plain.key('q');
    await plain.left(3);
  });

  test('a dumb terminal gets it once', async (t) => {
    const it = await start(t);
    const screen = inTerminal(t, ['top', it.pid], { env: { TERM: 'dumb' } });
    await until(() => screen.end !== null, 'its end');
    assert.deepEqual(screen.end, { code: 0, restored: true });
    assert.match(screen.all, /^vigil top /);
    assert.doesNotMatch(screen.all, /\x1b/);
  });
});
