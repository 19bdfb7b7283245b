/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "clock.h"
#include "counts.h"
#include "test.h"

#include <stdlib.h>  /* qsort */

static struct vigil__counts counts;
static struct vigil__counts_copy copy;

static int by_value(const void* a, const void* b) {
  const uint64_t x = *(const uint64_t*) a;
  const uint64_t y = *(const uint64_t*) b;

  return x < y ? -1 : x > y;
}

TEST(counts_without_records_say_zero) {
  vigil__counts_read(&counts, &copy);
  CHECK_EQ(copy.n, 0);
  CHECK_EQ(vigil__counts_quantile(&copy, 0.99), 0);
}

TEST(counts_one_record_is_every_quantile) {
  vigil__counts_record(&counts, 5 * VIGIL__MS);
  vigil__counts_read(&counts, &copy);
  CHECK_EQ(copy.n, 1);
  CHECK_EQ(copy.total_ns, 5 * VIGIL__MS);
  CHECK_EQ(copy.max_ns, 5 * VIGIL__MS);
  CHECK_EQ(vigil__counts_quantile(&copy, 0), 5 * VIGIL__MS);
  CHECK_EQ(vigil__counts_quantile(&copy, 1), 5 * VIGIL__MS);
}

/* Against sorting; an octave has 16 buckets, so 1/16 of the value. */
TEST(counts_quantiles_are_within_a_bucket_of_the_truth) {
  enum { N = 5000 };
  static const double share[] = { 0.01, 0.5, 0.9, 0.99, 0.999, 1 };
  static uint64_t value[N];
  uint64_t total = 0;
  unsigned i;

  for (i = 0; i < N; i++) {
    value[i] = 100 + test_random(UINT64_C(1) << (7 + test_random(30)));
    total += value[i];
    if (i % 2)
      vigil__counts_record(&counts, value[i]);
    else
      vigil__counts_record_shared(&counts, value[i]);
  }
  qsort(value, N, sizeof(value[0]), by_value);
  vigil__counts_read(&counts, &copy);
  CHECK_EQ(copy.n, N);
  CHECK_EQ(copy.total_ns, total);
  CHECK_EQ(copy.max_ns, value[N - 1]);
  for (i = 0; i < sizeof(share) / sizeof(share[0]); i++) {
    const unsigned rank = (unsigned) (share[i] * N + 0.999999);
    const uint64_t want = value[rank - 1];
    const uint64_t got = vigil__counts_quantile(&copy, share[i]);

    CHECK_OP(got, >=, want);
    CHECK_OP(got - want, <=, want / 16 + 64);
  }
}

TEST(counts_beyond_the_last_bucket_the_longest_speaks) {
  vigil__counts_record(&counts, 500 * VIGIL__SEC);
  vigil__counts_record(&counts, 400 * VIGIL__SEC);
  vigil__counts_read(&counts, &copy);
  CHECK_EQ(vigil__counts_quantile(&copy, 0.5), 500 * VIGIL__SEC);
}
