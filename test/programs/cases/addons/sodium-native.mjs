// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import sodium from 'sodium-native';

const key = Buffer.alloc(sodium.crypto_secretbox_KEYBYTES, 1);
const nonce = Buffer.alloc(sodium.crypto_secretbox_NONCEBYTES, 2);
const message = Buffer.from('message');
const box = Buffer.alloc(message.length + sodium.crypto_secretbox_MACBYTES);
sodium.crypto_secretbox_easy(box, message, nonce, key);
const opened = Buffer.alloc(message.length);
console.log(box.toString('hex'), sodium.crypto_secretbox_open_easy(opened, box, nonce, key), opened.toString());
const safe = sodium.sodium_malloc(32);
sodium.sodium_mprotect_noaccess(safe);
sodium.sodium_mprotect_readwrite(safe);
console.log(safe.length);
