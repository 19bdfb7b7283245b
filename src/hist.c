/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "hist.h"

void vigil__hist_copy_all(const struct vigil__hist* h,
                          struct vigil__hist_copy* to) {
  unsigned i;

  for (i = 0; i < VIGIL__HIST_SIZE; i++)
    vigil__hist_copy_cell(h, to, i);
}

void vigil__hist_copy_add(struct vigil__hist_copy* c, uint64_t ns) {
  struct vigil__hist_pair* p = &c->cell[vigil__hist_index(ns)];

  p->count++;
  p->sum += ns;
}

void vigil__hist_copy_take(struct vigil__hist_copy* c, uint64_t ns) {
  unsigned i = vigil__hist_index(ns);
  struct vigil__hist_pair* p;

  if (c->cell[i].count == 0 && i > 0)
    i--;
  p = &c->cell[i];
  if (p->count == 0)
    return;
  p->count--;
  p->sum = p->count == 0 || p->sum < ns ? 0 : p->sum - ns;
}

void vigil__hist_copy_sub(struct vigil__hist_copy* a,
                          const struct vigil__hist_copy* b) {
  unsigned i;

  for (i = 0; i < VIGIL__HIST_SIZE; i++) {
    a->cell[i].count -= b->cell[i].count;
    a->cell[i].sum -= b->cell[i].sum;
  }
}
