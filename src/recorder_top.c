/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "recorder.h"

#include "os.h"

#include <errno.h>
#include <stdlib.h>  /* free, qsort */

static int by_frame(const void* a, const void* b) {
  const uint32_t x = *(const uint32_t*) a;
  const uint32_t y = *(const uint32_t*) b;

  return (x > y) - (x < y);
}

/* Sums up; returns the number of samples that are not idle. */
static size_t sum_up(const struct vigil__recorder* r,
                     vigil__mono_t from,
                     vigil__mono_t to,
                     struct vigil__recorder_sum* sum) {
  const struct vigil__recorder_sample* next;
  const struct vigil__recorder_sample* s;
  struct vigil__recorder_walk w;
  size_t busy = 0;

  *sum = (struct vigil__recorder_sum) { .samples = { 0 } };
  vigil__recorder_walk(&w, r, from, to);
  for (s = vigil__recorder_next(&w); s != NULL; s = next) {
    const vigil__mono_t begin = s->at > from ? s->at : from;

    next = vigil__recorder_next(&w);
    sum->ns[s->state] += (next != NULL ? next->at : to) - begin;
    if (s->at >= from) {
      sum->samples[s->state]++;
      busy += s->state != VIGIL__RECORDER_IDLE;
    }
  }
  return busy;
}

static void copy_leaves(const struct vigil__recorder* r,
                        vigil__mono_t from,
                        vigil__mono_t to,
                        uint32_t* leaf) {
  const struct vigil__calltree* tree;
  const struct vigil__recorder_sample* s;
  struct vigil__recorder_walk w;

  vigil__recorder_walk(&w, r, from, to);
  while ((s = vigil__recorder_next(&w)) != NULL) {
    tree = &vigil__recorder_generation(r, w.g)->tree;
    if (s->at >= from && s->state != VIGIL__RECORDER_IDLE)
      *leaf++ = tree->node[s->node].frame;
  }
}

/* Counts the `count` leaves and puts the most frequent ones in order. */
static size_t rank(uint32_t* leaf,
                   size_t count,
                   struct vigil__recorder_self* top,
                   size_t n) {
  struct vigil__recorder_self self;
  size_t found = 0;
  size_t i;
  size_t k;

  qsort(leaf, count, sizeof(*leaf), by_frame);
  for (i = 0; i < count; i += self.samples) {
    self = (struct vigil__recorder_self) { .frame = leaf[i] };
    while (i + self.samples < count && leaf[i + self.samples] == self.frame)
      self.samples++;
    for (k = found; k > 0 && top[k - 1].samples < self.samples; k--)
      if (k < n)
        top[k] = top[k - 1];
    if (k < n)
      top[k] = self;
    found += found < n;
  }
  return found;
}

int vigil__recorder_top(const struct vigil__recorder* r,
                        vigil__mono_t from,
                        vigil__mono_t to,
                        struct vigil__recorder_sum* sum,
                        struct vigil__recorder_self* top,
                        size_t* n) {
  const size_t count = sum_up(r, from, to, sum);
  const size_t most = *n;
  uint32_t* leaf;

  *n = 0;
  if (count == 0 || most == 0)
    return 0;
  leaf = vigil__os.realloc(NULL, count * sizeof(*leaf));
  if (leaf == NULL)
    return -ENOMEM;
  copy_leaves(r, from, to, leaf);
  *n = rank(leaf, count, top, most);
  free(leaf);
  return 0;
}
