// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Against a PostgreSQL of its own (Debian's), on a socket in a folder.

import { execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { until } from '../lib.mjs';

const versions = '/usr/lib/postgresql';
const bin = path.join(versions, readdirSync(versions).sort((a, b) => a - b).at(-1), 'bin');
// It refuses to run as root.
const as = process.getuid() === 0
  ? { uid: Number(execFileSync('id', ['-u', 'postgres'])), gid: Number(execFileSync('id', ['-g', 'postgres'])) } : {};
const dir = mkdtempSync('/tmp/vigil-pg-');
if (as.uid) chownSync(dir, as.uid, as.gid);
const data = path.join(dir, 'data');
execFileSync(path.join(bin, 'initdb'), ['-D', data, '-U', 'me', '-A', 'trust', '-N', '--no-locale', '-E', 'UTF8'],
             { ...as, cwd: dir, stdio: ['ignore', 'ignore', 'inherit'] });
const server = spawn(path.join(bin, 'postgres'), ['-D', data, '-k', dir, '-c', 'listen_addresses=', '-c', 'fsync=off'],
                     { ...as, cwd: dir, stdio: 'ignore' });
process.on('exit', () => { server.kill('SIGQUIT'); rmSync(dir, { recursive: true, force: true }); });
const pool = new pg.Pool({ host: dir, user: 'me', database: 'postgres', max: 4 });
await until(() => pool.query('select 1'));
await pool.query('create table t (id serial primary key, doc jsonb, at timestamptz)');
await Promise.all(Array.from({ length: 100 }, (_, n) =>
  pool.query('insert into t (doc, at) values ($1, $2)', [{ n }, new Date(n * 1000)])));
const { rows } = await pool.query("select count(*)::int, sum((doc->>'n')::int)::int, min(at) from t");
console.log(rows[0]);
const client = await pool.connect();
await client.query('begin');
await client.query('delete from t');
await client.query('rollback');
console.log((await client.query('select count(*)::int from t')).rows[0]);
client.release();
const listener = await pool.connect();
const heard = new Promise((done) => listener.on('notification', ({ payload }) => done(payload)));
await listener.query('listen news');
await pool.query("notify news, 'heard'");
console.log(await heard);
listener.release();
console.log(await pool.query('select wrong').catch((error) => error.code));
await pool.end();
process.exit();
