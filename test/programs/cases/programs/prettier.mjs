// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { command, folder, tool } from '../lib.mjs';

const dir = folder({
  'a.ts': 'const   a = {b:1,c:[1,2,\n3]} as   const; export type T=typeof a',
  'a.css': 'a{color:red;b{c:d}}',
  'a.md': '* x\n* y\n\n| a|b |\n|-|-|\n|1|2|',
});
for (const name of ['a.ts', 'a.css', 'a.md']) console.log(tool(command('prettier'), [name], { cwd: dir }).stdout);
