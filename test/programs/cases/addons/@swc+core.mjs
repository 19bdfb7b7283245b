// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import swc from '@swc/core';

const source = 'export const f = async (a?: number) => a ?? [...new Set([1])];';
const options = { jsc: { parser: { syntax: 'typescript' }, target: 'es5' }, sourceMaps: true };
const { code, map } = await swc.transform(source, options);
console.log(code.length, JSON.parse(map).mappings.length, swc.transformSync(source, options).code === code);
console.log((await swc.minify('function f(long) { return long + 1 } f(1)', { toplevel: true })).code);
