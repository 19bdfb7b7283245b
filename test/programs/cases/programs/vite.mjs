// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { command, folder, tool } from '../lib.mjs';

const dir = folder({
  'package.json': { name: 'page', private: true, type: 'module' },
  'index.html': '<!doctype html><script type="module" src="/main.ts"></script>',
  'main.ts': "import './style.css'; import { double } from './lib'; const n: number = 21; document.title = String(double(n));",
  'lib.ts': 'export const double = (n: number): number => n * 2; export const unused = 1;',
  'style.css': 'body { color: red; & p { color: blue } }',
});
tool(command('vite'), ['build'], { cwd: dir });
for (const name of readdirSync(path.join(dir, 'dist/assets')).sort()) {
  console.log(name, readFileSync(path.join(dir, 'dist/assets', name), 'utf8').length);
}
console.log(readFileSync(path.join(dir, 'dist/index.html'), 'utf8'));
