// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A reporter: for each file that ran to its end a line with its path, and how many
// tests passed, failed, were skipped, and are marked as todo, between tabs.
export default async function* sums(events) {
  for await (const { type, data } of events) {
    if (type !== 'test:summary' || data.file === undefined) continue;
    const { passed, failed, cancelled, skipped, todo } = data.counts;
    yield `${[data.file, passed, failed + cancelled, skipped, todo].join('\t')}\n`;
  }
}
