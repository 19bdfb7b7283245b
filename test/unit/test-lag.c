/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* The lag figures against an exact computation from the periods themselves,
 * and against arrivals at random instants. */

#include "clock.h"
#include "lag.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX 200000
#define T (10 * VIGIL__SEC)

static uint64_t d[MAX];     /* Ascending, once exact_prepare() has run. */
static double tail[MAX + 1];  /* Sum of d[i..]. */
static size_t n;
static struct vigil__hist_copy copy;

static int compare(const void* a, const void* b) {
  const uint64_t x = *(const uint64_t*) a;
  const uint64_t y = *(const uint64_t*) b;

  return x < y ? -1 : x > y;
}

static void exact_prepare(void) {
  size_t i;

  qsort(d, n, sizeof(d[0]), compare);
  memset(&copy, 0, sizeof(copy));
  tail[n] = 0;
  for (i = n; i-- > 0;) {
    tail[i] = tail[i + 1] + (double) d[i];
    vigil__hist_copy_add(&copy, d[i]);
  }
}

/* sum(max(0, d - x)) */
static double exact_excess(double x) {
  size_t low = 0;
  size_t high = n;

  while (low < high) {
    const size_t mid = (low + high) / 2;

    if ((double) d[mid] > x)
      high = mid;
    else
      low = mid + 1;
  }
  return tail[low] - x * (double) (n - low);
}

/* The smallest x with excess(x) <= target: between two neighbours of d the
 * excess is a straight line. */
static double exact_solve(double target) {
  size_t i;

  if (exact_excess(0) <= target)
    return 0;
  for (i = 0; i < n; i++)
    if (exact_excess((double) d[i]) <= target)
      return (tail[i] - target) / (double) (n - i);
  return 0;
}

static double width_at(double x) {
  const unsigned i = vigil__hist_index((uint64_t) x);

  return i + 1 == VIGIL__HIST_SIZE
             ? INFINITY
             : (double) (vigil__hist_upper(i) - vigil__hist_lower(i));
}

/* Every bound that lag.h states. */
static void check_against_exact(uint64_t window) {
  static const double share[] = { 0.5, 0.1, 0.01, 0.001 };
  struct vigil__lag lag;
  double squares = 0;
  double allowed = 0;
  size_t i;

  exact_prepare();
  vigil__lag_compute(&copy, window, &lag);
  CHECK_EQ(lag.window_ns, window);
  CHECK_EQ(lag.periods, n);
  CHECK_EQ(lag.busy_ns, tail[0]);

  for (i = 0; i < 4; i++) {
    const uint64_t got = i == 0 ? lag.p50_ns : i == 1 ? lag.p90_ns
                       : i == 2 ? lag.p99_ns : lag.p999_ns;
    const double want = exact_solve(share[i] * (double) window);

    CHECK_NEAR(got, want, width_at(want) + 1);
    if (want >= 1024 && width_at(want) < INFINITY)
      CHECK_NEAR(got, want, want / 32 + 1);
  }

  for (i = 0; i < n; i++) {
    squares += (double) d[i] * (double) d[i];
    allowed += width_at((double) d[i]) * width_at((double) d[i]) / 4;
  }
  CHECK_NEAR(lag.mean_ns, squares / 2 / (double) window,
             allowed / 2 / (double) window + 1);
  if (n != 0) {
    CHECK_OP(lag.max_ns, >=, d[n - 1]);
    if (width_at((double) d[n - 1]) < INFINITY)
      CHECK_OP(lag.max_ns - d[n - 1], <, width_at((double) d[n - 1]));
  } else {
    CHECK_EQ(lag.max_ns, 0);
  }

  for (i = 0, allowed = 0; i < n; i++)
    allowed += pow((double) d[i], 3);
  allowed = allowed / 3 / (double) window -
            pow(squares / 2 / (double) window, 2);
  if (tail[0] < (double) window && n != 0 && width_at((double) d[n - 1]) <
                                                 INFINITY && d[0] > 1024)
    CHECK_NEAR(lag.stddev_ns, sqrt(allowed), sqrt(allowed) / 500 + 1);

  for (i = 0; i < 500; i++) {
    const uint64_t x = i % 5 == 0 || n == 0
        ? vigil__hist_lower((unsigned) test_random(VIGIL__HIST_SIZE))
        : d[test_random(n)] + test_random(64);
    const unsigned at = vigil__hist_index(x);
    const bool edge = x == vigil__hist_lower(at);
    const double got = vigil__lag_exceed(&copy, window, x);
    double want = exact_excess((double) x) / (double) window;
    double under = (double) copy.cell[at].count * width_at((double) x) / 4 /
                   (double) window;

    want = want > 1 ? 1 : want;
    CHECK(got <= want + 1e-9);
    if (edge || copy.cell[at].count <= 1)
      under = 0;
    CHECK(got >= want - under - 1e-9);
  }
}

/* Places the periods at random in the window and lets events arrive. */
static void check_against_arrivals(void) {
  enum { ARRIVALS = 200000 };
  const double idle = (double) T - tail[0];
  struct vigil__lag lag;
  double* starts = malloc((n + 1) * sizeof(*starts));
  uint64_t* shuffled = malloc((n + 1) * sizeof(*shuffled));
  double over[4] = { 0 };
  double x[4];
  double sum = 0;
  double t = 0;
  size_t i;
  size_t k;

  CHECK(idle >= 0);
  vigil__lag_compute(&copy, T, &lag);
  x[0] = (double) lag.p50_ns;
  x[1] = (double) lag.p90_ns;
  x[2] = (double) lag.p99_ns;
  x[3] = (double) lag.p99_ns / 2;

  memcpy(shuffled, d, n * sizeof(*d));
  for (i = n; i > 1; i--) {
    const size_t j = test_random(i);
    const uint64_t swap = shuffled[i - 1];

    shuffled[i - 1] = shuffled[j];
    shuffled[j] = swap;
  }
  for (i = 0; i < n; i++) {
    t += idle / (double) n;
    starts[i] = t;
    t += (double) shuffled[i];
  }

  for (k = 0; k < ARRIVALS; k++) {
    const double at = test_random_unit() * (double) T;
    size_t low = 0;
    size_t high = n;
    double wait = 0;

    while (low < high) {
      const size_t mid = (low + high) / 2;

      if (starts[mid] > at)
        high = mid;
      else
        low = mid + 1;
    }
    if (low != 0) {
      wait = starts[low - 1] + (double) shuffled[low - 1] - at;
      wait = wait > 0 ? wait : 0;
    }
    sum += wait;
    for (i = 0; i < 4; i++)
      over[i] += wait > x[i];
  }
  for (i = 0; i < 4; i++) {
    const double p = vigil__lag_exceed(&copy, T, (uint64_t) x[i]);

    /* Five standard deviations, and the bucket error. */
    CHECK_NEAR(over[i] / ARRIVALS, p,
               5 * sqrt(p * (1 - p) / ARRIVALS) + p * 0.04 + 1e-4);
  }
  CHECK_NEAR(sum / ARRIVALS, (double) lag.mean_ns,
             (double) lag.mean_ns * 0.05 +
                 5 * (double) lag.max_ns / sqrt(ARRIVALS));
  free(starts);
  free(shuffled);
}

/* Fills the window up to a share of busy time. */
static void fill(double (*next)(void), double busy) {
  double total = 0;

  for (n = 0; n < MAX; n++) {
    d[n] = (uint64_t) next();
    total += (double) d[n];
    if (total > busy * (double) T)
      break;
  }
}

static void check_distribution(double (*next)(void)) {
  static const double busy[] = { 0.005, 0.3, 0.95 };
  size_t i;

  for (i = 0; i < 3; i++) {
    fill(next, busy[i]);
    check_against_exact(T);
    check_against_arrivals();
  }
}

static double exponential(void) {
  return -log(test_random_unit()) * 300e3;
}

static double uniform(void) {
  return test_random_unit() * 20e6;
}

static double bimodal(void) {
  return test_random(100) < 97 ? 100e3 + (double) test_random(30000)
                               : 80e6 + (double) test_random(5000000);
}

static double pareto(void) {
  const double x = 50e3 * pow(test_random_unit(), -1 / 1.2);

  return x < 400e6 ? x : 400e6;
}

static double tiny(void) {
  return 1 + (double) test_random(900);
}

TEST(lag_exponential) { check_distribution(exponential); }
TEST(lag_uniform) { check_distribution(uniform); }
TEST(lag_bimodal) { check_distribution(bimodal); }
TEST(lag_pareto) { check_distribution(pareto); }

TEST(lag_tiny_periods) {
  n = 0;
  while (n < MAX)
    d[n++] = (uint64_t) tiny();
  check_against_exact(T);
  /* Busy nearly all the time, by periods below 1 us. */
  check_against_exact((uint64_t) tail[0] + 1);
}

TEST(lag_rare_block_of_500_ms) {
  struct vigil__lag lag;

  n = 0;
  d[n++] = 500 * VIGIL__MS;
  while (n < 1000)
    d[n++] = 20 * VIGIL__US;
  check_against_exact(T);
  check_against_arrivals();
  /* An event has to hit the first 100 ms of the block, 1 % of the window, to
   * wait over 400 ms. */
  vigil__lag_compute(&copy, T, &lag);
  CHECK_EQ(lag.p99_ns, 400 * VIGIL__MS);
  CHECK_EQ(lag.max_ns, 500 * VIGIL__MS);
  CHECK_EQ(lag.p50_ns, 0);
  CHECK_NEAR(vigil__lag_exceed(&copy, T, 400 * VIGIL__MS), 0.01, 1e-12);
}

TEST(lag_one_period_over_the_whole_window) {
  struct vigil__lag lag;

  n = 0;
  d[n++] = T;
  check_against_exact(T);
  vigil__lag_compute(&copy, T, &lag);
  CHECK_EQ(lag.p50_ns, T / 2);
  CHECK_EQ(lag.p99_ns, T / 100 * 99);
  CHECK_EQ(lag.mean_ns, T / 2);
  CHECK_EQ(lag.max_ns, T);
}

/* Nothing is lost while no bucket holds two periods of different length. */
TEST(lag_is_exact_with_one_length_in_each_bucket) {
  struct vigil__lag lag;
  int i;
  size_t k;

  for (i = 0; i < 300; i++) {
    const uint64_t length = 1000 * VIGIL__US + test_random(VIGIL__SEC);

    n = 0;
    for (k = test_random(30) + 1; k > 0; k--) {
      /* A gap of more than a bucket between two of them. */
      d[n] = length - length / 15 * (n % 10);
      n++;
    }
    exact_prepare();
    vigil__lag_compute(&copy, T, &lag);
    CHECK_NEAR(lag.p50_ns, exact_solve(0.5 * T), 1);
    CHECK_NEAR(lag.p90_ns, exact_solve(0.1 * T), 1);
    CHECK_NEAR(lag.p99_ns, exact_solve(0.01 * T), 1);
    CHECK_NEAR(lag.p999_ns, exact_solve(0.001 * T), 1);
  }
}

TEST(lag_beyond_the_last_bucket) {
  struct vigil__lag lag;

  n = 0;
  d[n++] = 200 * VIGIL__SEC;
  check_against_exact(600 * VIGIL__SEC);
  vigil__lag_compute(&copy, 600 * VIGIL__SEC, &lag);
  CHECK_EQ(lag.p90_ns, 140 * VIGIL__SEC);
  CHECK_EQ(lag.max_ns, 200 * VIGIL__SEC);
  d[n++] = 150 * VIGIL__SEC;
  exact_prepare();
  vigil__lag_compute(&copy, 600 * VIGIL__SEC, &lag);
  CHECK_EQ(lag.busy_ns, 350 * VIGIL__SEC);
  CHECK_OP(lag.max_ns, >=, 200 * VIGIL__SEC);
  CHECK_OP(lag.max_ns, <, 350 * VIGIL__SEC);
}

TEST(lag_of_nothing) {
  struct vigil__lag lag;

  n = 0;
  check_against_exact(T);
  vigil__lag_compute(&copy, T, &lag);
  CHECK_EQ(lag.p999_ns, 0);
  CHECK_EQ(lag.mean_ns, 0);
  /* A window without length. */
  d[n++] = 1000;
  exact_prepare();
  vigil__lag_compute(&copy, 0, &lag);
  CHECK_EQ(lag.window_ns, 0);
  CHECK_EQ(lag.p99_ns, 0);
  CHECK(vigil__lag_exceed(&copy, 0, 0) == 0);
}

TEST(lag_random_single_periods) {
  int i;

  for (i = 0; i < 300; i++) {
    n = 0;
    d[n++] = 1 + test_random(UINT64_C(1) << (1 + test_random(33)));
    check_against_exact(T);
  }
}
