/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* A writer thread and a reader thread on one record, against the oracle: every
 * window the reader saw must be exact, whenever it looked.
 *
 * Time is a counter that the writer moves, so that what the reader must see
 * does not depend on how fast the machine is. The store of it is seq_cst, as
 * time passes for all threads at once. */

#include "os.h"
#include "test.h"
#include "window-oracle.h"
#include "window.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PERIODS 3000000
#define CHECKS 3000

static struct vigil__loop* l;
static struct vigil__window* w;
static struct oracle_period* p;
static _Atomic uint64_t clock_now;
static _Atomic bool stop;
static _Atomic size_t written;
static bool slow;  /* Gives the processor away, so that edges hit periods. */

static vigil__mono_t get_now(void) {
  return atomic_load(&clock_now);
}

static uint64_t next(uint64_t* state, uint64_t below) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (*state >> 33) % below;
}

static void* write_periods(void* arg) {
  uint64_t random = (uintptr_t) arg;
  uint64_t t = 1000;
  size_t n;

  for (n = 0; n < PERIODS && !atomic_load(&stop); n++) {
    t += 1 + next(&random, 100);
    p[n].start = t;
    atomic_store(&clock_now, t);
    vigil__loop_poll_exit(l, t, 1);
    if (next(&random, 8) == 0) {
      p[n].self = UINT64_MAX;  /* All of it. */
      vigil__loop_self_begin(l, t);
    }
    if (slow && next(&random, 4) == 0)
      sched_yield();
    t += 1 + next(&random, UINT64_C(1) << (1 + next(&random, 30)));
    p[n].end = t;
    atomic_store(&clock_now, t);
    if (p[n].self != 0)
      vigil__loop_self_end(l, t);
    vigil__loop_poll_enter(l, t);
    if (slow && next(&random, 4) == 0)
      sched_yield();
  }
  atomic_store(&written, n);
  while (!atomic_load(&stop))
    sched_yield();
  return NULL;
}

struct seen {
  struct vigil__window_span span;
  enum vigil__window_what what;
  uint64_t figures[4];
};

/* Enough to tell two sums apart, in 32 bytes instead of 14 KB. */
static void digest(const struct vigil__hist_copy* sum, uint64_t figures[4]) {
  unsigned i;

  memset(figures, 0, 4 * sizeof(figures[0]));
  for (i = 0; i < VIGIL__HIST_SIZE; i++) {
    figures[0] += sum->cell[i].count;
    figures[1] += sum->cell[i].sum;
    figures[2] += sum->cell[i].count * (i + 1) * (i + 7);
    figures[3] += sum->cell[i].sum * (i + 1) * (i + 7);
  }
}

static void check_race(bool with_yield) {
  static struct vigil__hist_copy sum;
  struct seen* seen = calloc(CHECKS, sizeof(*seen));
  pthread_t writer;
  uint64_t figures[4];
  size_t n = 0;
  size_t k;
  int r;

  slow = with_yield;
  vigil__os.mono = get_now;
  p = calloc(PERIODS, sizeof(*p));
  l = vigil__loop_new(1);
  w = vigil__window_new();
  vigil__loop_run_begin(l, 2);
  vigil__loop_poll_enter(l, 3);
  atomic_store(&clock_now, 4);
  CHECK_EQ(pthread_create(&writer, NULL, write_periods, (void*) 7), 0);

  while (n < CHECKS) {
    r = vigil__window_tick(w, l);
    CHECK(r == 0 || r == -EAGAIN);
    if (slow)
      sched_yield();
    /* Any number of slices, beginning at any edge of the recent past. */
    seen[n].what = n % 2 ? VIGIL__WINDOW_ALL : VIGIL__WINDOW_MASKED;
    if (r == 0 &&
        vigil__window_sum(w, test_random(UINT64_C(1) << (n % 40)),
                          seen[n].what, &sum, &seen[n].span) == 0)
      digest(&sum, seen[n++].figures);
  }
  atomic_store(&stop, true);
  CHECK_EQ(pthread_join(writer, NULL), 0);

  for (k = 0; k < n; k++) {
    oracle_sum(p, written, seen[k].span.begin, seen[k].span.end, seen[k].what,
               &sum);
    digest(&sum, figures);
    CHECK_EQ(seen[k].figures[0], figures[0]);
    CHECK_EQ(seen[k].figures[1], figures[1]);
    CHECK_EQ(seen[k].figures[2], figures[2]);
    CHECK_EQ(seen[k].figures[3], figures[3]);
  }
  free(seen);
  free(p);
  vigil__window_free(w);
  vigil__loop_free(l);
}

TEST(concurrent_reader_of_a_fast_loop_is_exact) {
  check_race(false);
}

TEST(concurrent_reader_of_a_loop_with_long_periods_is_exact) {
  check_race(true);
}
