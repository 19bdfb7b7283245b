/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "lag.h"
#include "os.h"
#include "test.h"
#include "timeline.h"
#include "window-oracle.h"
#include "window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE VIGIL__TIMELINE_NONE

static struct vigil__loop* l;
static struct vigil__window* w;
static struct vigil__timeline* line;
static struct vigil__timeline_copy copy;
static vigil__mono_t now;

static vigil__mono_t get_now(void) {
  return now;
}

static void setup(void) {
  vigil__os.mono = get_now;
  now = VIGIL__SEC;
  l = vigil__loop_new(1);
  w = vigil__window_new();
  line = vigil__timeline_new();
  vigil__loop_run_begin(l, 2);
  vigil__loop_poll_enter(l, now);
}

static void teardown(void) {
  vigil__timeline_free(line);
  vigil__window_free(w);
  vigil__loop_free(l);
}

static int tick(uint64_t gc_ns, uint64_t pool_ns) {
  const int r = vigil__window_tick(w, l);

  vigil__timeline_add(line, w, r, gc_ns, pool_ns);
  return r;
}

static void tick_after(uint64_t ns, uint64_t gc_ns, uint64_t pool_ns) {
  now += ns;
  CHECK_EQ(tick(gc_ns, pool_ns), 0);
}

static void busy(uint64_t ns) {
  vigil__loop_poll_exit(l, now, 1);
  now += ns;
  vigil__loop_poll_enter(l, now);
}

/* All rows are those of the periods inside, cut at the edges. */
static void check_rows(const struct oracle_period* p, size_t n) {
  static struct vigil__hist_copy want;
  const struct vigil__timeline_row* row = copy.row;
  struct vigil__lag lag;

  for (; row < copy.row + copy.count; row++) {
    oracle_sum(p, n, row->begin, row->end, VIGIL__WINDOW_ALL, &want);
    vigil__lag_compute(&want, row->end - row->begin, &lag);
    CHECK_EQ(row->p99_ns, lag.p99_ns);
    CHECK_EQ(row->max_ns, lag.max_ns);
    CHECK_EQ(row->busy_ns, lag.busy_ns);
    if (row > copy.row)
      CHECK_EQ(row->begin, row[-1].end);
  }
}

#define LIFE 20000

/* A random life: periods and slices of all lengths, edges inside of periods. */
TEST(timeline_is_exact_in_a_random_life) {
  struct oracle_period* p = calloc(LIFE, sizeof(*p));
  size_t n;

  setup();
  for (n = 0; n < LIFE; n++) {
    now += test_random(UINT64_C(1) << (1 + test_random(20)));
    p[n] = (struct oracle_period) { .start = now, .end = UINT64_MAX };
    vigil__loop_poll_exit(l, now, 1);
    while (test_random(20) == 0)
      tick_after(1 + test_random(1 << 20), 0, 0);
    now += test_random(UINT64_C(1) << (1 + test_random(20)));
    p[n].end = now;
    vigil__loop_poll_enter(l, now);
    while (test_random(40) == 0)
      tick_after(1 + test_random(1 << 20), 0, 0);
    if (test_random(1000) == 0) {
      memset(&copy, 0, sizeof(copy));
      vigil__timeline_take(&copy, line);
      check_rows(p, n + 1);
    }
  }
  memset(&copy, 0, sizeof(copy));
  vigil__timeline_take(&copy, line);
  CHECK_EQ(copy.count, VIGIL__TIMELINE_KEPT);
  check_rows(p, LIFE);
  teardown();
  free(p);
}

TEST(timeline_of_own_work_is_what_others_waited) {
  setup();
  tick_after(0, 0, NONE);
  vigil__loop_poll_exit(l, now, 1);
  vigil__loop_self_begin(l, now);
  now += VIGIL__SEC / 2;
  vigil__loop_self_end(l, now);
  vigil__loop_poll_enter(l, now);
  tick_after(VIGIL__SEC / 2, 0, NONE);
  CHECK_EQ(line->row[0].max_ns, VIGIL__SEC / 2);
  teardown();
}

TEST(timeline_gc_by_the_slice) {
  static const uint64_t want[] = { 30, 0, 100, 20, 0 };
  uint64_t total = 5000;
  size_t i;

  setup();
  tick_after(0, total, NONE);
  tick_after(100, total += 30, NONE);
  tick_after(100, total, NONE);
  /* One that ended between the edge and the look belongs to the next slice. */
  tick_after(100, total += 120, NONE);
  tick_after(100, total, NONE);
  tick_after(100, total - 3, NONE);
  CHECK_EQ(line->count, 5);
  for (i = 0; i < 5; i++)
    CHECK_EQ(line->row[i].gc_ns, want[i]);
  teardown();
}

TEST(timeline_gc_is_not_known_without_an_isolate) {
  setup();
  tick_after(0, NONE, NONE);
  tick_after(100, NONE, NONE);
  tick_after(100, 7000, NONE);  /* Its pauses may have been long ago. */
  tick_after(100, 7010, NONE);
  tick_after(100, NONE, NONE);  /* It leaves; then there is another one. */
  tick_after(100, 40, NONE);
  tick_after(100, 45, NONE);
  CHECK_EQ(line->row[0].gc_ns, NONE);
  CHECK_EQ(line->row[1].gc_ns, NONE);
  CHECK_EQ(line->row[2].gc_ns, 10);
  CHECK_EQ(line->row[3].gc_ns, NONE);
  CHECK_EQ(line->row[4].gc_ns, NONE);
  CHECK_EQ(line->row[5].gc_ns, 5);
  teardown();
}

TEST(timeline_pool_wait_is_kept) {
  setup();
  tick_after(0, 0, 1);
  tick_after(100, 0, NONE);
  tick_after(100, 0, 77);
  CHECK_EQ(line->row[0].pool_wait_ns, NONE);
  CHECK_EQ(line->row[1].pool_wait_ns, 77);
  teardown();
}

TEST(timeline_says_nothing_of_the_start) {
  vigil__os.mono = get_now;
  now = VIGIL__SEC;
  l = vigil__loop_new(1);
  w = vigil__window_new();
  line = vigil__timeline_new();
  vigil__loop_run_begin(l, 2);
  tick_after(0, 0, NONE);
  tick_after(VIGIL__SEC, 10, NONE);
  vigil__loop_poll_enter(l, now);
  tick_after(VIGIL__SEC, 10, NONE);
  CHECK_EQ(line->row[0].busy_ns, NONE);
  CHECK_EQ(line->row[0].p99_ns, NONE);
  CHECK_EQ(line->row[0].gc_ns, 10);
  CHECK_EQ(line->row[1].busy_ns, 0);
  teardown();
}

TEST(timeline_after_eagain_has_one_longer_row) {
  setup();
  tick_after(0, 0, NONE);
  tick_after(VIGIL__SEC, 0, NONE);
  vigil__store(&l->seq, vigil__load(&l->seq) + 1);
  now += VIGIL__SEC;
  CHECK_EQ(tick(50, NONE), -EAGAIN);
  vigil__store(&l->seq, vigil__load(&l->seq) - 1);
  tick_after(VIGIL__SEC, 60, NONE);
  CHECK_EQ(line->count, 2);
  CHECK_EQ(line->row[1].begin, line->row[0].end);
  CHECK_EQ(line->row[1].end - line->row[1].begin, 2 * VIGIL__SEC);
  CHECK_EQ(line->row[1].gc_ns, 60);
  teardown();
}

static int refuse;

static void* failing_realloc(void* p, size_t size) {
  return refuse-- == 0 ? NULL : realloc(p, size);
}

TEST(timeline_without_memory_has_a_gap) {
  setup();
  tick_after(0, 0, NONE);
  tick_after(VIGIL__SEC, 0, NONE);
  busy(VIGIL__MS);
  vigil__os.realloc = failing_realloc;
  now += VIGIL__SEC;
  CHECK_EQ(tick(50, NONE), -ENOMEM);
  tick_after(VIGIL__SEC, 60, NONE);
  CHECK_EQ(line->count, 2);
  CHECK_EQ(line->row[1].begin - line->row[0].end, VIGIL__SEC + VIGIL__MS);
  CHECK_EQ(line->row[1].gc_ns, 10);
  CHECK_EQ(line->row[1].busy_ns, 0);
  teardown();
  refuse = 0;
  CHECK(vigil__timeline_new() == NULL);
}

/* The trigger and all before it stay, however long the capture takes. */
TEST(timeline_of_an_incident_is_bounded) {
  uint32_t i;

  setup();
  tick_after(0, 0, NONE);
  for (i = 0; i < 1000; i++)
    tick_after(VIGIL__SEC, 0, NONE);
  vigil__timeline_take(&copy, line);
  CHECK_EQ(copy.count, VIGIL__TIMELINE_KEPT);
  CHECK_EQ(copy.row[0].end, now - (VIGIL__TIMELINE_KEPT - 1) * VIGIL__SEC);
  vigil__timeline_take(&copy, line);  /* Nothing new. */
  CHECK_EQ(copy.count, VIGIL__TIMELINE_KEPT);
  for (i = 0; i < 1000; i++) {
    tick_after(VIGIL__SEC, 0, NONE);
    if (i % 3 == 0)
      vigil__timeline_take(&copy, line);
  }
  CHECK_EQ(copy.count, VIGIL__TIMELINE_ROWS);
  for (i = 1; i < copy.count; i++)
    CHECK_EQ(copy.row[i].begin, copy.row[i - 1].end);
  teardown();
}

TEST(timeline_as_json) {
  struct vigil__json j = { .limit = 0 };

  setup();
  vigil__json_object(&j, NULL);
  vigil__timeline_write(&j, "timeline", &copy, 0);  /* None: no member. */
  tick_after(0, 0, NONE);
  busy(VIGIL__SEC / 2);
  tick_after(VIGIL__SEC / 2, 0, NONE);
  tick_after(VIGIL__SEC + 1, 1500000, 2 * VIGIL__MS);
  vigil__timeline_take(&copy, line);
  vigil__timeline_write(&j, "timeline", &copy, line->row[1].begin);
  vigil__json_end(&j);
  CHECK_EQ(vigil__json_finish(&j), 0);
  CHECK(test_json_valid(j.data, j.len));
  j.data[j.len - 1] = '\0';
  CHECK_STR(j.data,
            "{\n  \"timeline\": {\n"
            "    \"atMs\": [-1000, 0],\n"
            "    \"spanMs\": [1000, 1000.000001],\n"
            "    \"p99Ms\": [490, 0],\n"
            "    \"maxMs\": [500, 0],\n"
            "    \"busyMs\": [500, 0],\n"
            "    \"gcMs\": [0, 1.5],\n"
            "    \"poolWaitMs\": [null, 2]\n"
            "  }\n}");
  vigil__json_free(&j);
  teardown();
}
