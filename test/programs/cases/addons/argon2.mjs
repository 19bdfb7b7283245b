// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import argon2 from 'argon2';

const raw = await argon2.hash('secret', { raw: true, salt: Buffer.alloc(16, 1), memoryCost: 4096, timeCost: 3, parallelism: 1 });
console.log(raw.toString('hex'));
console.log(await argon2.verify(await argon2.hash('secret'), 'secret'));
