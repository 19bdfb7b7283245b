// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Everything that belongs to Node is there and works.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { node, packaged, prefix, run, temporary } from './helpers.mjs';

// Runs a script, which must print exactly "ok".
const script = (name, code, ...flags) => test(name, async (t) => {
  const { code: exit, stdout, stderr } = await run(
    t, [...flags, '--input-type=module', '-e', `import assert from 'node:assert/strict';\n${code}\nconsole.log('ok');`]);
  assert.deepEqual({ exit, stdout, stderr: stderr.replaceAll(/^.*(Experimental|--trace-warnings).*\n/gm, '') },
                   { exit: 0, stdout: 'ok\n', stderr: '' });
});

describe('components', { concurrency: 2 }, () => {
  for (const name of ['npm', 'npx', 'corepack']) {
    test(`${name} starts`, { skip: packaged }, async (t) => {
      const dir = temporary(t);
      const file = path.join(prefix, 'bin', name);
      // As a shell would: by its first line, with our node first in PATH.
      const { code, stdout } = await run(t, ['--version'], {
        bin: file, cwd: dir,
        env: { PATH: `${path.dirname(node)}:${process.env.PATH}`, HOME: dir, npm_config_offline: 'true' },
      });
      const parts = path.join(prefix, 'lib/node_modules', name === 'corepack' ? name : 'npm');
      const { version } = JSON.parse(readFileSync(path.join(parts, 'package.json'), 'utf8'));
      assert.equal(stdout.trim(), version);
      assert.equal(code, 0);
    });
  }

  test('the layout of the official tarball', { skip: packaged }, () => {
    for (const name of ['include/node/node.h', 'include/node/config.gypi', 'include/node/common.gypi',
                        'include/node/uv.h', 'include/node/zlib.h', 'include/node/openssl/evp.h',
                        'share/man/man1/node.1', 'LICENSE', 'README.md', 'CHANGELOG.md']) {
      assert.ok(existsSync(path.join(prefix, name)), name);
    }
  });

  test('type stripping', async (t) => {
    const file = path.join(temporary(t), 'a.ts');
    writeFileSync(file, 'interface A { a: number }\nconst x: A = { a: 1 } as A;\nconsole.log(x.a);\n');
    const { stdout } = await run(t, [file]);
    assert.equal(stdout, '1\n');
  });

  test('type transformation', async (t) => {
    const file = path.join(temporary(t), 'a.ts');
    writeFileSync(file, 'enum E { A = 7 }\nconsole.log(E.A);\n');
    const { stdout } = await run(t, ['--experimental-transform-types', file]);
    assert.equal(stdout, '7\n');
  });

  test('a start-up snapshot of the user', async (t) => {
    const dir = temporary(t);
    writeFileSync(path.join(dir, 'entry.js'), `
      globalThis.made = 42;
      require('node:v8').startupSnapshot.setDeserializeMainFunction(() => console.log(globalThis.made));`);
    const made = await run(t, ['--snapshot-blob', 'a.blob', '--build-snapshot', 'entry.js'], { cwd: dir });
    assert.equal(made.code, 0, made.stderr);
    const { stdout } = await run(t, ['--snapshot-blob', 'a.blob', 'main.js'], { cwd: dir });
    assert.equal(stdout, '42\n');
  });

  test('a single executable application', async (t) => {
    const dir = temporary(t);
    writeFileSync(path.join(dir, 'main.js'), 'console.log(require("node:sea").isSea());');
    writeFileSync(path.join(dir, 'sea.json'), '{ "main": "main.js", "output": "sea.blob" }');
    const { code, stderr } = await run(t, ['--experimental-sea-config', 'sea.json'], { cwd: dir });
    assert.equal(code, 0, stderr);
    assert.ok(existsSync(path.join(dir, 'sea.blob')));
    assert.ok(readFileSync(node).includes('NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:0'));
  });

  script('the OpenSSL legacy provider', `
    import crypto from 'node:crypto';
    assert.equal(crypto.createHash('md4').update('').digest('hex'), '31d6cfe0d16ae931b73c59d7e0c089c0');`,
         '--openssl-legacy-provider');

  script('no legacy provider unless asked for', `
    import crypto from 'node:crypto';
    assert.throws(() => crypto.createHash('md4'));`);

  script('crypto: hash, cipher, key pair, scrypt, X.509, web crypto', `
    import crypto from 'node:crypto';
    const sha = (s) => crypto.createHash('sha256').update(s).digest('hex');
    assert.equal(sha('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    const key = crypto.randomBytes(32), iv = crypto.randomBytes(12);
    const seal = crypto.createCipheriv('aes-256-gcm', key, iv);
    const sealed = Buffer.concat([seal.update('text'), seal.final()]);
    const open = crypto.createDecipheriv('aes-256-gcm', key, iv).setAuthTag(seal.getAuthTag());
    assert.equal(open.update(sealed, null, 'utf8') + open.final('utf8'), 'text');
    for (const type of ['ed25519', 'ml-dsa-44']) {
      const pair = crypto.generateKeyPairSync(type);
      assert.ok(crypto.verify(null, Buffer.from('a'), pair.publicKey, crypto.sign(null, Buffer.from('a'), pair.privateKey)));
    }
    assert.equal(crypto.scryptSync('', '', 4, { N: 16, r: 1, p: 1 }).toString('hex'), '77d65762');
    assert.equal((await crypto.subtle.digest('SHA-512', new Uint8Array())).byteLength, 64);
    const tls = await import('node:tls');
    assert.ok(new crypto.X509Certificate(tls.rootCertificates[0]).subject.length > 0);`);

  script('full ICU', `
    assert.equal(new Intl.DateTimeFormat('de', { dateStyle: 'long', timeZone: 'UTC' }).format(0), '1. Januar 1970');
    assert.equal(new Intl.DateTimeFormat('ja-JP-u-ca-japanese', { dateStyle: 'long', timeZone: 'UTC' }).format(0), '昭和45年1月1日');
    assert.equal(new Intl.NumberFormat('de').format(1234567.5), '1.234.567,5');
    assert.deepEqual(['z', 'ä', 'a'].sort(new Intl.Collator('de').compare), ['a', 'ä', 'z']);
    assert.equal('İ'.toLocaleLowerCase('tr'), 'i');
    assert.equal('e\\u0301'.normalize('NFC'), 'é');
    assert.equal([...new Intl.Segmenter('th', { granularity: 'word' }).segment('สวัสดีชาวโลก')].length > 1, true);`);

  script('SQLite with FTS5, sessions, R-tree, JSON and backup', `
    import { DatabaseSync, backup } from 'node:sqlite';
    const db = new DatabaseSync(':memory:');
    db.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE VIRTUAL TABLE f USING fts5(text); CREATE VIRTUAL TABLE r USING rtree(id, x0, x1)');
    const session = db.createSession();
    db.prepare('INSERT INTO t(a) VALUES (?)').run('one');
    const other = new DatabaseSync(':memory:');
    other.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, a)');
    assert.ok(other.applyChangeset(session.changeset()));
    assert.equal(other.prepare('SELECT a FROM t').get().a, 'one');
    db.exec("INSERT INTO f VALUES ('the quick fox'), ('a dog')");
    assert.equal(db.prepare("SELECT count(*) AS n FROM f WHERE f MATCH 'fox'").get().n, 1);
    assert.equal(db.prepare("SELECT json_extract('{\\"a\\":[1,2]}', '$.a[1]') AS n").get().n, 2);
    assert.equal(db.prepare('SELECT a FROM t').columns()[0].table, 't');`);

  script('WebAssembly and WASI', `
    import { WASI } from 'node:wasi';
    const bytes = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0,
      7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11);
    const { instance } = await WebAssembly.instantiate(bytes);
    assert.equal(instance.exports.add(40, 2), 42);
    assert.ok(new WASI({ version: 'preview1' }).wasiImport.fd_write);`);

  script('zlib, brotli and zstd, also with its threads', `
    import zlib from 'node:zlib';
    const data = Buffer.from('some text '.repeat(100_000));
    for (const [to, from] of [['gzip', 'gunzip'], ['deflate', 'inflate'], ['brotliCompress', 'brotliDecompress'], ['zstdCompress', 'zstdDecompress']]) {
      const packed = zlib[to + 'Sync'](data);
      assert.ok(packed.length < data.length / 10);
      assert.ok(zlib[from + 'Sync'](packed).equals(data));
    }
    assert.equal(zlib.crc32('hello'), 0x3610a686);
    const packed = zlib.zstdCompressSync(data, { params: { [zlib.constants.ZSTD_c_nbWorkers]: 2 } });
    assert.ok(zlib.zstdDecompressSync(packed).equals(data));`);

  script('fetch against a server, also compressed', `
    import http from 'node:http';
    import zlib from 'node:zlib';
    const server = http.createServer((q, r) => {
      r.setHeader('content-encoding', 'br');
      r.end(zlib.brotliCompressSync(JSON.stringify({ url: q.url })));
    }).listen(0, '127.0.0.1');
    await new Promise((done) => server.once('listening', done));
    const response = await fetch('http://127.0.0.1:' + server.address().port + '/x');
    assert.deepEqual(await response.json(), { url: '/x' });
    server.close();
    server.closeAllConnections();`);

  script('HTTP/2, DNS, streams of the web', `
    import http2 from 'node:http2';
    import dns from 'node:dns';
    assert.ok(new dns.Resolver().getServers());
    const server = http2.createServer();
    server.on('stream', (s) => { s.respond({ ':status': 200 }); s.end('hi'); }).listen(0, '127.0.0.1');
    await new Promise((done) => server.once('listening', done));
    const client = http2.connect('http://127.0.0.1:' + server.address().port);
    let text = '';
    for await (const chunk of client.request({ ':path': '/' })) text += chunk;
    assert.equal(text, 'hi');
    client.close();
    server.close();
    const zipped = new Blob(['x']).stream().pipeThrough(new CompressionStream('gzip'));
    assert.equal(await new Response(zipped.pipeThrough(new DecompressionStream('gzip'))).text(), 'x');`);

  script('Worker threads', `
    import { Worker } from 'node:worker_threads';
    const worker = new Worker(new URL('data:text/javascript,import { parentPort } from "node:worker_threads"; parentPort.postMessage(6 * 7)'));
    assert.equal(await new Promise((done) => worker.once('message', done)), 42);
    assert.equal(await new Promise((done) => worker.once('exit', done)), 0);`);

  script('the inspector', `
    import { Session } from 'node:inspector/promises';
    const session = new Session();
    session.connect();
    const { result } = await session.post('Runtime.evaluate', { expression: '1 + 1' });
    assert.equal(result.value, 2);
    await session.post('HeapProfiler.enable');
    session.disconnect();`);

  script('URL, URLPattern, WHATWG encodings, performance', `
    import { monitorEventLoopDelay } from 'node:perf_hooks';
    assert.equal(new URL('http://bücher.example/ä?b#c').href, 'http://xn--bcher-kva.example/%C3%A4?b#c');
    assert.ok(new URLPattern({ pathname: '/a/:b' }).test('http://h/a/1'));
    assert.equal(new TextDecoder('shift_jis').decode(Uint8Array.of(0x93, 0xfa)), '日');
    monitorEventLoopDelay().enable();
    assert.ok(performance.eventLoopUtilization().idle >= 0);`);
});
