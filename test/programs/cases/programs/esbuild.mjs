// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { build, transform } from 'esbuild';
import { folder } from '../lib.mjs';

console.log((await transform('enum E { A = 1 } console.log(E.A as number)', { loader: 'ts', minify: true })).code);
const dir = folder({ 'a.jsx': 'export default () => <a b={1}/>;' });
const { outputFiles } = await build({ entryPoints: [`${dir}/a.jsx`], bundle: true, write: false, jsxFactory: 'h', format: 'esm', logLevel: 'error' });
console.log(outputFiles[0].text.replace(/^\/\/.*\n/m, ''));
