/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "hist.h"
#include "test.h"

#include <stdlib.h>

TEST(hist_buckets_follow_each_other_without_gap) {
  unsigned i;

  CHECK_EQ(vigil__hist_lower(0), 0);
  CHECK_EQ(VIGIL__HIST_SIZE, 897);
  for (i = 0; i < VIGIL__HIST_SIZE; i++) {
    CHECK_EQ(vigil__hist_index(vigil__hist_lower(i)), i);
    CHECK_EQ(vigil__hist_index(vigil__hist_upper(i) - 1), i);
    if (i + 1 < VIGIL__HIST_SIZE)
      CHECK_EQ(vigil__hist_upper(i), vigil__hist_lower(i + 1));
  }
}

TEST(hist_buckets_are_at_most_a_32nd_wide) {
  unsigned i;

  for (i = 0; i < VIGIL__HIST_SIZE - 1; i++) {
    const uint64_t lower = vigil__hist_lower(i);
    const uint64_t width = vigil__hist_upper(i) - lower;

    if (lower < 1024)
      CHECK_EQ(width, 32);
    else
      CHECK_OP(width * 32, <=, lower);
  }
}

TEST(hist_last_bucket_takes_what_is_beyond) {
  const uint64_t beyond = UINT64_C(1) << 37;

  CHECK_EQ(vigil__hist_index(beyond - 1), VIGIL__HIST_SIZE - 2);
  CHECK_EQ(vigil__hist_index(beyond), VIGIL__HIST_SIZE - 1);
  CHECK_EQ(vigil__hist_index(beyond * 3), VIGIL__HIST_SIZE - 1);
  CHECK_EQ(vigil__hist_index(UINT64_MAX), VIGIL__HIST_SIZE - 1);
  CHECK(vigil__hist_upper(VIGIL__HIST_SIZE - 1) == UINT64_MAX);
}

TEST(hist_record_copy_and_sub_are_exact) {
  struct vigil__hist* h = calloc(1, sizeof(*h));
  struct vigil__hist_copy before;
  struct vigil__hist_copy after;
  struct vigil__hist_copy oracle = { .cell = { { 0, 0 } } };
  int i;

  for (i = 0; i < 20000; i++) {
    const uint64_t ns = test_random(UINT64_C(1) << test_random(40));

    if (i == 10000)
      vigil__hist_copy_all(h, &before);
    if (i >= 10000)
      vigil__hist_copy_add(&oracle, ns);
    vigil__hist_record(h, ns);
  }
  vigil__hist_copy_all(h, &after);
  vigil__hist_copy_sub(&after, &before);
  for (i = 0; i < (int) VIGIL__HIST_SIZE; i++) {
    CHECK_EQ(after.cell[i].count, oracle.cell[i].count);
    CHECK_EQ(after.cell[i].sum, oracle.cell[i].sum);
  }
  free(h);
}

TEST(hist_take_undoes_add_and_never_goes_below_zero) {
  struct vigil__hist_copy c = { .cell = { { 0, 0 } } };
  const unsigned at = vigil__hist_index(5000);
  const uint64_t next = vigil__hist_upper(at);

  vigil__hist_copy_add(&c, 5000);
  vigil__hist_copy_add(&c, 5001);
  vigil__hist_copy_take(&c, 5000);
  CHECK_EQ(c.cell[at].count, 1);
  CHECK_EQ(c.cell[at].sum, 5001);
  /* A little too long, so that it names the next bucket. */
  vigil__hist_copy_take(&c, next);
  CHECK_EQ(c.cell[at].count, 0);
  CHECK_EQ(c.cell[at].sum, 0);
  vigil__hist_copy_take(&c, next);
  vigil__hist_copy_take(&c, 0);
  CHECK_EQ(c.cell[at].count, 0);
  CHECK_EQ(c.cell[at + 1].count, 0);
  CHECK_EQ(c.cell[0].count, 0);
}
