// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A known graph of objects among much that a garbage collection has to call
// back for, then quiet. SIGHUP: writes a heap snapshot in the process to the
// file of argv[2], and says so. Prints "ready".

import { once } from 'node:events';
import { rmSync } from 'node:fs';
import net from 'node:net';
import { writeHeapSnapshot } from 'node:v8';
import { Worker } from 'node:worker_threads';

// 1500 customers, each on one of 30 shelves, the shelves in a Map.
class PlantedCustomer {
  constructor(i) { this.customerNumber = i; this.note = ['note', i, 'of a customer'].join(' '); }
}
class PlantedShelf {
  constructor() { this.customersOfShelf = []; }
}
class PlantedShop {
  constructor() { this.shelvesOfShop = new Map(); }
}
const shop = new PlantedShop();
for (let i = 0; i < 30; i++) shop.shelvesOfShop.set(i, new PlantedShelf());
for (let i = 0; i < 1500; i++) shop.shelvesOfShop.get(i % 30).customersOfShelf.push(new PlantedCustomer(i));
globalThis.plantedShop = shop;

// Has an export that adds two numbers.
const ADD = Buffer.from('0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b', 'hex');

globalThis.held = { weak: [], map: new WeakMap(), set: new WeakSet(), registry: new FinalizationRegistry(() => {}),
                    wasm: [] };
const server = net.createServer((socket) => socket.end('x')).listen(0);
await once(server, 'listening');
for (let i = 0; i < 20; i++) await once(net.connect(server.address().port).resume(), 'close');
server.close();
for (let i = 0; i < 1000; i++) {
  Buffer.alloc(10_000);
  held.weak.push(new WeakRef({ i }));
  held.map.set({ dead: i }, { i });
  held.map.set(shop.shelvesOfShop.get(i % 30).customersOfShelf[0], { i });
  held.set.add({ i });
  held.registry.register({ i }, i);
}
for (let i = 0; i < 5; i++) held.wasm.push((await WebAssembly.instantiate(ADD)).instance);
held.worker = new Worker('globalThis.kept = new WeakRef({}); setInterval(() => {}, 1e6);', { eval: true });
await once(held.worker, 'online');

// All kinds of values that one would not like others to read. Each has the same
// word in it, which the source does not have: that is in the heap, too.
const word = (i) => ['classi', 'fied'].join('') + i;
const twice = `${word(4)} and then some more of it`;
held.contents = {
  propertyOfContents: word(0),
  twoByte: `${word(1)} \u4e16\u754c`,
  joined: word(2) + ' and '.repeat(3) + word(3),
  sliced: twice.slice(1),
  external: Buffer.from(word(5).padEnd(2_000_000, '.')).toString('latin1'),
  pattern: new RegExp(`${word(6)}[0-9]`),
  object: new String(word(7)),
  error: new Error(word(8)),
  map: new Map([[word(9), word(10)]]),
  weak: new WeakMap([[shop, word(11)]]),
  code: new Function(`return '${word(12)}';`),
  symbol: { [Symbol.iterator]: word(13) },
  number: 31337.4242, big: 31337424231337424231337n,
};
held.contents.code();

process.on('SIGHUP', () => {
  const file = process.argv[2];
  rmSync(file, { force: true });
  writeHeapSnapshot(file);
  console.log('written');
});
setInterval(() => {}, 1e6);
console.log('ready');
