// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Images, on libuv's thread pool.

import sharp from 'sharp';

const red = { create: { width: 64, height: 48, channels: 3, background: { r: 255, g: 0, b: 0 } } };
for (const format of ['png', 'jpeg', 'webp']) {
  const bytes = await sharp(red).resize(32).blur(2)[format]().toBuffer();
  const { width, height, channels } = await sharp(bytes).metadata();
  const { dominant } = await sharp(bytes).stats();
  console.log(format, width, height, channels, dominant.r > 200);
}
console.log(await sharp(Buffer.from('no image')).metadata().catch((error) => error.message));
