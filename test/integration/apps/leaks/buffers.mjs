// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Sixteen bytes of each body are kept, as a slice: so all of the body is.

import { serve } from './service.mjs';

const prefixes = [];

serve((req, res, body) => {
  prefixes.push(body.subarray(0, 16));
});
