// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A blocked server that changes its folder first.

import net from 'node:net';
import { blockForever } from './block.mjs';

process.chdir('/');
net.createServer().listen(0, '127.0.0.1');
blockForever();
