// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The classic API of V8 as msgpackr uses it, prebuilt.

import { createRequire } from 'node:module';

const { extractStrings } = createRequire(import.meta.url)('msgpackr-extract');
// Two short strings of MessagePack: 0xa3 "abc", 0xa2 "de".
const bytes = Buffer.from([0xa3, 0x61, 0x62, 0x63, 0xa2, 0x64, 0x65]);
console.log(typeof extractStrings, JSON.stringify(extractStrings(0, bytes.length, new Uint8Array(bytes).buffer)));
