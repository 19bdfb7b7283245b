// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Each request listens for changes of the settings, which live for ever, and
// never stops to.

import { serve, settings } from './service.mjs';

settings.setMaxListeners(0);

serve((req, res) => {
  const view = { url: req.url, currency: 'EUR', blocks: new Array(20).fill(req.url) };
  settings.on('currency', (currency) => { view.currency = currency; });
  res.setHeader('x-currency', view.currency);
});
