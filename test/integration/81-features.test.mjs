// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// What else a node does for people: each feature with the official binary and
// with ours, watched or not, must end and print the same. Real programs are in
// test/programs, Node's own tests in test/upstream.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { describe, test } from 'node:test';
import { App, node, run, stockNode, temporary, until } from './helpers.mjs';

const MODES = [undefined, 'on', 'off'];

function put(dir, files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    writeFileSync(path.join(dir, name), typeof text === 'string' ? text : JSON.stringify(text));
  }
}

// Runs `steps(bin, env, cwd)` with both, each in a folder of its own with
// `files`; what it returns must be the same.
function same(name, files, steps) {
  test(name, async (t) => {
    const of = async (bin, VIGIL) => {
      const cwd = temporary(t);
      put(cwd, files);
      const env = { VIGIL, VIGIL_DIR: path.join(cwd, 'vigil'), NO_COLOR: '1' };
      const said = JSON.stringify(await steps({ t, bin, env, cwd }), (_, value) =>
        typeof value === 'string' ? value.replaceAll(cwd, 'CWD').replaceAll(bin, 'NODE') : value);
      return JSON.parse(said);
    };
    const official = await of(stockNode);
    for (const vigil of MODES) assert.deepEqual(await of(node, vigil), official, `VIGIL=${vigil}`);
  });
}

// One command; `tidy` takes out of its output what differs from run to run.
const runs = (name, files, args, tidy = (text) => text) =>
  same(name, files, async ({ t, bin, env, cwd }) => {
    const { code, signal, stdout, stderr } = await run(t, args, { bin, env, cwd });
    assert.notEqual(stdout, '', stderr);
    return { code, signal, stdout: tidy(stdout), stderr: tidy(stderr) };
  });

describe('features', { concurrency: 2 }, () => {
  runs('cluster: workers serve, one dies and is replaced, the rest disconnect', {
    'main.js': `
      const cluster = require('node:cluster');
      const http = require('node:http');
      if (cluster.isPrimary) {
        let listening = 0, port;
        cluster.fork();
        cluster.fork();
        cluster.on('exit', (worker, code, signal) => {
          console.log('exit', code, signal, worker.exitedAfterDisconnect);
          if (signal) cluster.fork();
        });
        cluster.on('listening', async (worker, address) => {
          port ??= address.port;
          if (++listening === 2) worker.kill('SIGKILL');
          if (listening === 3) {
            for (let n = 0; n < 20; n++) {
              const { body, status } = await fetch('http://127.0.0.1:' + port, { headers: { connection: 'close' } });
              if (status !== 200) console.log(status);
              for await (const chunk of body);
            }
            cluster.disconnect(() => console.log('disconnected'));
          }
        });
      } else {
        http.createServer((req, res) => res.end('ok')).listen(0, '127.0.0.1');
      }`,
  }, ['main.js']);

  runs('worker_threads: messages, shared memory, limits, an error, exit', {
    'main.js': `
      const { Worker, MessageChannel, receiveMessageOnPort } = require('node:worker_threads');
      const shared = new Int32Array(new SharedArrayBuffer(4));
      const work = (source, options) => new Promise((done) => {
        const said = [];
        const worker = new Worker(source, { eval: true, ...options });
        worker.on('message', (m) => said.push(m)).on('error', (e) => said.push(e.code ?? e.message))
          .on('exit', (code) => done([...said, code]));
      });
      (async () => {
        console.log(await Promise.all([1, 2, 3].map((n) => work(
          "const { parentPort, workerData } = require('node:worker_threads'); Atomics.add(workerData.shared, 0, workerData.n); parentPort.postMessage(workerData.n);",
          { workerData: { n, shared } }))), shared[0]);
        console.log(await work("throw new Error('thrown')"), await work('process.exit(9)'));
        console.log(await work('const all = []; for (;;) all.push(new Array(1e4).fill({}));', { resourceLimits: { maxOldGenerationSizeMb: 16 } }));
        const { port1, port2 } = new MessageChannel();
        port1.postMessage(new Map([[1, new Uint8Array(3)]]));
        console.log(receiveMessageOnPort(port2));
        port1.close();
      })();`,
  }, ['main.js'], (text) => text.replaceAll(/^\n?<---[^]*?(?=^\[|^\{|$(?![^]))/gm, ''));

  runs('ES modules: import of CommonJS, JSON, conditions, hooks, top-level await, require(esm)', {
    'package.json': { type: 'module', imports: { '#a': { mine: './mine.js', default: './other.js' } } },
    'mine.js': 'export default "mine";',
    'other.js': 'export default "other";',
    'cjs.cjs': 'exports.named = 1; exports.dir = __dirname; module.exports.esm = require("./mine.js").default;',
    'data.json': { a: 1 },
    'hooks.js': `
      import { registerHooks } from 'node:module';
      registerHooks({ load: (url, context, next) => url === 'virtual:it'
        ? { format: 'module', source: 'export default "virtual"', shortCircuit: true } : next(url, context),
        resolve: (name, context, next) => name === 'virtual:it' ? { url: name, shortCircuit: true } : next(name, context) });`,
    'main.js': `
      import a from '#a';
      import { named, dir, esm } from './cjs.cjs';
      import data from './data.json' with { type: 'json' };
      import virtual from 'virtual:it';
      const late = await import('./other.js');
      console.log(a, named, dir === import.meta.dirname, esm, data, virtual, late.default, import.meta.main);
      try { await import('./none.js'); } catch (error) { console.log(error.code); }`,
  }, ['--import', './hooks.js', '--conditions=mine', 'main.js']);

  runs('types are stripped, and transformed', {
    'main.ts': `
      import { type T, f } from './lib.ts';
      enum E { A = 40 }
      namespace N { export const two = 2 }
      const t: T = { n: E.A + N.two };
      console.log(f<number>(t.n)!, new Error('x').stack!.split('\\n')[1].trim());`,
    'lib.ts': 'export type T = { n: number }; export const f = <U>(u: U): U | undefined => u;',
  }, ['--experimental-transform-types', '--no-warnings', 'main.ts']);
  same('types that cannot be stripped', { 'main.ts': 'enum E { A }' }, async ({ t, bin, env, cwd }) => {
    const { code, stderr } = await run(t, ['main.ts'], { bin, env, cwd });
    return { code, stderr };
  });

  runs('wasm: compile, memory, import, trap, WASI', {
    'main.mjs': `
      import { WASI } from 'node:wasi';
      // (import "m" "f" (func (param i32))) (memory (export "memory") 1)
      // (func (export "_start") i32.const 42 call 0)  (func (export "trap") unreachable)
      const bytes = new Uint8Array([
        0, 97, 115, 109, 1, 0, 0, 0,  1, 8, 2, 96, 1, 127, 0, 96, 0, 0,  2, 7, 1, 1, 109, 1, 102, 0, 0,
        3, 3, 2, 1, 1,  5, 3, 1, 0, 1,
        7, 26, 3, 6, 109, 101, 109, 111, 114, 121, 2, 0, 6, 95, 115, 116, 97, 114, 116, 0, 1, 4, 116, 114, 97, 112, 0, 2,
        10, 12, 2, 6, 0, 65, 42, 16, 0, 11, 3, 0, 0, 11]);
      const module = await WebAssembly.compile(bytes);
      console.log(WebAssembly.Module.exports(module), WebAssembly.Module.imports(module));
      const { exports } = await WebAssembly.instantiate(module, { m: { f: (n) => console.log('called', n) } });
      console.log(exports.memory.buffer.byteLength, exports.memory.grow(2));
      try { exports.trap(); } catch (error) { console.log(error.constructor.name, error.message); }
      console.log(new WASI({ version: 'preview1', returnOnExit: true }).start({ exports }));`,
  }, ['--no-warnings', 'main.mjs']);

  same('the permission model', {
    'allowed/file': 'text',
    'main.js': `
      const fs = require('node:fs');
      const refused = (f) => { try { f(); return 'done'; } catch (error) { return error.code + ' ' + error.permission; } };
      console.log(process.permission.has('fs.read', __dirname + '/allowed'), process.permission.has('worker'));
      console.log(fs.readFileSync(__dirname + '/allowed/file', 'utf8'));
      console.log(refused(() => fs.readFileSync('/etc/passwd')));
      console.log(refused(() => fs.writeFileSync(__dirname + '/allowed/new', '')));
      console.log(refused(() => require('node:child_process').spawnSync('/bin/true')));
      console.log(refused(() => new (require('node:worker_threads').Worker)('', { eval: true })));
      console.log(refused(() => process.dlopen({ exports: {} }, '/none.node')));
      require('node:http').createServer().listen(0, '127.0.0.1', function() { console.log('listens'); this.close(); });`,
  }, async ({ t, bin, env, cwd }) => {
    // Without a folder of incidents in reach: Vigil is not bound by the model,
    // which is JavaScript's, and must not widen it.
    const { code, stdout, stderr } = await run(t,
      ['--permission', `--allow-fs-read=${cwd}`, 'main.js'], { bin, env, cwd });
    return { code, stdout, stderr };
  });

  runs('node --run', {
    'package.json': { scripts: { it: 'node -p "[process.execPath === process.env.WANTED, process.env.NODE_RUN_SCRIPT_NAME, process.argv.length]"' } },
  }, ['--run', 'it', '--', 'a', 'b']);

  const tap = (text) => text.replaceAll(/^\s*duration_ms: .*\n/gm, '').replaceAll(/^# duration_ms .*\n/gm, '');
  runs('node --test: isolation, a failure, snapshots, mocks, coverage', {
    'lib.js': 'exports.f = (a) => {\n  if (a) return 1;\n  return 2;\n};',
    'a.test.js': `
      const { test, describe } = require('node:test');
      const assert = require('node:assert');
      const { f } = require('./lib.js');
      test('passes', () => assert.equal(f(1), 1));
      describe('group', () => {
        test('waits', async (t) => { t.mock.timers.enable(); const p = new Promise((d) => setTimeout(d, 1e9)); t.mock.timers.tick(1e9); await p; });
        test('skipped', { skip: true });
      });`,
    'b.test.mjs': 'import test from "node:test"; test("fails", (t) => t.assert.deepEqual({ a: 1 }, { a: 2 }));',
  }, ['--test', '--test-reporter=tap', '--test-concurrency=1', '--experimental-test-coverage', '--no-warnings'], tap);

  same('node --watch starts again when a file changes, and forwards the signal', {
    'main.js': 'require("./lib.js"); require("node:net").createServer().listen(0, "127.0.0.1");',
    'lib.js': 'console.log("first");',
  }, async ({ t, bin, env, cwd }) => {
    const app = new App(t, ['--watch', 'main.js'], { bin, env, cwd });
    await app.line(/first/);
    // The watcher may not have been told of the file yet.
    const again = setInterval(() => writeFileSync(path.join(cwd, 'lib.js'), 'console.log("second");'), 500);
    try {
      await app.line(/second/);
    } finally {
      clearInterval(again);
    }
    app.kill('SIGTERM');
    const { code, signal, stderr } = await app.exit();
    return { code, signal, stderr };
  });

  same('--build-snapshot', {
    'entry.js': `
      const { startupSnapshot } = require('node:v8');
      globalThis.kept = new Map([['a', { b: [1, 2, 3] }]]);
      startupSnapshot.addDeserializeCallback(() => { globalThis.woke = true; });
      startupSnapshot.setDeserializeMainFunction(() => {
        const server = require('node:net').createServer().listen(0, '127.0.0.1', () => {
          console.log(globalThis.kept, globalThis.woke, process.argv.slice(2), process.getActiveResourcesInfo());
          server.close();
        });
      });`,
  }, async ({ t, bin, env, cwd }) => {
    const built = await run(t, ['--snapshot-blob', 'blob', '--build-snapshot', 'entry.js'], { bin, env, cwd });
    assert.equal(built.code, 0, built.stderr);
    const { code, stdout, stderr } = await run(t, ['--snapshot-blob', 'blob', 'entry.js', 'x'], { bin, env, cwd });
    return [built.stdout, built.stderr, code, stdout, stderr];
  });

  same('--inspect: a client sets a breakpoint, evaluates and profiles', {
    'main.js': `
      function work(n) {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += i;
        return sum;
      }
      const timer = setInterval(() => work(1e4), 5);
      globalThis.work = work;
      globalThis.stop = () => clearInterval(timer);`,
  }, async ({ t, bin, env, cwd }) => {
    const app = new App(t, ['--inspect=127.0.0.1:0', 'main.js'], { bin, env, cwd });
    const [, url] = await app.line(/(ws:\/\/\S+)/, 'stderr');
    const socket = new WebSocket(url);
    await once(socket, 'open');
    let last = 0;
    const waiting = new Map(), events = [], heard = [];
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.id) waiting.get(message.id)(message);
      else events.push(message), heard.splice(0).forEach((look) => look());
    };
    const send = (method, params = {}) => new Promise((done) => {
      waiting.set(++last, done);
      socket.send(JSON.stringify({ id: last, method, params }));
    });
    const event = async (method) => {
      for (;;) {
        const found = events.find((message) => message.method === method);
        if (found) return found.params;
        await new Promise((done) => heard.push(done));
      }
    };
    await send('Runtime.enable');
    await send('Debugger.enable');
    const { result: { locations } } = await send('Debugger.setBreakpointByUrl', { lineNumber: 4, urlRegex: 'main.js$' });
    const { callFrames: [frame] } = await event('Debugger.paused');
    const sum = await send('Debugger.evaluateOnCallFrame', { callFrameId: frame.callFrameId, expression: 'sum' });
    await send('Debugger.disable');
    await send('Profiler.enable');
    // What is inlined has no name in the official binary's profiles.
    const { result: { profile } } = await until(async () => {
      await send('Profiler.start');
      const worked = await send('Runtime.evaluate', { expression: 'work(1e8)' });
      assert.equal(worked.result.result.value, 4999999950000000);
      const stopped = await send('Profiler.stop');
      return stopped.result.profile.samples.length > 10 && stopped;
    }, 'profile with samples');
    const stopped = await send('Runtime.evaluate', { expression: 'stop(); 1 + 1' });
    // It ends once nobody is connected.
    await app.line(/Waiting for the debugger to disconnect/, 'stderr');
    socket.close();
    const { code } = await app.exit();
    const said = app.stderr.replaceAll(/ws:\S+/g, 'URL');
    return { code, said, lines: locations.map(({ lineNumber }) => lineNumber), where: frame.functionName,
             sum: sum.result.result, root: profile.nodes[0].callFrame.functionName,
             stopped: stopped.result.result };
  });
});
