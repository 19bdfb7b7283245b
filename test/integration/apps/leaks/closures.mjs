// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Work that is put off, as functions that use the request: it is all kept until
// they run, and they never do.

import { serve } from './service.mjs';

const postponed = [];

serve((req, res, body) => {
  const size = body.length;
  postponed.push(() => console.log(req.method, req.url, size));
});
