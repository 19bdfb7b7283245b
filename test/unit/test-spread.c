/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "clock.h"
#include "spread.h"
#include "test.h"

#include <string.h>

static struct vigil__counts counts;
static struct vigil__counts_copy copy;
static struct vigil__spread s;

TEST(spread_counts_what_a_bound_has_below_it) {
  static uint64_t d[3000];
  uint64_t surely;
  uint64_t maybe;
  uint64_t total = 0;
  unsigned i;
  int k;

  memset(&counts, 0, sizeof(counts));
  for (k = 0; k < 3000; k++) {
    d[k] = test_random(UINT64_C(1) << test_random(38));
    vigil__counts_record(&counts, d[k]);
    total += d[k];
  }
  vigil__counts_read(&counts, &copy);
  vigil__spread_make(&s, &copy);
  CHECK_EQ(s.n, 3000);
  CHECK_EQ(s.total_ns, total);
  for (i = 0; i < VIGIL__SPREAD_BOUNDS; i++) {
    const uint64_t bound = vigil__spread_bounds[i];

    surely = maybe = 0;
    for (k = 0; k < 3000; k++) {
      surely += (double) d[k] < (double) bound / 1.0626;
      maybe += d[k] < bound;
    }
    CHECK_OP(s.at_most[i], >=, surely);
    CHECK_OP(s.at_most[i], <=, maybe);
    CHECK(i == 0 || s.at_most[i] >= s.at_most[i - 1]);
  }
}
