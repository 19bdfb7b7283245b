// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The little XML that S3 and STS answer: the text of the first element of a name.

const kEntities = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function value(text, name) {
  const [, inner] = new RegExp(`<${name}(?:\\s[^>]*)?>([^<]*)</${name}>`).exec(text) ?? [];
  return inner?.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex, dec, entity) =>
    (entity === undefined ? String.fromCodePoint(hex ? parseInt(hex, 16) : Number(dec)) : kEntities[entity] ?? all));
}

const escape = (text) => text.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`);

module.exports = { value, escape };
