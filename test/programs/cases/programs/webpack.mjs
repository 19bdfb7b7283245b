// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import path from 'node:path';
import { command, folder, tool } from '../lib.mjs';

const dir = folder({
  'package.json': { name: 'bundle', private: true },
  'webpack.config.cjs': "module.exports = { mode: 'production', entry: './a.js', output: { filename: 'out.js' }, target: 'node' };",
  'a.js': "import('./lazy.js').then(({ lazy }) => console.log(lazy(20)));",
  'lazy.js': "export const lazy = (n) => n < 2 ? n : lazy(n - 1) + lazy(n - 2);",
});
tool(command('webpack'), [], { cwd: dir });
console.log(tool(path.join(dir, 'dist/out.js'), []).stdout);
