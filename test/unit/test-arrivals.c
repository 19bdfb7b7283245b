/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "arrivals.h"
#include "lag.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX 4000
#define LIMIT (50 * VIGIL__MS)

static uint64_t d[MAX];
static size_t n;
static uint64_t total;
static uint64_t open_ns;
static struct vigil__hist_copy copy;
static struct vigil__arrivals a;

static void reset(void) {
  n = 0;
  total = open_ns = 0;
  memset(&copy, 0, sizeof(copy));
  memset(&a, 0, sizeof(a));
}

static void idle(uint64_t ns) {
  total += ns;
}

static void period(uint64_t ns) {
  d[n++] = ns;
  total += ns;
  vigil__hist_copy_add(&copy, ns);
}

static void update(void) {
  vigil__arrivals_update(&a, &copy, open_ns, total, LIMIT);
}

/* From the periods themselves. */
static uint64_t exact_at_most(uint64_t x) {
  uint64_t over = open_ns > x ? open_ns - x : 0;
  size_t i;

  for (i = 0; i < n; i++)
    over += d[i] > x ? d[i] - x : 0;
  return total - over;
}

/* What standing at the mean may cost: a quarter of the width for each period
 * of the bucket that the bound is in. */
static uint64_t allowed(uint64_t x) {
  const unsigned at = vigil__hist_index(x);
  const uint64_t width = vigil__hist_upper(at) - vigil__hist_lower(at);
  const uint64_t count = copy.cell[at].count;

  return count <= 1 ? 0 : count * width / 4 + 1;
}

static void check(void) {
  double squares = (double) open_ns * (double) open_ns;
  uint64_t want;
  unsigned i;
  size_t k;

  update();
  CHECK_EQ(a.total_ns, total);
  for (i = 0; i < VIGIL__ARRIVAL_BOUNDS; i++) {
    want = exact_at_most(vigil__arrival_bounds[i]);
    CHECK_OP(a.at_most_ns[i], >=, want);
    CHECK_OP(a.at_most_ns[i] - want, <=, allowed(vigil__arrival_bounds[i]));
    CHECK(i == 0 || a.at_most_ns[i] >= a.at_most_ns[i - 1]);
    CHECK_OP(a.at_most_ns[i], <=, a.total_ns);
  }
  want = total - exact_at_most(LIMIT);
  CHECK_OP(a.over_ns, <=, want);
  CHECK_OP(want - a.over_ns, <=, allowed(LIMIT));
  for (k = 0; k < n; k++)
    squares += (double) d[k] * (double) d[k];
  CHECK_NEAR(a.sum_ns, squares / 2 / 1e6, squares / 2 / 1e6 / 2000 + 2);
}

TEST(arrivals_of_nothing) {
  reset();
  check();
  CHECK_EQ(a.at_most_ns[0], 0);
  idle(10 * VIGIL__SEC);
  check();
  CHECK_EQ(a.at_most_ns[0], 10 * VIGIL__SEC);
  CHECK_EQ(a.sum_ns, 0);
  CHECK_EQ(a.busy_ns, 0);
}

/* The example of the README: a p99 of 400 ms. */
TEST(arrivals_one_block) {
  unsigned i;

  reset();
  idle(9500 * VIGIL__MS);
  period(500 * VIGIL__MS);
  check();
  for (i = 0; vigil__arrival_bounds[i] != 400 * VIGIL__MS; i++);
  CHECK_EQ(a.at_most_ns[i], 9900 * VIGIL__MS);
  CHECK_EQ(a.over_ns, 450 * VIGIL__MS);
  CHECK_EQ(a.busy_ns, 500 * VIGIL__MS);
  /* 500 events that wait for 250 ms in the mean. */
  CHECK_EQ(a.sum_ns, 500 * 250 * VIGIL__MS);
}

static uint64_t random_length(void) {
  const double u = test_random_unit();

  switch (test_random(3)) {
    case 0: return (uint64_t) (-log(u) * 300e3);
    case 1: return (uint64_t) (u * 120e6);
    default: return (uint64_t) fmin(50e3 * pow(u, -1 / 1.1), 90e9);
  }
}

TEST(arrivals_against_the_periods) {
  int round;

  for (round = 0; round < 20; round++) {
    reset();
    while (n < 1500) {
      idle(test_random(2 * VIGIL__MS));
      period(random_length());
    }
    check();
    open_ns = test_random(3 * VIGIL__SEC);
    total += open_ns;
    check();
  }
}

/* What a scraper needs: whatever the instants it looks at, also inside of
 * periods, nothing goes back, and no bucket grows by more than the time. */
TEST(arrivals_never_go_back) {
  struct vigil__arrivals last;
  uint64_t length;
  uint64_t step;
  uint64_t grown;
  unsigned i;
  int k;

  reset();
  for (k = 0; k < 3000 && n < MAX; k++) {
    last = a;
    length = random_length();
    idle(test_random(VIGIL__MS));
    /* It is open for a while, and looked at... */
    while (open_ns < length) {
      step = test_random(length) + 1;
      step = step > length - open_ns ? length - open_ns : step;
      open_ns += step;
      total += step;
      update();
      for (i = 0; i < VIGIL__ARRIVAL_BOUNDS; i++)
        CHECK_OP(a.at_most_ns[i], >=, last.at_most_ns[i]);
      CHECK_OP(a.sum_ns, >=, last.sum_ns);
      last = a;
    }
    /* ...then it has ended. */
    total -= length;
    open_ns = 0;
    period(length);
    update();
    grown = a.total_ns - last.total_ns;
    CHECK_OP(grown, ==, 0);
    for (i = 0; i < VIGIL__ARRIVAL_BOUNDS; i++) {
      CHECK_OP(a.at_most_ns[i], >=, last.at_most_ns[i]);
      CHECK_OP(a.at_most_ns[i] - last.at_most_ns[i], <=,
               allowed(vigil__arrival_bounds[i]));
      CHECK_OP(a.at_most_ns[i], <=, a.total_ns);
    }
    CHECK_OP(a.sum_ns, >=, last.sum_ns);
    CHECK_OP(a.over_ns, >=, last.over_ns);
    CHECK_OP(a.busy_ns, >=, last.busy_ns);
  }
}

/* As histogram_quantile() does it: from bounds, on a straight line. */
static double quantile(const double* at_most, double all, double q) {
  double from = 0;
  double below = 0;
  unsigned i;

  for (i = 0; i < VIGIL__ARRIVAL_BOUNDS; i++) {
    if (at_most[i] >= q * all)
      return from + ((double) vigil__arrival_bounds[i] - from) *
                        (q * all - below) / (at_most[i] - below);
    from = (double) vigil__arrival_bounds[i];
    below = at_most[i];
  }
  return from;
}

/* Two processes, added up as a query does, against the arrivals in both. */
TEST(arrivals_add_up_over_processes) {
  static double both[VIGIL__ARRIVAL_BOUNDS];
  double all = 0;
  double got;
  unsigned i;
  int p;

  memset(both, 0, sizeof(both));
  for (p = 0; p < 2; p++) {
    reset();
    while (total < 60 * VIGIL__SEC) {
      idle(900 * VIGIL__MS);
      period(p == 0 ? 100 * VIGIL__MS : VIGIL__MS);
    }
    check();
    for (i = 0; i < VIGIL__ARRIVAL_BOUNDS; i++)
      both[i] += (double) a.at_most_ns[i];
    all += (double) total;
  }
  /* One arrival in 20 comes in a block of 100 ms, one in 100 with 80 ms of it
   * still to come. The line between two bounds of a uniform wait is exact. */
  got = quantile(both, all, 0.99);
  CHECK_NEAR(got, 80e6, 1e6);
}
