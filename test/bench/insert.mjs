// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Puts stdin between <!-- NAME --> and <!-- /NAME --> of a file.
//
//   insert.mjs FILE NAME

import { readFileSync, renameSync, writeFileSync } from 'node:fs';

const [file, name] = process.argv.slice(2);
const text = readFileSync(file, 'utf8');
const [from, to] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
const begin = text.indexOf(from);
const end = text.indexOf(to);
if (begin < 0 || end < begin)
  throw new Error(`${file} has no ${from} ... ${to}`);
const body = readFileSync(0, 'utf8').trim();
if (body === '')
  throw new Error('nothing to insert');
writeFileSync(`${file}.new`, `${text.slice(0, begin)}${from}\n${body}\n${text.slice(end)}`);
renameSync(`${file}.new`, file);
