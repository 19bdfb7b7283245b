// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { transform } from 'lightningcss';

const { code } = transform({
  filename: 'a.css', minify: true, targets: { chrome: 80 << 16 },
  code: Buffer.from('.a { color: lab(40% 56.6 39); & .b { margin: 0px 0px } }'),
  visitor: { Length: ({ value, unit }) => ({ value: value + 1, unit }) },
});
console.log(code.toString());
