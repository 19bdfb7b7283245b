// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import babel from '@babel/core';

const { code, map } = await babel.transformAsync('class A { #x = 1; static { globalThis.a = A; } }', {
  configFile: false, babelrc: false, sourceMaps: true, compact: true,
  plugins: [({ types }) => ({ visitor: { NumericLiteral(path) { if (path.node.value === 1) path.replaceWith(types.numericLiteral(2)); } } })],
});
console.log(code, map.mappings);
