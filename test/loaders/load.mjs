// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Says, in a line of JSON for each file and loader, what Chrome DevTools and
// speedscope make of it. Ends with 1 if any of them can't load one.
//
//   node test/loaders/load.mjs [--devtools | --speedscope] FILE...
//
// Needs Node 22 or later. `errors` has all that is wrong; weights are in `unit`.
// (speedscope does not know heap snapshots and is not asked.)

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as devtools from './devtools.mjs';
import * as speedscope from './speedscope.mjs';

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { devtools: { type: 'boolean' }, speedscope: { type: 'boolean' } },
});
if (files.length === 0) throw new Error('usage: load.mjs [--devtools | --speedscope] FILE...');
const both = values.devtools === values.speedscope;
const loaders = [...(both || values.devtools ? [devtools] : []),
                 ...(both || values.speedscope ? [speedscope] : [])];
const folder = execFileSync(
  path.join(path.dirname(fileURLToPath(import.meta.url)), 'fetch.sh'), { encoding: 'utf8' }).trim();

for (const file of files) {
  const fitting = loaders.filter(({ formats }) => formats.includes(path.extname(file)));
  if (fitting.length === 0) {
    console.log(JSON.stringify({ file, errors: ['no loader for a file of this name'] }));
    process.exitCode = 1;
  }
  for (const { load } of fitting) {
    const found = await load(folder, file);
    const more = found.errors.splice(20).length;
    if (more > 0) found.errors.push(`and ${more} more`);
    console.log(JSON.stringify(found));
    if (found.errors.length > 0) process.exitCode = 1;
  }
}
