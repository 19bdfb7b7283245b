// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// No leak: what service.mjs does, and no more.

import { serve } from './service.mjs';

serve();
