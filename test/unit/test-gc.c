/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "counts.h"
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

TEST(gc_spaces_and_counts_are_kept) {
  struct vigil__gc* gc = vigil__gc_new();
  struct vigil__gc_space space[VIGIL__GC_SPACES];
  const struct vigil__gc_space one = { "old_space", 10, 7, 3, 9 };
  const struct vigil__gc_space two = { "new_space", 20, 1, 19, 20 };
  struct vigil__counts_copy counts;
  unsigned i;

  CHECK_EQ(vigil__gc_spaces(gc, space), 0);
  vigil__gc_note_space(gc, 0, &two);
  vigil__gc_note_space(gc, 0, &one);
  vigil__gc_note_space(gc, 1, &two);
  CHECK_EQ(vigil__gc_spaces(gc, space), 2);
  CHECK_STR(space[0].name, "old_space");
  CHECK_EQ(space[0].size_bytes, 10);
  CHECK_EQ(space[0].used_bytes, 7);
  CHECK_EQ(space[0].available_bytes, 3);
  CHECK_EQ(space[1].physical_bytes, 20);
  for (i = 2; i < 2 * VIGIL__GC_SPACES; i++)
    vigil__gc_note_space(gc, i, &two);
  CHECK_EQ(vigil__gc_spaces(gc, space), VIGIL__GC_SPACES);
  vigil__gc_begin(gc, VIGIL__GC_SCAVENGE, T);
  vigil__gc_end(gc, VIGIL__GC_SCAVENGE, T + 5);
  vigil__gc_counts(gc, VIGIL__GC_SCAVENGE, &counts);
  CHECK_EQ(counts.n, 1);
  CHECK_EQ(counts.total_ns, 5);
  vigil__gc_free(gc);
}
