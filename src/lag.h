/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LAG_H_
#define VIGIL_LAG_H_

#include "hist.h"

#include <stdint.h>

/* Lag W: the wait of an event that arrives at a uniformly random instant of a
 * window T with busy periods d_i. It waits for the rest of the period it falls
 * into, so with S and N the sum and the count of the periods longer than x
 *
 *   P(W > x) = sum(max(0, d_i - x)) / T = (S(>x) - x N(>x)) / T
 *   mean     = sum(d_i^2) / 2T
 *   pQ       = the smallest x with P(W > x) <= 1 - Q
 *
 * Error, given that the histogram knows S and N exactly at bucket edges only:
 * - P is exact at edges. It only falls, so the true pQ lies in the bucket where
 *   P crosses 1 - Q, and so does ours: they differ by less than the width of
 *   that bucket, at most max(32 ns, pQ / 32).
 * - Inside a bucket of n periods its periods stand at their mean. That is
 *   exact for n = 1, and otherwise at most n * width / 4T too low.
 * - mean: at most sum(n * width^2 / 4) / 2T too low; for periods from 1024 ns
 *   on that is 1/4096 of it.
 * - stddev: E[W^2] = sum(d_i^3) / 3T likewise at most 3/4096 too low.
 * - max: exact when the longest bucket holds one period, else never too low
 *   and less than the width of that bucket too high. Periods of 2^37 ns and
 *   more share one bucket without an upper edge: there max is at most their
 *   sum, and the other figures take them at their mean. */
struct vigil__lag {
  uint64_t window_ns;   /* T. */
  uint64_t busy_ns;     /* Sum of the periods. */
  uint64_t periods;     /* How many. */
  uint64_t p50_ns;
  uint64_t p90_ns;
  uint64_t p99_ns;
  uint64_t p999_ns;
  uint64_t mean_ns;
  uint64_t stddev_ns;
  uint64_t max_ns;      /* Longest period, the worst wait. */
};

/* All pure; any thread. A window of 0 ns has no lag: all figures are 0. */
void vigil__lag_compute(const struct vigil__hist_copy* c,
                        uint64_t window_ns,
                        struct vigil__lag* lag);

/* P(W > x), 0 .. 1. */
double vigil__lag_exceed(const struct vigil__hist_copy* c,
                         uint64_t window_ns,
                         uint64_t x_ns);

#endif  /* VIGIL_LAG_H_ */
