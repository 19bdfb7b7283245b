// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Its own thread calls into JavaScript by a thread-safe function.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import watcher from '@parcel/watcher';

const dir = mkdtempSync(path.join(tmpdir(), 'watched-'));
let seen;
const event = new Promise((done) => { seen = done; });
const { unsubscribe } = await watcher.subscribe(dir, (error, events) => seen(error ?? events));
writeFileSync(path.join(dir, 'file'), 'text');
const [first] = await event;
console.log(first.type, path.basename(first.path));
await unsubscribe();
