// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { hash, verify } from '@node-rs/argon2';

const hashed = await hash('secret');
console.log(hashed.slice(0, 10), await verify(hashed, 'secret'), await verify(hashed, 'other'));
