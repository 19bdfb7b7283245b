// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The control socket: where and when it is, who may use it, and all that it does.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, FAST, MINUTE, app, node, run, stockNode, temporary, threads, until } from './helpers.mjs';
import { checkIncident, incidents } from './incident.mjs';
import { ask, parse } from './told.mjs';

// A process with a control socket, once it has one. `socket` is where.
async function start(t, args = [], env = {}, options = {}) {
  const dir = env.VIGIL_DIR ?? path.join(temporary(t), 'v');
  const it = new App(t, [app('told.mjs'), ...args], { env: { VIGIL_DIR: dir, ...env }, ...options });
  it.dir = dir;
  it.socket = env.VIGIL_CONTROL?.startsWith('/') && !env.VIGIL_CONTROL.endsWith('/')
    ? env.VIGIL_CONTROL : path.join(env.VIGIL_CONTROL ?? dir, `control-${it.pid}.sock`);
  await it.line(/^ready/m);
  await until(() => existsSync(it.socket), () => `${it.socket}; it said ${it.said()}`);
  it.ask = async (what, method = 'GET') => {
    const { status, body } = await ask(it.socket, what, { method });
    return { status, ...JSON.parse(body) };
  };
  return it;
}

// What a capture came to.
async function captured(it, query = '') {
  const { status, id } = await it.ask(`/capture${query}`, 'POST');
  assert.equal(status, 202);
  return until(async () => {
    const answer = await it.ask(`/capture/${id}`);
    assert.equal(answer.status, 200);
    assert.equal(answer.id, id);
    return ['waiting', 'running'].includes(answer.state) ? null : answer;
  }, 'its end', 2 * MINUTE);
}

const rule = (status, name) => status.threads[0].rules.find((one) => one.name === name);

describe('where and when', { concurrency: 2 }, () => {
  test('while it is watched, for its user alone; it goes with the process, and its folder too', async (t) => {
    const it = await start(t);
    assert.equal((statSync(it.socket).mode & 0o777).toString(8), '600');
    assert.equal((statSync(it.dir).mode & 0o777).toString(8), '700');
    assert.deepEqual(readdirSync(it.dir), [path.basename(it.socket)]);
    assert.equal((await it.ask('/status')).pid, it.pid);
    const script = `require('node:http').createServer().listen(0, '127.0.0.1');
      const { existsSync } = require('node:fs');
      const look = setInterval(() => {
        if (!existsSync(process.env.VIGIL_DIR + '/control-' + process.pid + '.sock')) return;
        console.log('there');
        process.exit(0);
      }, 50);`;
    const dir = path.join(temporary(t), 'v');
    const { stdout, stderr } = await new App(t, ['-e', script], { env: { VIGIL_DIR: dir } }).exit();
    assert.equal(stdout, 'there\n');
    assert.equal(stderr, '');
    assert.equal(existsSync(dir), false);
  });

  test('not before it serves, and not with VIGIL=off or VIGIL_CONTROL=off', async (t) => {
    const dir = path.join(temporary(t), 'v');
    const env = { VIGIL_DIR: dir };
    const idle = new App(t, ['-e', 'setInterval(() => {}, 50); console.log(1)'], { env: { ...env, VIGIL_METRICS: '0' } });
    await idle.line(/^1/m);
    const off = [{ VIGIL: 'off' }, { VIGIL_CONTROL: 'off' }].map((one) => new App(t, [app('told.mjs')], { env: { ...env, ...one } }));
    for (const one of off) await one.line(/^ready/m);
    await until(() => threads(off[1].pid).includes('vigil-watch'), 'the watch thread');
    const it = await start(t, [], env);
    assert.deepEqual(readdirSync(dir), [path.basename(it.socket)]);
    assert.deepEqual(threads(off[1].pid).filter((name) => name.startsWith('vigil')), ['vigil-watch']);
    assert.deepEqual([idle, ...off].map(({ stderr }) => stderr), ['', '', '']);
  });

  test('a path, and a folder for several', async (t) => {
    const folder = temporary(t);
    const one = await start(t, [], { VIGIL_CONTROL: path.join(folder, 'one.sock') });
    const two = await start(t, [], { VIGIL_CONTROL: `${folder}/` });
    assert.deepEqual([(await one.ask('/status')).pid, (await two.ask('/status')).pid], [one.pid, two.pid]);
    assert.equal(existsSync(one.dir), false);
    const third = new App(t, [app('told.mjs')], { env: { VIGIL_CONTROL: one.socket, VIGIL_DIR: one.dir } });
    await third.line(/^vigil: VIGIL_CONTROL=".*one\.sock" cannot be used \(Address already in use\)$/m, 'stderr');
    assert.equal((await one.ask('/status')).pid, one.pid);
    // Nothing to serve: no thread for it.
    await until(() => !threads(third.pid).includes('vigil-tell'), 'the end of the thread');
    assert.equal(third.vigil.length, 1);
  });

  test('one that a dead process left is removed by the next one; others stay', async (t) => {
    const dir = path.join(temporary(t), 'v');
    const env = { VIGIL_DIR: dir };
    const dead = await start(t, [], env);
    const alive = await start(t, [], env);
    dead.kill('SIGKILL');
    await dead.end;
    assert.equal(existsSync(dead.socket), true);
    const next = await start(t, [], env);
    assert.equal(existsSync(dead.socket), false);
    for (const one of [alive, next]) assert.equal((await one.ask('/status')).pid, one.pid);
  });

  test('where it cannot be: quiet, but for a path that is too long', async (t) => {
    const root = temporary(t);
    const long = path.join(root, 'x'.repeat(100));
    const it = new App(t, [app('told.mjs')], { env: { VIGIL_DIR: long } });
    await it.line(/^vigil: no control socket: its path would be longer than the 107 bytes/m, 'stderr');
    await it.line(/^ready/m);
    assert.equal(it.vigil.length, 1);
    assert.equal(existsSync(long), false);
    writeFileSync(path.join(root, 'file'), '');
    symlinkSync(root, path.join(root, 'link'));
    const quiet = ['file', 'link', 'file/below'].map((name) => new App(t, [app('told.mjs')], { env: { VIGIL_DIR: path.join(root, name) } }));
    for (const one of quiet) {
      await one.line(/^ready/m);
      await until(() => threads(one.pid).includes('vigil-watch') && !threads(one.pid).includes('vigil-tell'), 'no thread');
      assert.equal(one.stderr, '');
    }
  });

  test('the program does not see it, and it costs nothing while nobody asks', async (t) => {
    const script = `
      const server = require('node:net').createServer().listen(0, '127.0.0.1');
      const { existsSync } = require('node:fs');
      setTimeout(() => {
        console.log(process.getActiveResourcesInfo(), process._getActiveHandles().length,
                    process.report.getReport().libuv.filter((h) => h.type === 'pipe').length,
                    existsSync(process.env.VIGIL_DIR + '/control-' + process.pid + '.sock'));
        setInterval(() => {}, 1e6);
      }, 1500);`;
    const it = new App(t, ['-e', script], { env: { VIGIL_DIR: path.join(temporary(t), 'v') } });
    const [, resources, rest] = await it.line(/^(\[.*?\]) (.*)$/m);
    const official = await run(t, ['-e', script.replace('setInterval(() => {}, 1e6)', 'process.exit()')], { bin: stockNode, env: { VIGIL_DIR: it.dir } });
    assert.equal(rest, '1 0 true');
    assert.equal(official.stdout, `${resources} 1 0 false\n`);
    const switches = () => {
      const task = readdirSync(`/proc/${it.pid}/task`).find((id) => readFileSync(`/proc/${it.pid}/task/${id}/comm`, 'utf8') === 'vigil-tell\n');
      return Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(readFileSync(`/proc/${it.pid}/task/${task}/status`, 'utf8'))[1]);
    };
    const before = switches();
    // As long as the watch thread takes for some ticks.
    const other = await start(t, [], { VIGIL_METRICS: '0' });
    await until(async () => (await other.ask('/status')).threads[0].lag?.windowMs > 3000, 'time');
    assert.equal(switches(), before);
  });
});

describe('who', { concurrency: 2 }, () => {
  test('another user is dropped, whatever the mode', { skip: process.getuid() !== 0 && 'needs root' }, async (t) => {
    const folder = temporary(t);
    chmodSync(folder, 0o755);
    const it = await start(t, [], { VIGIL_CONTROL: path.join(folder, 's') });
    const script = `
      const request = require('node:http').get({ socketPath: ${JSON.stringify(it.socket)}, path: '/status', agent: false }, (answer) => { answer.resume(); console.log('answered'); });
      request.on('error', ({ code }) => console.log(code));`;
    const as = (uid) => spawnSync(node, ['-e', script], { uid, gid: uid, cwd: '/', env: { VIGIL: 'off' }, encoding: 'utf8' }).stdout;
    const canRun = spawnSync(node, ['-e', 'console.log(1)'], { uid: 65534, gid: 65534, cwd: '/', env: { VIGIL: 'off' }, encoding: 'utf8' }).stdout === '1\n';
    if (!canRun) {
      t.skip('another user cannot run this binary');
      return;
    }
    assert.equal(as(65534), 'EACCES\n');
    chmodSync(it.socket, 0o666);
    assert.match(as(65534), /^(ECONNRESET|EPIPE)\n$/);
    assert.equal(as(0), 'answered\n');
  });

  test('nothing of it is on VIGIL_METRICS', async (t) => {
    const it = await start(t, [], { VIGIL_METRICS: '0' });
    const [, at] = await it.line(/^vigil: metrics are at (\S+)\/metrics$/m, 'stderr');
    for (const [what, method] of [['/capture', 'POST'], ['/capture/1', 'GET'], ['/threshold?lag-p99=80', 'POST'],
                                  ['/incidents', 'GET'], ['/incidents/a/incident.json', 'GET']]) {
      assert.equal((await ask(at, what, { method })).status, 404, what);
    }
    assert.equal(rule(await it.ask('/status'), 'lag-p99').limit, 50);
  });
});

describe('what it tells', { concurrency: 2 }, () => {
  test('status with causes, and metrics, without VIGIL_METRICS', async (t) => {
    const it = await start(t, ['1', '700'], { VIGIL_GRACE: '0s' });
    const begun = Date.now();
    // The first answer has facts, which nobody had collected.
    const first = await it.ask('/status');
    assert.ok(first.ageMs < 1500 && first.threads.length === 2, JSON.stringify(first));
    assert.ok(Date.parse(first.started) <= begun);
    it.kill('SIGHUP');
    const status = await until(async () => {
      const one = await it.ask('/status');
      return one.threads[0].stalls === 1 && one.threads[0].cause ? one : null;
    }, 'the stall');
    const [main] = status.threads;
    // It waits in a system call; a busy machine can hide that.
    const [[cause, stalls], ...more] = Object.entries(main.stallsByCause);
    assert.ok(more.length === 0 && stalls.count === 1 && stalls.totalMs >= 690, JSON.stringify(main.stallsByCause));
    assert.ok(main.cause.figures.busyMs >= 690 && typeof main.cause.text === 'string');
    assert.ok(main.gc.totalMs >= main.gc.windowMs && main.gc.kinds.scavenge.count >= 0);
    assert.ok(status.pool.kinds['fast-io'].begun >= 0 && status.process.residentBytes > 2 ** 24);
    const m = parse((await ask(it.socket, '/metrics')).body);
    assert.equal(m.sum('vigil_stalls_total', { thread: 'main', cause }), 1);
  });

  test('it answers while the loop is blocked', async (t) => {
    const it = await start(t, ['0', '20000'], { VIGIL_CAPTURE: 'none', VIGIL_STALL_TRIGGER: 'off' });
    it.kill('SIGHUP');
    await it.line(/^blocking/m);
    await until(async () => {
      const { threads: [main] } = await it.ask('/status');
      return main.openMs > 1500 && main.stalled;
    }, 'the block');
    assert.equal(it.exited, false);
  });
});

describe('captures', { concurrency: 2 }, () => {
  test('as asked for: parts, length, thread', async (t) => {
    const it = await start(t, ['1'], { ...FAST, VIGIL_COOLDOWN: '0s', VIGIL_PER_HOUR: '60' });
    const cpu = await captured(it, '?cpu=500ms');
    assert.equal(cpu.state, 'done');
    assert.deepEqual([cpu.directory], incidents(it.dir));
    assert.equal(path.basename(cpu.directory), cpu.name);
    const { manifest, profile, snapshot, past } = checkIncident(cpu.directory);
    assert.equal(manifest.rule.name, 'the control socket');
    assert.equal(manifest.rule.onDemand, true);
    assert.ok(profile !== null && snapshot === null && past === null);
    const ms = (profile.endTime - profile.startTime) / 1000;
    assert.ok(ms >= 450 && ms < 20_000, `${ms}`);
    const worker = await captured(it, '?thread=1&alloc&for=200ms');
    const parts = checkIncident(worker.directory);
    assert.equal(parts.manifest.thread.id, 1);
    assert.ok(parts.alloc !== null && parts.profile === null);
    assert.match(it.stderr, /captured on request of the control socket \(worker 1/);
  });

  test('as configured, and less', async (t) => {
    const it = await start(t, [], { ...FAST, VIGIL_COOLDOWN: '0s', VIGIL_PER_HOUR: '60' });
    const all = checkIncident((await captured(it)).directory);
    assert.ok(all.profile !== null && all.snapshot !== null && all.alloc === null);
    const less = checkIncident((await captured(it, '?heap=off')).directory);
    assert.ok(less.profile !== null && less.snapshot === null);
  });

  test('why not', async (t) => {
    const it = await start(t, [], FAST);
    const gone = await captured(it, '?thread=99');
    assert.deepEqual([gone.state, gone.reason], ['refused', 'there is no such thread, or it has just ended']);
    for (const [query, why] of [['?cpu=1h', /^cpu="1h" is not understood: want on, off or a duration/], ['?cpus', /^"cpus" is not known/]]) {
      const { status, error } = await it.ask(`/capture${query}`, 'POST');
      assert.equal(status, 400);
      assert.match(error, why);
    }
    assert.equal((await it.ask('/capture/77')).status, 404);
    assert.equal((await it.ask('/capture/x')).status, 404);
    assert.equal((await ask(it.socket, '/capture')).status, 405);
    assert.equal((await ask(it.socket, '/capture/1', { method: 'POST' })).status, 405);
    assert.deepEqual(incidents(it.dir), []);
  });

  test('a directory that cannot be written', { skip: process.getuid() === 0 && existsSync('/proc/vigil') }, async (t) => {
    const folder = temporary(t);
    const it = await start(t, [], { ...FAST, VIGIL_DIR: '/proc/vigil', VIGIL_CONTROL: `${folder}/` });
    const { state, reason } = await captured(it, '?before');
    assert.equal(state, 'refused');
    assert.match(reason, /^VIGIL_DIR cannot be used \(/);
    // Nothing there is as good as nothing in it.
    assert.deepEqual((await it.ask('/incidents')).incidents, []);
  });
});

describe('limits', { concurrency: 2 }, () => {
  test('a rule goes by the new one, and status says so', async (t) => {
    // 300 ms each second: no incident at the limit it begins with.
    const it = await start(t, ['0', '300', 'again'], { ...FAST, VIGIL_LAG_P99_MS: '60000', VIGIL_CAPTURE: 'none' });
    it.kill('SIGHUP');
    await until(async () => rule(await it.ask('/status'), 'lag-p99').value > 100, 'the lag');
    assert.deepEqual(incidents(it.dir), []);
    const { status, rules } = await it.ask('/threshold?lag-p99=40&gc-share=off', 'POST');
    assert.equal(status, 200);
    assert.deepEqual(rules, [{ name: 'lag-p99', unit: 'ms', limit: 40 }, { name: 'gc-share', unit: '%', limit: null }]);
    await until(() => incidents(it.dir).length === 1, 'the incident');
    const { manifest } = checkIncident(incidents(it.dir)[0]);
    assert.deepEqual([manifest.rule.name, manifest.rule.limit], ['lag-p99', 40]);
    const now = await it.ask('/status');
    assert.deepEqual([rule(now, 'lag-p99').limit, rule(now, 'gc-share').state], [40, 'off']);
    assert.equal((await it.ask('/threshold?gc-share=35%25', 'POST')).rules[0].limit, 35);
    await until(async () => rule(await it.ask('/status'), 'gc-share').limit === 35, 'the limit');
  });

  test('all of it, or nothing', async (t) => {
    const it = await start(t, [], { VIGIL_STALL_MS: 'off' });
    const { status, error } = await it.ask('/threshold?lag-p99=80&pool-wait-p99=x', 'POST');
    assert.deepEqual([status, error], [400, 'pool-wait-p99="x" is not understood: want milliseconds from 1 to 600000, or off']);
    assert.deepEqual((await it.ask('/threshold?stall=2s', 'POST')).status, 409);
    assert.equal(rule(await it.ask('/status'), 'lag-p99').limit, 50);
  });
});

describe('incidents', { concurrency: 2 }, () => {
  test('the list, and files of any size, as they are', async (t) => {
    const it = await start(t, [], { ...FAST, VIGIL_REPORT: 'off' });
    const { directory, name } = await captured(it, '?cpu=200ms');
    const big = Buffer.alloc(30 * 2 ** 20, 'vigil ');
    writeFileSync(path.join(directory, 'heap-1.heapsnapshot'), big);
    const { directory: dir, incidents: [one], more } = await it.ask('/incidents');
    assert.deepEqual([dir, more, one.name, one.directory, one.pid], [it.dir, 0, name, directory, it.pid]);
    const manifest = JSON.parse(readFileSync(path.join(directory, 'incident.json')));
    assert.deepEqual([one.headline, one.cause, one.why, one.rule, one.onDemand, one.p99Ms, one.threadId],
                     [manifest.headline, manifest.cause.class, manifest.cause.text, manifest.rule.name, true, manifest.lag.p99Ms, 0]);
    assert.deepEqual(one.files.map((file) => file.name).sort(), readdirSync(directory).sort());
    const hash = (data) => createHash('sha256').update(data).digest('hex');
    for (const file of one.files) {
      const { status, body } = await ask(it.socket, `/incidents/${name}/${file.name}`);
      assert.equal(status, 200);
      assert.equal(hash(body), hash(readFileSync(path.join(directory, file.name))), file.name);
    }
    // One that reads nothing of it holds nobody up, and is dropped.
    const slow = net.connect(it.socket).on('error', () => {});
    t.after(() => slow.destroy());
    slow.pause();
    slow.write(`GET /incidents/${name}/heap-1.heapsnapshot HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.equal((await it.ask('/status')).pid, it.pid);
    const head = await ask(it.socket, `/incidents/${name}/heap-1.heapsnapshot`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, String(big.length), '']);
  });

  test('no path leads out of them', async (t) => {
    const it = await start(t, [], FAST);
    const { directory, name } = await captured(it, '?before');
    writeFileSync(path.join(it.dir, 'secret'), 'secret');
    symlinkSync('../secret', path.join(directory, 'link.json'));
    mkdirSync(path.join(directory, 'folder'));
    const raw = (what) => new Promise((resolve) => {
      const socket = net.connect(it.socket);
      let got = '';
      socket.setEncoding('latin1').on('data', (s) => { got += s; }).on('close', () => resolve(got)).on('error', () => {});
      socket.end(`GET ${what} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    });
    assert.match(await raw(`/incidents/${name}/incident.json`), /^HTTP\/1\.1 200 OK/);
    for (const what of [`/incidents/${name}/../secret`, '/incidents/../secret', '/incidents/secret', `/incidents/${name}/link.json`,
                        `/incidents/${name}/folder`, `/incidents/${name}/`, `/incidents/${name}`, `/incidents//${name}/incident.json`,
                        `/incidents/${name}/%2e%2e/secret`, `/incidents/.budget-${process.getuid()}/state`, `/incidents/${it.dir}/secret`,
                        `/incidents/${name}/incident.json/.`, `/incidents/./${name}/incident.json`]) {
      const got = await raw(what);
      assert.match(got, /^HTTP\/1\.1 404 /, what);
      assert.doesNotMatch(got, /secret$/, what);
    }
  });
});

// Pieces of requests in any order: every reply is HTTP, and it goes on serving.
test('anything at all on the socket', async (t) => {
  const it = await start(t, [], { ...FAST, VIGIL_CAPTURE: 'none' });
  const words = ['GET ', 'POST ', 'HEAD ', '/status', '/capture', '/capture/1', '/threshold', '?lag-p99=', '80', 'x', '%', '%25', '&', '=', '/incidents',
                 '/incidents/', '..', '/', 'incident-20261123T031415Z-1', ' HTTP/1.1\r\n', 'Host: x\r\n', 'Content-Length: 0\r\n', 'Content-Length: 5\r\n',
                 '\r\n', '\r\n\r\n', '\0', '\x80', 'A'.repeat(2000), '?thread=99&before', 'Transfer-Encoding: chunked\r\n'];
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  let state = seed;
  const random = (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % below;
  };
  for (let i = 0; i < 400; i++) {
    let text = random(3) === 0 ? '' : `${['GET', 'POST'][random(2)]} ${['/status', '/capture', '/threshold', '/incidents'][random(4)]}`;
    for (let n = random(12); n > 0; n--) text += words[random(words.length)];
    const got = await new Promise((resolve) => {
      const socket = net.connect(it.socket);
      let all = '';
      socket.setEncoding('latin1').on('data', (s) => { all += s; }).on('close', () => resolve(all)).on('error', () => {});
      socket.end(`${text}${random(2) ? ' HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' : ''}`, 'latin1');
    });
    assert.match(got, /^$|^HTTP\/1\.1 (200|202|400|404|405|409|413|414|431|500|503) /, `${i}: ${JSON.stringify(text)}`);
  }
  const status = await it.ask('/status');
  assert.equal(status.pid, it.pid);
  assert.ok(rule(status, 'lag-p99').limit >= 1);
  assert.equal(it.exited, false);
});
