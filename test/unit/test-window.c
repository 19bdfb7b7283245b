/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "os.h"
#include "test.h"
#include "window-oracle.h"
#include "window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct vigil__loop* l;
static struct vigil__window* w;
static struct vigil__window_span span;
static struct vigil__lag lag;
static vigil__mono_t now;

static vigil__mono_t get_now(void) {
  return now;
}

static void setup(void) {
  vigil__os.mono = get_now;
  now = VIGIL__SEC;
  l = vigil__loop_new(1);
  w = vigil__window_new();
  vigil__loop_run_begin(l, 2);
  vigil__loop_poll_enter(l, now);
}

static void teardown(void) {
  vigil__window_free(w);
  vigil__loop_free(l);
}

static void busy(uint64_t ns) {
  vigil__loop_poll_exit(l, now, 1);
  now += ns;
  vigil__loop_poll_enter(l, now);
}

static void tick_after(uint64_t ns) {
  now += ns;
  CHECK_EQ(vigil__window_tick(w, l), 0);
}

static void get_lag(uint64_t length, enum vigil__window_what what) {
  CHECK_EQ(vigil__window_lag(w, length, what, &lag, &span), 0);
}

TEST(window_of_nothing) {
  setup();
  CHECK_EQ(vigil__window_lag(w, VIGIL__SEC, VIGIL__WINDOW_ALL, &lag, &span),
           -ENODATA);
  CHECK_EQ(lag.window_ns, 0);
  CHECK(!span.filled);
  tick_after(0);
  CHECK_EQ(vigil__window_lag(w, VIGIL__SEC, VIGIL__WINDOW_ALL, &lag, &span),
           -ENODATA);
  tick_after(VIGIL__SEC);
  get_lag(VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(lag.window_ns, VIGIL__SEC);
  CHECK_EQ(lag.periods, 0);
  CHECK_EQ(lag.p999_ns, 0);
  CHECK(span.filled);
  teardown();
}

TEST(window_what_was_before_the_first_tick_does_not_count) {
  setup();
  busy(5 * VIGIL__SEC);
  tick_after(10);
  busy(VIGIL__MS);
  tick_after(999 * VIGIL__MS);
  get_lag(VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(lag.periods, 1);
  CHECK_EQ(lag.busy_ns, VIGIL__MS);
  CHECK_EQ(span.polls, 1);
  CHECK_EQ(span.events, 1);
  teardown();
}

TEST(window_one_period_over_many_slices) {
  int i;

  setup();
  tick_after(0);
  vigil__loop_poll_exit(l, now + VIGIL__SEC / 2, 1);
  for (i = 1; i <= 5; i++) {
    tick_after(VIGIL__SEC);
    get_lag(VIGIL__SEC, VIGIL__WINDOW_ALL);
    CHECK_EQ(lag.max_ns, i == 1 ? VIGIL__SEC / 2 : VIGIL__SEC);
    get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_ALL);
    CHECK_EQ(lag.max_ns, (uint64_t) i * VIGIL__SEC - VIGIL__SEC / 2);
    CHECK(!span.filled);
  }
  /* It ends; windows that begin inside of it see only the rest. */
  now += VIGIL__SEC / 4;
  vigil__loop_poll_enter(l, now);
  tick_after(VIGIL__SEC / 4 * 3);
  get_lag(VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(lag.max_ns, VIGIL__SEC / 4);
  CHECK_EQ(lag.periods, 1);
  get_lag(2 * VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(lag.max_ns, VIGIL__SEC / 4 + VIGIL__SEC);
  get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(lag.max_ns, VIGIL__SEC / 4 * 19);
  CHECK_EQ(lag.periods, 1);
  teardown();
}

TEST(window_takes_the_slices_nearest_to_the_length) {
  int i;

  setup();
  tick_after(0);
  for (i = 0; i < 30; i++)
    tick_after(i % 2 ? VIGIL__SEC - 1000 : VIGIL__SEC - 900);
  get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(span.slices, 10);
  CHECK(span.filled);
  get_lag(1, VIGIL__WINDOW_ALL);
  CHECK_EQ(span.slices, 1);
  get_lag(VIGIL__SEC / 10 * 14, VIGIL__WINDOW_ALL);
  CHECK_EQ(span.slices, 1);
  get_lag(VIGIL__SEC / 10 * 16, VIGIL__WINDOW_ALL);
  CHECK_EQ(span.slices, 2);
  get_lag(60 * VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(span.slices, 30);
  CHECK(!span.filled);
  tick_after(40 * VIGIL__SEC);  /* This thread slept. */
  get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(span.slices, 1);
  CHECK_EQ(lag.window_ns, 40 * VIGIL__SEC);
  teardown();
}

TEST(window_masked_leaves_own_work_out) {
  setup();
  tick_after(0);
  busy(3 * VIGIL__MS);
  vigil__loop_poll_exit(l, now, 1);
  vigil__loop_self_begin(l, now);
  now += VIGIL__SEC;
  CHECK_EQ(vigil__window_tick(w, l), 0);  /* Open. */
  get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_MASKED);
  CHECK_EQ(lag.busy_ns, 3 * VIGIL__MS);
  get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(lag.max_ns, VIGIL__SEC);
  vigil__loop_self_end(l, now);
  now += VIGIL__SEC / 2;
  vigil__loop_poll_enter(l, now);
  tick_after(VIGIL__SEC / 2);             /* Ended. */
  get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_MASKED);
  CHECK_EQ(lag.busy_ns, 3 * VIGIL__MS);
  CHECK_EQ(lag.periods, 1);
  get_lag(VIGIL__SEC, VIGIL__WINDOW_MASKED);  /* Begins inside. */
  CHECK_EQ(lag.periods, 0);
  CHECK_EQ(lag.busy_ns, 0);
  get_lag(VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(lag.max_ns, VIGIL__SEC / 2);
  teardown();
}

TEST(window_masked_counts_what_follows_a_little_own_work) {
  setup();
  tick_after(0);
  vigil__loop_poll_exit(l, now, 1);
  vigil__loop_self_begin(l, now);
  now += 20 * VIGIL__MS;
  CHECK_EQ(vigil__loop_self_end(l, now), 20 * VIGIL__MS);
  CHECK_EQ(vigil__window_tick(w, l), 0);
  get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_MASKED);
  CHECK_EQ(lag.busy_ns, 0);
  now += VIGIL__SEC;                      /* The program blocks. */
  CHECK_EQ(vigil__window_tick(w, l), 0);
  get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_MASKED);
  CHECK_EQ(lag.max_ns, VIGIL__SEC + 20 * VIGIL__MS);
  vigil__loop_poll_enter(l, now);
  tick_after(VIGIL__SEC);
  get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_MASKED);
  CHECK_EQ(lag.max_ns, VIGIL__SEC + 20 * VIGIL__MS);
  teardown();
}

/* A random life against the oracle: periods from 1 ns to a few slices, ticks
 * at random instants, also inside of periods, windows of every length. */
#define LIFE 60000

static uint64_t random_length(void) {
  return 1 + test_random(UINT64_C(1) << (1 + test_random(20)));
}

static void check_windows(const struct oracle_period* p, size_t n) {
  static struct vigil__hist_copy want;
  static struct vigil__hist_copy got;
  int i;

  for (i = 0; i < 3; i++) {
    const enum vigil__window_what what =
        test_random(2) ? VIGIL__WINDOW_ALL : VIGIL__WINDOW_MASKED;

    if (vigil__window_sum(w, test_random(UINT64_C(1) << test_random(26)),
                          what, &got, &span) != 0)
      return;
    oracle_sum(p, n, span.begin, span.end, what, &want);
    if (memcmp(&got, &want, sizeof(got)) == 0)
      continue;
    for (i = 0; i < (int) VIGIL__HIST_SIZE; i++) {
      CHECK_EQ(got.cell[i].count, want.cell[i].count);
      CHECK_EQ(got.cell[i].sum, want.cell[i].sum);
    }
  }
}

/* Where the time of it has come. */
static void end_self(const struct oracle_period* p) {
  if (vigil__load(&l->self_since) != 0 && now - p->start >= p->self)
    vigil__loop_self_end(l, p->start + p->self);
}

TEST(window_is_exact_in_a_random_life) {
  struct oracle_period* p = calloc(LIFE, sizeof(*p));
  int ticks = 0;
  size_t n;

  setup();
  for (n = 0; n < LIFE; n++) {
    now += random_length();
    p[n].start = now;
    p[n].end = UINT64_MAX;
    vigil__loop_poll_exit(l, now, 1);
    if (test_random(10) == 0) {
      p[n].self = random_length();
      vigil__loop_self_begin(l, now);
    }
    while (test_random(10) == 0) {
      now += test_random(3) ? random_length() : 0;
      end_self(&p[n]);
      CHECK_EQ(vigil__window_tick(w, l), 0);
      check_windows(p, n + 1);
      ticks++;
    }
    now += random_length();
    p[n].end = now;
    if (p[n].self > now - p[n].start)
      p[n].self = now - p[n].start;
    end_self(&p[n]);
    vigil__loop_poll_enter(l, now);
    while (test_random(30) == 0) {
      now += test_random(3) ? random_length() : 0;
      CHECK_EQ(vigil__window_tick(w, l), 0);
      check_windows(p, n + 1);
      ticks++;
    }
  }
  CHECK_OP(ticks, >, VIGIL__WINDOW_SLICES);
  CHECK_EQ(w->count, VIGIL__WINDOW_SLICES);
  teardown();
  free(p);
}

/* The writer looked at `mark` just before the reader's store got there. */
static void check_missed_mark(bool self) {
  setup();
  tick_after(0);
  vigil__loop_poll_exit(l, now, 1);
  if (self)
    vigil__loop_self_begin(l, now);
  tick_after(VIGIL__SEC);
  vigil__loop_self_end(l, now);
  vigil__store(&l->mark, VIGIL__LOOP_NO_MARK);
  vigil__loop_poll_enter(l, now);
  vigil__store(&l->mark, 0);
  busy(VIGIL__SEC);  /* In the same bucket, and not to be confused. */
  tick_after(0);
  get_lag(VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(lag.periods, 1);
  CHECK_EQ(lag.busy_ns, VIGIL__SEC);
  get_lag(VIGIL__SEC, VIGIL__WINDOW_MASKED);
  CHECK_EQ(lag.periods, 1);
  get_lag(2 * VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(lag.periods, 2);
  get_lag(2 * VIGIL__SEC, VIGIL__WINDOW_MASKED);
  CHECK_EQ(lag.periods, self ? 1 : 2);
  teardown();
}

TEST(window_missed_mark_leaves_no_trace) {
  check_missed_mark(false);
}

TEST(window_missed_mark_on_own_work_leaves_no_trace) {
  check_missed_mark(true);
}

static int refuse;

static void* failing_realloc(void* p, size_t size) {
  return refuse-- == 0 ? NULL : realloc(p, size);
}

TEST(window_without_memory_is_shorter_and_right) {
  setup();
  tick_after(0);
  busy(VIGIL__MS);
  tick_after(VIGIL__SEC);
  busy(7 * VIGIL__MS);
  vigil__loop_poll_exit(l, now, 1);
  vigil__os.realloc = failing_realloc;
  refuse = 0;
  now += VIGIL__SEC;
  CHECK_EQ(vigil__window_tick(w, l), -ENOMEM);
  CHECK_EQ(w->dropped, 1);
  CHECK_EQ(vigil__window_lag(w, VIGIL__SEC, VIGIL__WINDOW_ALL, &lag, &span),
           -ENODATA);
  now += 3;
  vigil__loop_poll_enter(l, now);
  busy(2 * VIGIL__MS);
  tick_after(VIGIL__SEC - 3 - 2 * VIGIL__MS);
  get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK(!span.filled);
  CHECK_EQ(lag.window_ns, VIGIL__SEC);
  CHECK_EQ(lag.busy_ns, 2 * VIGIL__MS + 3);
  teardown();
  refuse = 0;
  CHECK(vigil__window_new() == NULL);
}

TEST(window_memory_is_bounded) {
  unsigned i;
  int k;

  setup();
  tick_after(0);
  for (k = 0; k < 400; k++) {
    for (i = 0; i < VIGIL__HIST_SIZE; i += 1)
      busy(vigil__hist_lower(i));
    tick_after(1);
    CHECK_OP(w->cells, <=, VIGIL__WINDOW_CELLS);
  }
  CHECK_EQ(w->cells, w->count * VIGIL__HIST_SIZE);
  CHECK_OP(w->count, ==, VIGIL__WINDOW_CELLS / VIGIL__HIST_SIZE);
  teardown();
}

TEST(window_reads_again_after_eagain) {
  setup();
  tick_after(0);
  vigil__loop_poll_exit(l, now, 1);
  tick_after(VIGIL__SEC);
  now += VIGIL__SEC;
  vigil__loop_poll_enter(l, now);
  vigil__store(&l->seq, vigil__load(&l->seq) + 1);
  CHECK_EQ(vigil__window_tick(w, l), -EAGAIN);
  vigil__store(&l->seq, vigil__load(&l->seq) - 1);
  tick_after(VIGIL__SEC);
  get_lag(VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(lag.window_ns, 2 * VIGIL__SEC);
  CHECK_EQ(lag.max_ns, VIGIL__SEC);
  get_lag(10 * VIGIL__SEC, VIGIL__WINDOW_ALL);
  CHECK_EQ(lag.max_ns, 2 * VIGIL__SEC);
  teardown();
}
