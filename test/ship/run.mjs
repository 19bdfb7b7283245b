// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Runs one task of src/js/ship in a process of its own and prints what comes of
// it: run.mjs SHIP.JS TASK DIR POLICY, all but the last as the helper gets them.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [file, task, dir, policy] = process.argv.slice(2);
const log = [];
const ship = createRequire(import.meta.url)(file);
const result = await ship[task]({ dir, env: process.env, log: (line) => { log.push(line); console.error(line); },
                                  policy: policy && JSON.parse(policy) });
// Not getrusage(): that begins with what the parent had.
const rssMax = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
console.log(JSON.stringify({ result, log, rssMax }));
