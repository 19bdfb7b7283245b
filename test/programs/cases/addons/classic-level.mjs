// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ClassicLevel } from 'classic-level';

const db = new ClassicLevel(mkdtempSync(path.join(tmpdir(), 'level-')), { valueEncoding: 'json' });
await db.batch(Array.from({ length: 1000 }, (_, n) => ({ type: 'put', key: String(n).padStart(4, '0'), value: { n } })));
let sum = 0;
for await (const [, { n }] of db.iterator({ gte: '0500' })) sum += n;
console.log(sum, await db.get('0007'), await db.get('none'));
await db.close();
