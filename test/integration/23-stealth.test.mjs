// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Programs cannot tell our binary from the official one, watched or not: same
// output, same exit code, same handles, signals, descriptors, children.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { run, stockNode, temporary } from './helpers.mjs';

// A server on loopback, so that Vigil is armed, and what to do once it is up.
const serving = (body) => `
  const server = require('node:net').createServer().listen(0, '127.0.0.1', () => { ${body} });`;

const scripts = {
  'an empty program': '',
  'output and an exit code': 'console.log("out"); console.error("err"); process.exitCode = 5;',
  'process.exit() in a server': serving('process.exit(6)'),
  'a server that closes': serving('server.close()'),
  'a server that is not waited for': `${serving('')} server.unref();`,
  'timers and immediates': 'setTimeout(() => console.log(2), 5); setImmediate(() => console.log(1));',
  'handles and resources, idle': `
    console.log(process._getActiveHandles().length, process._getActiveRequests().length,
                process.getActiveResourcesInfo());`,
  'handles and resources of a server': serving(`
    console.log(process._getActiveHandles().map((h) => h.constructor.name),
                process.getActiveResourcesInfo());
    server.close();`),
  'an error': 'throw new TypeError("thrown");',
  'an error in a server': serving('throw new TypeError("thrown")'),
  'a rejection': 'Promise.reject(new Error("rejected"));',
  'abort': serving('process.abort()'),
  'death by a signal': serving('process.kill(process.pid, "SIGTERM")'),
  'death by SIGUSR2': serving('process.kill(process.pid, "SIGUSR2")'),
  'death by SIGPROF': serving('process.kill(process.pid, "SIGPROF")'),
  'a signal handler': serving(`
    process.on('SIGUSR2', () => { console.log('caught'); process.exit(0); });
    process.kill(process.pid, 'SIGUSR2');`),
  'signals caught, blocked and ignored': serving(`
    console.log(require('node:fs').readFileSync('/proc/self/status', 'utf8').match(/^Sig(Blk|Ign|Cgt).*/mg));
    server.close();`),
  'open files': serving(`
    const fs = require('node:fs');
    server.close();
    // The watch thread has descriptors of its own loop; what it must not do is
    // leak them into children.
    const child = require('node:child_process').spawnSync('/bin/ls', ['/proc/self/fd'], { encoding: 'utf8' });
    console.log(child.stdout);`),
  'signals of a child': serving(`
    const child = require('node:child_process').spawnSync(
      '/bin/grep', ['-E', '^Sig(Blk|Ign|Cgt)', '/proc/self/status'], { encoding: 'utf8' });
    console.log(child.stdout);
    server.close();`),
  'environment, arguments and name of a child': serving(`
    const { spawnSync } = require('node:child_process');
    const told = (file, args) => spawnSync(file, args, { encoding: 'utf8' }).stdout;
    console.log(told('/usr/bin/env', []).split('\\n').filter((line) => !/^VIGIL/.test(line)).sort());
    console.log(told('/bin/sh', ['-c', 'ulimit -a; umask; cat /proc/self/comm; ls /proc/$$/task | wc -l']));
    console.log(told(process.execPath, ['-p', '[process.title === process.execPath, process.argv0 === process.execPath] + process.execArgv + Object.keys(process.env).filter((n) => !/^VIGIL/.test(n))']));
    server.close();`),
  'handles on the loop, as a report shows them': serving(`
    console.log(process.report.getReport().libuv
      .map((h) => h.type + ' ' + h.is_active + ' ' + h.is_referenced).sort());
    server.close();`),
  'async resources': `
    const types = [];
    require('node:async_hooks').createHook({ init(id, type) { types.push(type); } }).enable();
    ${serving('fetchOnce()')}
    function fetchOnce() {
      require('node:net').connect(server.address().port, '127.0.0.1').on('close', () => console.log(types)).end();
      server.on('connection', (c) => { c.resume(); server.close(); });
    }`,
  'a megabyte to a pipe, then the exit': serving(`
    process.stdout.write('x'.repeat(2 ** 20) + 'end\\n', () => process.exit(9));`),
  'standard input that ends': 'process.stdin.on("end", () => console.log("end")).resume();',
  'a server, a connection and a timer that are not waited for': `
    ${serving("require('node:net').connect(server.address().port, '127.0.0.1', () => console.log('connected')).unref(); server.unref();")}
    server.on('connection', (c) => c.unref());
    setInterval(() => {}, 1e6).unref();`,
  'an immediate and a microtask at the end': `
    ${serving('server.close()')}
    process.on('exit', () => { Promise.resolve().then(() => console.log('never')); console.log('exit'); });
    server.on('close', () => setImmediate(() => queueMicrotask(() => console.log('micro'))));`,
  'death by SIGINT, SIGHUP and SIGQUIT of children that serve': `
    const { spawn } = require('node:child_process');
    const child = "require('node:net').createServer().listen(0, '127.0.0.1', () => console.log('up'))";
    (async () => {
      for (const signal of ['SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGKILL']) {
        const it = spawn(process.execPath, ['-e', child], { stdio: ['ignore', 'pipe', 'inherit'] });
        it.stdout.once('data', () => it.kill(signal));
        console.log(await new Promise((done) => it.on('exit', (...how) => done(how))));
      }
    })();`,
  'own properties of process': 'console.log(Reflect.ownKeys(process).map(String), Reflect.ownKeys(globalThis).map(String).filter((k) => k !== "node:vigil"));',
  'names of builtin modules': `console.log(require('node:module').builtinModules.filter((n) => n !== 'node:vigil'));`,
  'a worker': `
    const { Worker } = require('node:worker_threads');
    new Worker('console.log(process.getActiveResourcesInfo().length); process.exit(3)', { eval: true })
      .on('exit', (code) => console.log('worker', code));`,
  'a fork': `
    require('node:fs').writeFileSync('child.js', 'process.send(process.argv.length); process.exit(4)');
    require('node:child_process').fork('./child.js').on('message', (m) => console.log(m))
      .on('exit', (code) => console.log(code));`,
  'beforeExit and exit': `
    let n = 0;
    process.on('beforeExit', () => { if (n++ < 2) setTimeout(() => console.log(n), 1); });
    process.on('exit', (code) => console.log('exit', code));`,
  'an idle server, event loop figures': serving(`
    const { performance } = require('node:perf_hooks');
    setTimeout(() => {
      console.log(performance.eventLoopUtilization().utilization <= 1, performance.nodeTiming.uvMetricsInfo.loopCount > 0);
      server.close();
    }, 50);`),
};

// Process ids, ports and addresses of native code differ.
const tidy = (text) => text.replaceAll(/^ *\d+: 0x.*\n/gm, '').replaceAll(/\b\d{3,}\b/g, 'N');

// What a program that does not serve can see of a process that has a watch
// thread only when it serves.
const unarmed = {
  'threads': `
    const fs = require('node:fs');
    const names = () => fs.readdirSync('/proc/self/task')
      .map((id) => fs.readFileSync('/proc/self/task/' + id + '/comm', 'utf8').trim()).sort();
    fs.promises.readFile('/dev/null').then(() => console.log(names()));`,
  'descriptors': `
    const fs = require('node:fs');
    console.log(fs.readdirSync('/proc/self/fd').length, fs.readdirSync('/proc/self/fd')
      .map((n) => { try { return fs.readlinkSync('/proc/self/fd/' + n).replace(/\\d+/, ''); } catch { return 'closed'; } }).sort());`,
  'the environment': 'console.log(Object.keys(process.env).filter((n) => !/^VIGIL/.test(n)).sort());',
  'CPU time that goes on in an idle process': `
    setTimeout(() => {
      const before = process.resourceUsage();
      setTimeout(() => {
        const after = process.resourceUsage();
        console.log(after.voluntaryContextSwitches - before.voluntaryContextSwitches < 20);
      }, 1000);
    }, 500);`,
};

describe('the same as the official binary', { concurrency: 2 }, () => {
  for (const [name, script] of Object.entries(scripts)) {
    test(name, async (t) => {
      const cwd = temporary(t);
      const of = async (bin, VIGIL, VIGIL_METRICS) => {
        const { code, signal, stdout, stderr } =
          await run(t, ['-e', script], { cwd, bin, env: { VIGIL, VIGIL_METRICS, VIGIL_DIR: `${cwd}/vigil` } });
        return { code, signal, stdout: tidy(stdout), stderr: tidy(stderr) };
      };
      const official = await of(stockNode);
      for (const vigil of [undefined, 'on', 'off']) {
        assert.deepEqual(await of(undefined, vigil), official, `VIGIL=${vigil}`);
      }
      const telling = await of(undefined, 'on', `${cwd}/metrics.sock`);
      // A child that is as long there finds it taken, and may say so.
      telling.stderr = telling.stderr.replace(/^vigil: VIGIL_METRICS=.* in use.*\n/gm, '');
      assert.deepEqual(telling, official, 'VIGIL_METRICS');
    });
  }

  for (const [name, script] of Object.entries(unarmed)) {
    test(`unarmed: ${name}`, async (t) => {
      const cwd = temporary(t);
      const of = async (bin, VIGIL) => {
        const { code, signal, stdout, stderr } = await run(t, ['-e', script], { cwd, bin, env: { VIGIL, VIGIL_DIR: `${cwd}/vigil` } });
        return { code, signal, stdout, stderr };
      };
      const official = await of(stockNode);
      for (const vigil of [undefined, 'off']) assert.deepEqual(await of(undefined, vigil), official, `VIGIL=${vigil}`);
    });
  }
});
