/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "gc.h"
#include "test.h"

#define T (1000 * VIGIL__SEC)

static struct vigil__gc_copy copy;

TEST(gc_nested_pauses_count_once_in_the_total) {
  struct vigil__gc* gc = vigil__gc_new();

  vigil__gc_begin(gc, VIGIL__GC_MARK_SWEEP_COMPACT, T);
  vigil__gc_begin(gc, VIGIL__GC_WEAK_CALLBACKS, T + 10);
  vigil__gc_end(gc, VIGIL__GC_WEAK_CALLBACKS, T + 30);
  vigil__gc_end(gc, VIGIL__GC_MARK_SWEEP_COMPACT, T + 100);
  vigil__gc_begin(gc, VIGIL__GC_SCAVENGE, T + 200);
  vigil__gc_end(gc, VIGIL__GC_SCAVENGE, T + 207);
  vigil__gc_read(gc, &copy);
  CHECK_EQ(copy.pause_ns, 107);
  CHECK_EQ(copy.ns[VIGIL__GC_MARK_SWEEP_COMPACT], 100);
  CHECK_EQ(copy.ns[VIGIL__GC_WEAK_CALLBACKS], 20);
  CHECK_EQ(copy.count[VIGIL__GC_SCAVENGE], 1);
  CHECK_EQ(copy.max_ns[VIGIL__GC_SCAVENGE], 7);
  CHECK_EQ(copy.p99_ns[VIGIL__GC_SCAVENGE], 7);
  CHECK_EQ(copy.count[VIGIL__GC_INCREMENTAL_MARKING], 0);
  vigil__gc_free(gc);
}

TEST(gc_end_without_a_beginning_is_ignored) {
  struct vigil__gc* gc = vigil__gc_new();

  vigil__gc_end(gc, VIGIL__GC_SCAVENGE, T);
  vigil__gc_read(gc, &copy);
  CHECK_EQ(copy.count[VIGIL__GC_SCAVENGE], 0);
  CHECK_EQ(copy.pause_ns, 0);
  vigil__gc_free(gc);
}

TEST(gc_heap_after_a_full_collection_is_kept) {
  struct vigil__gc* gc = vigil__gc_new();

  vigil__gc_heap(gc, 123, 45, 678);
  vigil__gc_read(gc, &copy);
  CHECK_EQ(copy.used_after_bytes, 123);
  CHECK_EQ(copy.external_after_bytes, 45);
  vigil__gc_free(gc);
}
