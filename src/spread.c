/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "spread.h"

#include "clock.h"

const uint64_t vigil__spread_bounds[VIGIL__SPREAD_BOUNDS] = {
  100 * VIGIL__US, 1 * VIGIL__MS, 2500 * VIGIL__US, 5 * VIGIL__MS,
  10 * VIGIL__MS, 25 * VIGIL__MS, 50 * VIGIL__MS, 100 * VIGIL__MS,
  250 * VIGIL__MS, 500 * VIGIL__MS, 1000 * VIGIL__MS, 2500 * VIGIL__MS,
  5000 * VIGIL__MS, 10000 * VIGIL__MS
};

/* Upper edge of a bucket; two of hist.h make one. */
static uint64_t upper(unsigned i) {
  return 2 * i + 2 < VIGIL__HIST_SIZE ? vigil__hist_lower(2 * i + 2)
                                      : UINT64_MAX;
}

void vigil__spread_make(struct vigil__spread* s,
                        const struct vigil__counts_copy* c) {
  uint64_t seen = 0;
  unsigned bucket = 0;
  unsigned i;

  for (i = 0; i < VIGIL__SPREAD_BOUNDS; i++) {
    while (bucket < VIGIL__COUNTS_SIZE &&
           upper(bucket) <= vigil__spread_bounds[i])
      seen += c->count[bucket++];
    s->at_most[i] = seen;
  }
  s->n = c->n;
  s->total_ns = c->total_ns;
}
