/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_HIST_H_
#define VIGIL_HIST_H_

#include "atomic.h"

#include <stddef.h>
#include <stdint.h>

/* Log-linear histogram of lengths of time in ns: count and sum per bucket.
 *
 * Buckets are 32 ns wide below 1024 ns, then 32 to an octave up to 2^37 ns
 * (137 s): a bucket is never wider than 1/32 (3.125 %) of its lower bound,
 * from 1024 ns on. The last bucket takes everything longer; its sum stays
 * exact. Count and sum of a bucket are neighbours, so that one record touches
 * one cache line. */
#define VIGIL__HIST_SUB_BITS 5
#define VIGIL__HIST_SUB (1u << VIGIL__HIST_SUB_BITS)
#define VIGIL__HIST_MIN_BITS (2 * VIGIL__HIST_SUB_BITS)  /* 1024 ns */
#define VIGIL__HIST_MAX_BITS 37
#define VIGIL__HIST_SIZE                                                      \
  ((VIGIL__HIST_MAX_BITS - VIGIL__HIST_MIN_BITS + 1) * VIGIL__HIST_SUB + 1)

struct vigil__hist_cell {
  vigil__word_t count;
  vigil__word_t sum;
};

/* One writer thread; counters only grow, and are never reset. */
struct vigil__hist {
  struct vigil__hist_cell cell[VIGIL__HIST_SIZE];
};

struct vigil__hist_pair {
  uint64_t count;
  uint64_t sum;
};

/* A private copy; plain memory of one thread. */
struct vigil__hist_copy {
  struct vigil__hist_pair cell[VIGIL__HIST_SIZE];
};

/* Bucket of a value; every value has one. No branch: below 1024 ns the same
 * shift gives the linear buckets. */
static inline unsigned vigil__hist_index(uint64_t ns) {
  unsigned bits;
  unsigned index;

  ns = ns >> VIGIL__HIST_MAX_BITS ? 1ull << VIGIL__HIST_MAX_BITS : ns;
  bits = 63 - (unsigned) __builtin_clzll(ns | 1ull << VIGIL__HIST_MIN_BITS);
  index = (bits - VIGIL__HIST_MIN_BITS) << VIGIL__HIST_SUB_BITS;
  return index + (unsigned) (ns >> (bits - VIGIL__HIST_SUB_BITS));
}

/* Smallest value of bucket `index` (0 .. VIGIL__HIST_SIZE - 1). */
static inline uint64_t vigil__hist_lower(unsigned index) {
  unsigned octave = index >> VIGIL__HIST_SUB_BITS;
  uint64_t sub = index & (VIGIL__HIST_SUB - 1);

  if (octave == 0)
    return sub << VIGIL__HIST_SUB_BITS;
  return (VIGIL__HIST_SUB + sub) << (octave - 1 + VIGIL__HIST_SUB_BITS);
}

/* First value above bucket `index`; UINT64_MAX for the last one. */
static inline uint64_t vigil__hist_upper(unsigned index) {
  return index + 1 < VIGIL__HIST_SIZE ? vigil__hist_lower(index + 1)
                                      : UINT64_MAX;
}

/* Writer thread only. */
__attribute__((always_inline))
static inline void vigil__hist_record(struct vigil__hist* h, uint64_t ns) {
  struct vigil__hist_cell* c = &h->cell[vigil__hist_index(ns)];

  vigil__add(&c->count, 1);
  vigil__add(&c->sum, ns);
}

/* Copies one bucket, or all. The caller's seqlock says whether it is torn. */
static inline void vigil__hist_copy_cell(const struct vigil__hist* h,
                                         struct vigil__hist_copy* to,
                                         unsigned index) {
  to->cell[index].count = vigil__load(&h->cell[index].count);
  to->cell[index].sum = vigil__load(&h->cell[index].sum);
}

void vigil__hist_copy_all(const struct vigil__hist* h,
                          struct vigil__hist_copy* to);

/* Adds one value to a copy. */
void vigil__hist_copy_add(struct vigil__hist_copy* c, uint64_t ns);

/* Removes one value that the histogram holds. `ns` may be a little more than
 * what was recorded (see window.c): then the bucket below is tried too. The
 * sum of a bucket never goes below zero. */
void vigil__hist_copy_take(struct vigil__hist_copy* c, uint64_t ns);

/* a -= b, bucket by bucket; b is an earlier copy of the same histogram. */
void vigil__hist_copy_sub(struct vigil__hist_copy* a,
                          const struct vigil__hist_copy* b);

#endif  /* VIGIL_HIST_H_ */
