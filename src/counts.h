/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_COUNTS_H_
#define VIGIL_COUNTS_H_

#include "hist.h"

#include <stdint.h>

/* A smaller histogram of lengths of time in ns, for figures that need no sum
 * per bucket: count per bucket, total and longest. Two buckets of hist.h make
 * one of these, so a bucket is at most 6.25 % of its lower bound wide. */
#define VIGIL__COUNTS_SIZE ((VIGIL__HIST_SIZE + 1) / 2)

struct vigil__counts {
  vigil__word_t total_ns;
  vigil__word_t max_ns;
  vigil__word_t count[VIGIL__COUNTS_SIZE];
};

/* A private copy. */
struct vigil__counts_copy {
  uint64_t n;                   /* How many were recorded. */
  uint64_t total_ns;
  uint64_t max_ns;
  uint64_t count[VIGIL__COUNTS_SIZE];
};

/* One writer thread, or writers that a lock keeps apart. */
static inline void vigil__counts_record(struct vigil__counts* c, uint64_t ns) {
  vigil__add(&c->count[vigil__hist_index(ns) / 2], 1);
  vigil__add(&c->total_ns, ns);
  if (ns > vigil__load(&c->max_ns))
    vigil__store(&c->max_ns, ns);
}

/* Any number of writers; never on a loop thread's hot path. Relaxed: the words
 * are figures of their own, nothing else is read by way of them. */
static inline void vigil__counts_record_shared(struct vigil__counts* c,
                                               uint64_t ns) {
  uint64_t max = vigil__load(&c->max_ns);

  atomic_fetch_add_explicit(&c->count[vigil__hist_index(ns) / 2], 1,
                            memory_order_relaxed);
  atomic_fetch_add_explicit(&c->total_ns, ns, memory_order_relaxed);
  while (ns > max &&
         !atomic_compare_exchange_weak_explicit(&c->max_ns, &max, ns,
                                                memory_order_relaxed,
                                                memory_order_relaxed)) {
  }
}

/* Any thread. Each word is whole; they may be some records apart. */
void vigil__counts_read(const struct vigil__counts* c,
                        struct vigil__counts_copy* copy);

/* The value that a share `q` (0 .. 1) of the records does not exceed: upper
 * edge of its bucket, but never over the longest record. 0 without records. */
uint64_t vigil__counts_quantile(const struct vigil__counts_copy* c, double q);

#endif  /* VIGIL_COUNTS_H_ */
