// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { compress, uncompress } from 'snappy';

const bytes = Buffer.from('again and '.repeat(10_000));
const small = await compress(bytes);
console.log(small.length < bytes.length / 10, (await uncompress(small)).equals(bytes));
