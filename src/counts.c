/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "counts.h"

void vigil__counts_read(const struct vigil__counts* c,
                        struct vigil__counts_copy* copy) {
  unsigned i;

  copy->n = 0;
  for (i = 0; i < VIGIL__COUNTS_SIZE; i++) {
    copy->count[i] = vigil__load(&c->count[i]);
    copy->n += copy->count[i];
  }
  copy->total_ns = vigil__load(&c->total_ns);
  copy->max_ns = vigil__load(&c->max_ns);
}

uint64_t vigil__counts_quantile(const struct vigil__counts_copy* c, double q) {
  uint64_t rank;
  uint64_t seen = 0;
  uint64_t edge;
  unsigned i;

  if (c->n == 0)
    return 0;
  /* The smallest number of records that is at least q of them all. */
  rank = (uint64_t) (q * (double) c->n);
  if ((double) rank < q * (double) c->n || rank == 0)
    rank++;
  for (i = 0; i < VIGIL__COUNTS_SIZE; i++) {
    seen += c->count[i];
    if (seen >= rank)
      break;
  }
  /* The last bucket has no upper edge. */
  if (2 * i + 2 >= VIGIL__HIST_SIZE)
    return c->max_ns;
  edge = vigil__hist_lower(2 * i + 2);
  return edge < c->max_ns ? edge : c->max_ns;
}
