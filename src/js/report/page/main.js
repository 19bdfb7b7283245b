// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// The report of one incident, from the JSON that stands in the page.

import { $, h } from './dom.js';
import { allocations, heap, stalls } from './evidence.js';
import { profiles } from './profile.js';
import { figures, files } from './raw.js';
import { heading, verdict } from './summary.js';
import { timeline } from './timeline.js';

const data = JSON.parse($('data').textContent);
const faults = [];
for (const part of [heading, verdict, timeline, profiles, stalls, allocations, heap, figures, files]) {
  try {
    part(data);
  } catch (error) {
    // The others are still worth having.
    faults.push(part.name);
    console.error(error);
  }
}
if (faults.length > 0) $('verdict').append(h('p', { class: 'note' }, `Parts of this page could not be drawn: ${faults.join(', ')}.`));
document.documentElement.dataset.ready = faults.length === 0 ? 'true' : 'faults';
