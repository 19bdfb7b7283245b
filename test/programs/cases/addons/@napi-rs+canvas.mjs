// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import { createHash } from 'node:crypto';
import { createCanvas } from '@napi-rs/canvas';

const canvas = createCanvas(80, 60);
const context = canvas.getContext('2d');
context.fillStyle = 'teal';
context.fillRect(10, 10, 40, 30);
context.beginPath();
context.arc(40, 30, 20, 0, Math.PI);
context.fill();
console.log([...context.getImageData(20, 20, 1, 1).data]);
const png = await canvas.encode('png');
console.log(png.length, createHash('sha256').update(png).digest('hex'));
