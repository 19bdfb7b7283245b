// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { rollup } from 'rollup';
import { folder } from '../lib.mjs';

const dir = folder({
  'a.mjs': "import { used } from './b.mjs'; console.log(used);",
  'b.mjs': 'export const used = 1; export const shaken = 2;',
});
const bundle = await rollup({ input: `${dir}/a.mjs` });
const { output } = await bundle.generate({ format: 'cjs', sourcemap: true });
console.log(output[0].code, output[0].map.mappings);
await bundle.close();
