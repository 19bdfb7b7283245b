// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { crc32, crc32c } from '@node-rs/crc32';

console.log(crc32('123456789').toString(16), crc32c('123456789').toString(16));
