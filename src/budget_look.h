/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_BUDGET_LOOK_H_
#define VIGIL_BUDGET_LOOK_H_

#include "budget.h"
#include "config.h"

#include <stdint.h>

/* What is left of the budget, for those who ask. Looks only: creates, changes
 * and locks nothing. Watch thread; a few system calls, and one for each file of
 * an incident. */
struct vigil__budget_view {
  int error;                    /* -errno: the rest is not known. */
  uint64_t cooldown_ns;         /* Until VIGIL_COOLDOWN is over; 0: it is. */
  uint64_t hour_left;           /* Incidents of VIGIL_PER_HOUR... */
  uint64_t hour_ns;             /* ...and until there is one more; 0: all. */
  uint64_t bytes;               /* That incidents take, of VIGIL_DISK... */
  uint64_t room;                /* ...and that the next one could. */
  uint64_t incidents;           /* On disk, of all processes. */
  uint64_t suppressed;          /* Since the last message. */
};

/* No directory yet is a budget of which nothing is used. */
void vigil__budget_look(const struct vigil__config* config,
                        struct vigil__budget_view* view);

/* The pure part of it: all but `error` and `incidents`. */
void vigil__budget_view_of(const struct vigil__budget_state* state,
                           const struct vigil__config* config,
                           struct vigil__budget_view* view);

#endif  /* VIGIL_BUDGET_LOOK_H_ */
