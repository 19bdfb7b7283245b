// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Whether what npm installed in a folder is what the lock file there pins, by
// version and integrity. (npm ci would say so, too, but wants the optional
// packages of all other systems in the lock file, which not every registry has.)

import { readFileSync } from 'node:fs';
import path from 'node:path';

const folder = process.argv[2];
const read = (name) => JSON.parse(readFileSync(path.join(folder, name))).packages;
const pinned = read('package-lock.json'), installed = read('node_modules/.package-lock.json');
let wrong = 0;
for (const [name, { version, integrity }] of Object.entries(installed)) {
  const pin = pinned[name];
  if (pin?.version === version && pin.integrity && pin.integrity === integrity) continue;
  console.error(`programs: ${name} ${version} is not what package-lock.json pins: ${pin?.version ?? 'nothing'}`);
  wrong++;
}
process.exitCode = wrong || !Object.keys(installed).length ? 1 : 0;
