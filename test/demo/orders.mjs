// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// An order of about 2 MB, as JSON.
export function makeOrder() {
  const items = [];
  for (let i = 0; i < 12_000; i++) {
    items.push({
      sku: `SKU-${i}-${(i * 2654435761 % 2 ** 32).toString(36)}`,
      name: `Article number ${i}, in the colour "${['red', 'grün', '青'][i % 3]}"`,
      quantity: 1 + i % 7,
      price: { amount: i * 1.25, currency: 'EUR' },
      tags: ['demo', 'order', `t${i % 50}`],
    });
  }
  return JSON.stringify({ id: 314, customer: 'someone@example.org', items });
}
