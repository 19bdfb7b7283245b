// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A Map as a cache that nothing is ever removed from: every URL is new.

import { serve } from './service.mjs';

const previews = new Map();

function preview(url) {
  let found = previews.get(url);
  if (!found) {
    const query = new URLSearchParams(url.split('?')[1]);
    found = { url, query: Object.fromEntries(query), lines: url.split('/') };
    previews.set(url, found);
  }
  return found;
}

serve((req) => preview(req.url));
