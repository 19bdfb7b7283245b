/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SPREAD_H_
#define VIGIL_SPREAD_H_

#include "counts.h"

#include <stdint.h>

/* A histogram of counts.h with few bounds, as metrics show it. What lies in a
 * bucket that a bound divides counts as longer than the bound: so a bound may
 * in truth be up to 6.25 % lower than it says. Pure; any thread. */
#define VIGIL__SPREAD_BOUNDS 14u
/* In ns, growing. */
extern const uint64_t vigil__spread_bounds[VIGIL__SPREAD_BOUNDS];

struct vigil__spread {
  uint64_t at_most[VIGIL__SPREAD_BOUNDS];
  uint64_t n;
  uint64_t total_ns;
};

void vigil__spread_make(struct vigil__spread* s,
                        const struct vigil__counts_copy* c);

#endif  /* VIGIL_SPREAD_H_ */
