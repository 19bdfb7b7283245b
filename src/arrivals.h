/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_ARRIVALS_H_
#define VIGIL_ARRIVALS_H_

#include "clock.h"
#include "hist.h"

#include <stdint.h>

/* The lag of a loop as a histogram that only grows, so that it can be scraped,
 * subtracted and added up over processes: that of one imagined event in each
 * millisecond since the loop's first poll. Over any time T
 *
 *   (at_most(x) now - at_most(x) before) / T  =  P(W <= x)        (lag.h)
 *
 * so the quantiles of the difference are those an arriving event feels. For
 * busy periods d_i, the open one with its age so far,
 *
 *   at_most(x) = since the first poll - sum(max(0, d_i - x))
 *   sum        = sum(d_i^2) / 2 per millisecond
 *
 * at_most() only grows: while a period is open it grows until the period is x
 * old, then stops. Where an end is counted less well than an open period, the
 * last value is kept until the next one passes it.
 *
 * Error: as lag.h says. A bound mostly lies inside of a bucket of hist.h; the
 * periods of that bucket, and no others, stand at their mean, which for each is
 * at most a quarter of the width, x / 128, off. */
#define VIGIL__ARRIVAL_NS VIGIL__MS  /* One event in each. */

#define VIGIL__ARRIVAL_BOUNDS 25u
/* In ns, growing. */
extern const uint64_t vigil__arrival_bounds[VIGIL__ARRIVAL_BOUNDS];

/* Zero it, then always give the same one for the same loop. */
struct vigil__arrivals {
  uint64_t at_most_ns[VIGIL__ARRIVAL_BOUNDS];  /* Time, not events. */
  uint64_t total_ns;            /* Since the first poll. */
  uint64_t sum_ns;              /* Waits of all the events. */
  uint64_t over_ns;             /* Time in which an event waits for longer than
                                 * the limit. */
  uint64_t busy_ns;             /* Part of the total. */
};

/* `busy` has all periods that ended until `total_ns` after the first poll;
 * one that is `open_ns` old then is open (0: none is). Pure; any thread. */
void vigil__arrivals_update(struct vigil__arrivals* a,
                            const struct vigil__hist_copy* busy,
                            uint64_t open_ns,
                            uint64_t total_ns,
                            uint64_t limit_ns);

#endif  /* VIGIL_ARRIVALS_H_ */
