// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

import bcrypt from 'bcrypt';

const salt = '$2b$08$abcdefghijklmnopqrstuu';
console.log(await bcrypt.hash('secret', salt), bcrypt.hashSync('secret', salt));
const all = await Promise.all(Array.from({ length: 12 }, () => bcrypt.compare('secret', bcrypt.hashSync('secret', 4))));
console.log(all.every(Boolean));
