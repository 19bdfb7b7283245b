// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// Does one kind of work for a while, and prints operations a second.
//
//   work.cjs timers|fs|crypto|gc MILLISECONDS

const { promisify } = require('node:util');
const crypto = require('node:crypto');
const fs = require('node:fs/promises');

const [kind, text] = process.argv.slice(2);
const ms = Number(text);
let count = 0;
let end = Infinity;

// So many at a time, each beginning the next one.
async function lanes(n, step) {
  await Promise.all(Array.from({ length: n }, async () => {
    while (performance.now() < end) {
      await step();
      count++;
    }
  }));
}

const pbkdf2 = promisify(crypto.pbkdf2);
const kinds = {
  timers: () => lanes(100, () => new Promise((resolve) => setTimeout(resolve, 1))),
  fs: () => lanes(8, () => fs.readFile(__filename)),
  crypto: () => lanes(8, () => pbkdf2('secret', 'salt', 500, 32, 'sha256')),
  // Old objects that hold young ones: scavenges that copy, and full collections.
  gc: () => {
    const old = new Array(20_000);
    let i = 0;
    return lanes(1, () => {
      for (let k = 0; k < 20_000; k++)
        old[i = (i + 7919) % old.length] = { k, list: [k, k + 1, k + 2], name: `n${k}` };
      return new Promise(setImmediate);
    });
  },
};

(async () => {
  end = performance.now() + ms / 3;
  await kinds[kind]();
  count = 0;
  const start = performance.now();
  end = start + ms;
  await kinds[kind]();
  console.log(count * 1000 / (performance.now() - start));
  process.exit();
})();
