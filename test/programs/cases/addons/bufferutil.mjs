// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// N-API in C, built here.

import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);
const native = require(path.join(path.dirname(require.resolve('bufferutil')), 'build/Release/bufferutil.node'));
const source = Buffer.from('some bytes to mask'), mask = Buffer.from([1, 2, 3, 4]), out = Buffer.alloc(source.length);
native.mask(source, mask, out, 0, source.length);
console.log(out.toString('hex'));
native.unmask(out, mask);
console.log(out.toString());
