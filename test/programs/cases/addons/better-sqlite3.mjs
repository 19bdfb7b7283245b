// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// V8's own API, built here.

import Database from 'better-sqlite3';

const db = new Database(':memory:');
db.exec('create table t (id integer primary key, text text)');
const insert = db.prepare('insert into t (text) values (?)');
db.transaction((n) => { for (let i = 0; i < n; i++) insert.run(`row ${i}`); })(5000);
db.function('half', (n) => n / 2);
db.aggregate('longest', { start: '', step: (a, b) => b.length > a.length ? b : a });
console.log(db.prepare('select count(*) as n, half(sum(id)) as half, longest(text) as longest from t').get());
let n = 0;
for (const row of db.prepare('select * from t').iterate()) n += row.text.length;
console.log(n);
try { db.exec('wrong'); } catch (error) { console.log(error.code, error.message); }
db.close();
