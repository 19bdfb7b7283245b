// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The compiler compiles, declares, and finds a mistake.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { command, folder, tool } from '../lib.mjs';

const dir = folder({
  'tsconfig.json': { compilerOptions: { target: 'es2022', module: 'nodenext', strict: true, declaration: true, outDir: 'out', types: [] }, files: ['a.ts'] },
  'a.ts': "import { area, type Shape } from './b.js';\nexport const all = (s: Shape[]) => s.map(area);\n",
  'b.ts': "export type Shape = { kind: 'circle', r: number } | { kind: 'square', a: number };\nexport function area(s: Shape): number { switch (s.kind) { case 'circle': return Math.PI * s.r ** 2; case 'square': return s.a ** 2; } }\n",
  'wrong.ts': 'const n: number = "text";\n',
});
const tsc = command('typescript', 'tsc');
tool(tsc, ['-p', '.'], { cwd: dir });
for (const name of ['a.js', 'a.d.ts', 'b.js', 'b.d.ts']) console.log(readFileSync(path.join(dir, 'out', name), 'utf8'));
console.log(tool(tsc, ['--noEmit', '--skipLibCheck', 'wrong.ts'], { cwd: dir, code: 2 }).stdout);
