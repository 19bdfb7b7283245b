/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "loop.h"
#include "os.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct vigil__loop* l;
static struct vigil__loop_copy c;
static vigil__mono_t now = 1000;

static vigil__mono_t get_now(void) {
  return now;
}

/* A loop that has polled once, at 1000, and still polls. */
static void setup(void) {
  vigil__os.mono = get_now;
  l = vigil__loop_new(400);
  vigil__loop_run_begin(l, 500);
  vigil__loop_poll_enter(l, 1000);
}

static void period(uint64_t ns) {
  vigil__loop_poll_exit(l, now, 1);
  now += ns;
  vigil__loop_poll_enter(l, now);
  now += 10;
}

static uint64_t periods(const struct vigil__hist_copy* h, uint64_t* sum) {
  uint64_t count = 0;
  unsigned i;

  *sum = 0;
  for (i = 0; i < VIGIL__HIST_SIZE; i++) {
    count += h->cell[i].count;
    *sum += h->cell[i].sum;
  }
  return count;
}

static void check_periods(uint64_t count, uint64_t sum) {
  uint64_t got;

  CHECK_EQ(vigil__loop_read(l, &c), 0);
  CHECK_EQ(periods(&c.busy, &got), count);
  CHECK_EQ(got, sum);
}

TEST(loop_start_up_is_timed_and_not_a_period) {
  vigil__os.mono = get_now;
  l = vigil__loop_new(400);
  vigil__loop_run_begin(l, 500);
  now = 90 * VIGIL__SEC;
  check_periods(0, 0);
  CHECK_EQ(c.startup_ns, 0);
  CHECK_EQ(c.busy_start, 0);
  /* Our own work then is no part of a period either. */
  vigil__loop_self_begin(l, now - 77);
  vigil__loop_self_end(l, now);
  vigil__loop_poll_enter(l, now);
  period(1);
  check_periods(1, 1);
  CHECK_EQ(c.startup_ns, 90 * VIGIL__SEC - 400);
  CHECK_EQ(c.self_ns, 77);
  CHECK_EQ(periods(&c.self, &now), 0);
  vigil__loop_free(l);
}

TEST(loop_counts_polls_events_periods_and_longest) {
  setup();
  vigil__loop_poll_exit(l, now, 3);
  now += 5000;
  vigil__loop_poll_enter(l, now);
  vigil__loop_poll_exit(l, now, -1);  /* A signal. */
  now += 100;
  vigil__loop_poll_enter(l, now);
  vigil__loop_poll_exit(l, now, 0);
  vigil__loop_poll_enter(l, now);
  check_periods(3, 5100);
  CHECK_EQ(c.polls, 3);
  CHECK_EQ(c.events, 3);
  CHECK_EQ(c.longest_ns, 5000);
  CHECK_EQ(c.now, now);
  vigil__loop_free(l);
}

TEST(loop_open_period_is_seen) {
  setup();
  vigil__loop_poll_exit(l, 2000, 1);
  now = 7000;
  check_periods(0, 0);
  CHECK_EQ(c.busy_start, 2000);
  vigil__loop_poll_enter(l, 9000);
  now = 9500;
  check_periods(1, 7000);
  CHECK_EQ(c.busy_start, 0);
  CHECK(c.ended);
  CHECK_EQ(c.ended_ns, 7000);
  CHECK_EQ(c.last_start, 2000);
  CHECK_EQ(c.last_now, 7000);
  now = 9600;
  check_periods(1, 7000);
  CHECK(!c.ended);
  vigil__loop_free(l);
}

TEST(loop_period_opened_after_the_copy_is_not_open_in_it) {
  setup();
  vigil__loop_poll_exit(l, 2000, 1);
  now = 1999;
  check_periods(0, 0);
  CHECK_EQ(c.busy_start, 0);
  vigil__loop_free(l);
}

TEST(loop_nested_runs) {
  setup();
  vigil__loop_poll_exit(l, 2000, 1);
  vigil__loop_run_begin(l, 2500);    /* From inside of a callback. */
  vigil__loop_poll_enter(l, 3000);
  now = 10000;
  check_periods(1, 1000);
  vigil__loop_poll_exit(l, 11000, 1);
  vigil__loop_run_end(l, 11500);     /* Goes on in the outer callback. */
  now = 11700;
  check_periods(1, 1000);
  CHECK_EQ(c.busy_start, 11000);
  vigil__loop_poll_enter(l, 12000);
  check_periods(2, 2000);
  vigil__loop_poll_exit(l, 13000, 1);
  vigil__loop_run_end(l, 13100);
  now = 50000;                       /* Outside: not busy. */
  check_periods(3, 2100);
  CHECK_EQ(c.busy_start, 0);
  vigil__loop_run_begin(l, 60000);
  vigil__loop_poll_enter(l, 60005);
  now = 70000;
  check_periods(4, 2105);
  vigil__loop_free(l);
}

TEST(loop_run_that_never_polls_is_still_start_up) {
  vigil__os.mono = get_now;
  l = vigil__loop_new(400);
  vigil__loop_run_begin(l, 500);
  vigil__loop_run_end(l, 600);
  vigil__loop_run_end(l, 650);       /* One too many does no harm. */
  check_periods(0, 0);
  CHECK_EQ(c.startup_ns, 0);
  vigil__loop_run_begin(l, 700);
  vigil__loop_poll_enter(l, 800);
  check_periods(0, 0);
  CHECK_EQ(c.startup_ns, 400);
  vigil__loop_free(l);
}

TEST(loop_period_of_own_work) {
  uint64_t sum;

  setup();
  vigil__loop_poll_exit(l, 2000, 1);
  vigil__loop_self_begin(l, 2100);
  now = 2500;
  check_periods(0, 0);
  CHECK(c.self_open);
  CHECK_EQ(vigil__loop_self_end(l, 2550), 450);
  CHECK_EQ(vigil__loop_self_end(l, 2560), 0);
  now = 2900;
  check_periods(0, 0);
  CHECK(c.self_open);
  now = 2950;
  check_periods(0, 0);
  CHECK(!c.self_open);  /* Less than half of it, now. */
  vigil__loop_self_begin(l, 2950);
  vigil__loop_self_end(l, 3000);
  vigil__loop_poll_enter(l, 3000);
  now = 4000;
  period(50);
  check_periods(2, 1050);
  CHECK(!c.self_open);
  CHECK_EQ(periods(&c.self, &sum), 1);
  CHECK_EQ(sum, 1000);
  CHECK_EQ(c.self_ns, 500);
  CHECK(c.ended && c.ended_self);
  vigil__loop_poll_exit(l, 5000, 1);
  vigil__loop_self_begin(l, 5000);
  vigil__loop_self_end(l, 5100);
  vigil__loop_poll_enter(l, 6000);  /* Ours for a tenth: the program's. */
  CHECK_EQ(vigil__loop_read(l, &c), 0);
  CHECK_EQ(periods(&c.self, &sum), 1);
  vigil__loop_free(l);
}

TEST(loop_clock_that_stands_or_goes_back_makes_no_huge_period) {
  setup();
  vigil__loop_poll_exit(l, 2000, 1);
  vigil__loop_poll_enter(l, 1999);
  now = 3000;
  check_periods(1, 0);
  vigil__loop_free(l);
}

/* The reader asks for the time in the middle of its work, which lets a test
 * run the writer there: `steps` periods at each of the first `times`. */
static int steps;
static int times;
static uint64_t length;

static vigil__mono_t overtake(void) {
  int i;

  if (times != 0) {
    times--;
    for (i = 0; i < steps; i++)
      period(length + test_random(length));
  }
  return now;
}

static void check_overtaken(int each, int how_often) {
  struct vigil__hist_copy want;
  int i;

  vigil__os.mono = overtake;
  steps = each;
  for (length = 100; length < UINT64_C(1) << 34; length *= 7) {
    times = how_often;
    CHECK_EQ(vigil__loop_read(l, &c), 0);
    CHECK_EQ(times, 0);
    vigil__hist_copy_all(&l->busy, &want);
    for (i = 0; i < (int) VIGIL__HIST_SIZE; i++) {
      CHECK_EQ(c.busy.cell[i].count, want.cell[i].count);
      CHECK_EQ(c.busy.cell[i].sum, want.cell[i].sum);
    }
  }
}

TEST(loop_overtaken_copy_is_repaired) {
  setup();
  check_overtaken(1, 1);
  check_overtaken(3, 40);
  check_overtaken(VIGIL__LOOP_LOG - 1, 1);
  check_overtaken(VIGIL__LOOP_LOG, 1);
  vigil__loop_free(l);
}

TEST(loop_copy_overtaken_by_more_than_the_log_starts_again) {
  setup();
  check_overtaken(VIGIL__LOOP_LOG + 1, 1);
  check_overtaken(VIGIL__LOOP_LOG * 3, 5);
  check_overtaken(50, 20);  /* Adds up to it. */
  vigil__loop_free(l);
}

TEST(loop_reader_gives_up_and_loses_nothing) {
  uint64_t sum;

  setup();
  vigil__loop_poll_exit(l, now, 1);
  now += 500;
  CHECK_EQ(vigil__loop_read(l, &c), 0);    /* 500 ns open. */
  now += 100;
  vigil__loop_poll_enter(l, now);          /* Takes 600 in all. */
  now += 10;
  vigil__os.mono = overtake;
  steps = 1;
  length = 5000;
  times = -1;
  CHECK_EQ(vigil__loop_read(l, &c), -EAGAIN);
  CHECK_EQ(vigil__loop_read(l, &c), -EAGAIN);
  times = 0;
  CHECK_EQ(vigil__loop_read(l, &c), 0);
  /* What it marked meanwhile does not hide how the first one ended. */
  CHECK(c.ended);
  CHECK_EQ(c.ended_ns, 600);
  CHECK_EQ(periods(&c.busy, &sum), vigil__load(&l->seq) / 2);
  vigil__loop_free(l);
}

TEST(loop_reader_gives_up_on_a_writer_that_stopped_midway) {
  setup();
  period(5000);
  vigil__store(&l->seq, vigil__load(&l->seq) + 1);
  CHECK_EQ(vigil__loop_read(l, &c), -EAGAIN);
  vigil__store(&l->seq, vigil__load(&l->seq) - 1);
  check_periods(1, 5000);
  vigil__loop_free(l);
}

/* The writer looked at `mark` just before the reader's store got there. */
TEST(loop_missed_mark_means_ended_at_the_copy) {
  setup();
  vigil__loop_poll_exit(l, 2000, 1);
  now = 7000;
  check_periods(0, 0);
  vigil__store(&l->mark, VIGIL__LOOP_NO_MARK);
  vigil__loop_poll_enter(l, 7000);
  vigil__store(&l->mark, 0);
  now = 9000;
  check_periods(1, 5000);
  CHECK(c.ended);
  CHECK_EQ(c.ended_ns, 5000);
  vigil__loop_free(l);
}

TEST(loop_is_copied_only_where_it_changed) {
  uint64_t sum;

  setup();
  memset(&c, 0, sizeof(c));
  period(1000);
  check_periods(1, 1000);
  CHECK(!c.same);
  /* Nothing has ended: what the copy holds is not taken again. */
  vigil__hist_copy_add(&c.busy, 77);
  check_periods(2, 1077);
  CHECK(c.same);
  vigil__loop_poll_exit(l, now, 1);  /* Nor now: a period is open. */
  check_periods(2, 1077);
  CHECK(c.same);
  vigil__loop_poll_enter(l, now + 500);
  now += 600;
  CHECK_EQ(vigil__loop_read(l, &c), 0);
  CHECK(!c.same);
  CHECK_EQ(periods(&c.busy, &sum), 3);
  /* After more periods than the log holds it is all taken again. */
  for (sum = 0; sum <= VIGIL__LOOP_LOG; sum++)
    period(2000);
  check_periods(3 + VIGIL__LOOP_LOG, 1500 + 2000 * (VIGIL__LOOP_LOG + 1));
  CHECK(!c.same);
}

TEST(loop_record_is_small_and_its_halves_are_on_different_lines) {
  CHECK_OP(sizeof(struct vigil__loop), <=, 64 * 1024);
  CHECK_EQ(offsetof(struct vigil__loop, mark) % 128, 0);
  CHECK_OP(offsetof(struct vigil__loop, log), >=,
           offsetof(struct vigil__loop, mark) + 128);
  CHECK_OP(offsetof(struct vigil__loop, depth) + sizeof(uint32_t), <=,
           offsetof(struct vigil__loop, mark));
  l = vigil__loop_new(1);
  CHECK_EQ((uintptr_t) l % 128, 0);
  vigil__loop_free(l);
}

#define T0 (1000 * VIGIL__SEC)

TEST(loop_turn_is_the_busy_time_of_an_iteration) {
  struct vigil__loop* loop = vigil__loop_new(T0);
  struct vigil__counts_copy turns;

  vigil__loop_turn(loop);
  vigil__loop_poll_enter(loop, T0 + 10);       /* Start-up, not a turn. */
  vigil__loop_poll_exit(loop, T0 + 100, 1);
  vigil__loop_poll_enter(loop, T0 + 130);      /* Same iteration: polls again. */
  vigil__loop_poll_exit(loop, T0 + 200, 1);
  vigil__loop_turn(loop);
  vigil__loop_poll_enter(loop, T0 + 250);      /* 30 + 50 */
  vigil__loop_poll_exit(loop, T0 + 300, 1);
  vigil__loop_turn(loop);
  vigil__loop_poll_enter(loop, T0 + 307);      /* 7 */
  vigil__counts_read(&loop->turn, &turns);
  CHECK_EQ(turns.n, 2);
  CHECK_EQ(turns.total_ns, 87);
  CHECK_EQ(turns.max_ns, 80);
  CHECK_EQ(vigil__load(&loop->turns), 3);
  CHECK_EQ(vigil__load(&loop->busy_ns), 87);
  CHECK_EQ(vigil__load(&loop->first_poll), T0 + 10);
  vigil__loop_free(loop);
}

TEST(loop_timers_that_run_late) {
  struct vigil__loop* loop = vigil__loop_new(T0);
  struct vigil__counts_copy late;

  vigil__loop_timer(loop, T0 + 100, T0 + 90);   /* The clock of ms rounds. */
  vigil__loop_timer(loop, T0 + 100, T0 + 164);
  vigil__counts_read(&loop->late, &late);
  CHECK_EQ(late.n, 2);
  CHECK_EQ(late.total_ns, 64);
  vigil__loop_free(loop);
}
