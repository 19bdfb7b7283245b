// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { parseSync, parse } from 'oxc-parser';

const { program, errors } = parseSync('a.tsx', 'const a: number = <b c={1}/>;');
console.log(program.body[0].declarations[0].init.type, errors.length);
console.log((await parse('b.js', 'let = = 1')).errors.length > 0);
