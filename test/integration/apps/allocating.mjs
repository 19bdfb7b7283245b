// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Allocates for a while, so that V8's threads have code to compile, and exits.

const end = performance.now() + 30 + Math.random() * 150;
for (let kept = []; performance.now() < end;) {
  kept.push(new Array(50).fill({}));
  if (kept.length > 20_000) kept = [];
}
process.exit(5);
