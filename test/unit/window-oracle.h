/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_WINDOW_ORACLE_H_
#define VIGIL_WINDOW_ORACLE_H_

#include "window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a window must hold, from the periods themselves. */
struct oracle_period {
  vigil__mono_t start;
  vigil__mono_t end;  /* UINT64_MAX: still open. */
  uint64_t self;      /* So long from its start our own work lasts. */
};

/* Whether the part until `to` is our own work, by half at least. */
static inline bool oracle_is_self(const struct oracle_period* p,
                                  vigil__mono_t to) {
  const uint64_t all = to - p->start;
  const uint64_t self = p->self < all ? p->self : all;

  return self != 0 && self >= all / 2;
}

/* Sums the parts of p[0..n) inside of begin..end; p is in order of time. */
static inline void oracle_sum(const struct oracle_period* p,
                              size_t n,
                              vigil__mono_t begin,
                              vigil__mono_t end,
                              enum vigil__window_what what,
                              struct vigil__hist_copy* sum) {
  size_t low = 0;
  size_t high = n;

  while (low < high) {
    const size_t mid = (low + high) / 2;

    if (p[mid].end > begin)
      high = mid;
    else
      low = mid + 1;
  }
  *sum = (struct vigil__hist_copy) { .cell = { { 0, 0 } } };
  for (; low < n && p[low].start < end; low++) {
    const vigil__mono_t from = p[low].start > begin ? p[low].start : begin;
    const vigil__mono_t to = p[low].end < end ? p[low].end : end;

    if (to > from &&
        !(what == VIGIL__WINDOW_MASKED && oracle_is_self(&p[low], to)))
      vigil__hist_copy_add(sum, to - from);
  }
}

#endif  /* VIGIL_WINDOW_ORACLE_H_ */
