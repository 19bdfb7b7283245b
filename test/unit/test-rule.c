/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "rule.h"
#include "test.h"

#include <string.h>

#define START (1000 * VIGIL__SEC)
#define WINDOW_MS 10000

/* One evaluation, at `at` ms after the start. */
struct step {
  uint64_t at;
  uint64_t p99_ms;
  enum vigil__rule_decision want;
  bool empty;               /* Window not filled. */
  bool capturing;
  bool begin;               /* The budget allows what fires. */
  bool again;               /* It fires again. */
  const char* reason;       /* Part of it, or NULL. */
};

static const struct vigil__rule_config config = {
  .rule[VIGIL__RULE_LAG] = { 50 * VIGIL__MS, 10 * VIGIL__SEC },
  .window_ns = WINDOW_MS * VIGIL__MS,
  .grace_ns = 5 * VIGIL__SEC
};

static const struct vigil__rule_config at_once = {
  .rule[VIGIL__RULE_LAG] = { 50 * VIGIL__MS, 0 },
  .window_ns = WINDOW_MS * VIGIL__MS
};

#define I VIGIL__RULE_IDLE
#define P VIGIL__RULE_PENDING
#define F VIGIL__RULE_FIRE
#define O VIGIL__RULE_OPEN

static void check(const struct vigil__rule_config* with,
                  const struct step* s,
                  size_t n) {
  struct vigil__rule_state state = { .start = START };
  struct vigil__rule_result got;
  size_t i;

  for (i = 0; i < n; i++) {
    const struct vigil__rule_input in = {
      .now = START + s[i].at * VIGIL__MS,
      .figure[VIGIL__RULE_LAG] = { s[i].p99_ms * VIGIL__MS, !s[i].empty },
      .capturing = s[i].capturing
    };

    got = vigil__rule_eval(with, &state, &in);
    if (got.decision != s[i].want)
      test_fail(__FILE__, __LINE__, "at %d ms: got %d (%s), want %d",
                (int) s[i].at, got.decision, got.reason, s[i].want);
    if (s[i].reason != NULL && strstr(got.reason, s[i].reason) == NULL)
      test_fail(__FILE__, __LINE__, "at %d ms: \"%s\" says not \"%s\"",
                (int) s[i].at, got.reason, s[i].reason);
    if (got.again != s[i].again)
      test_fail(__FILE__, __LINE__, "at %d ms: again: %d", (int) s[i].at,
                got.again);
    CHECK_EQ(got.rule, VIGIL__RULE_LAG);
    if (s[i].begin)
      vigil__rule_began(&state, got.rule);
  }
}

#define CHECK_STEPS(with, ...)                                                \
  do {                                                                        \
    static const struct step s[] = { __VA_ARGS__ };                           \
    check((with), s, sizeof(s) / sizeof(s[0]));                               \
  } while (0)

TEST(rule_fires_after_exactly_the_time) {
  CHECK_STEPS(&config,
    { 20000, 51, P, .reason = "not for long" },
    { 22000, 60, P }, { 24000, 51, P }, { 26000, 900, P }, { 28000, 51, P },
    { 29999, 51, P },
    { 30000, 51, F, .reason = "too long", .begin = true },
    { 30001, 51, O, .reason = "not over yet" });
}

TEST(rule_at_the_limit_is_not_over_it) {
  CHECK_STEPS(&config,
    { 20000, 50, I, .reason = "not over" }, { 22000, 50, I },
    { 24000, 50, I }, { 26000, 50, I }, { 28000, 50, I }, { 30000, 50, I });
}

TEST(rule_dip_starts_again) {
  CHECK_STEPS(&config,
    { 20000, 90, P }, { 23000, 90, P }, { 26000, 90, P },
    { 29000, 10, I },
    { 30000, 90, P }, { 33000, 90, P }, { 36000, 90, P }, { 39000, 90, P },
    { 39999, 90, P }, { 40000, 90, F });
}

TEST(rule_grace_period) {
  CHECK_STEPS(&config,
    { 0, 900, I, .reason = "grace" }, { 2000, 900, I },
    { 4999, 900, I, .reason = "grace" },
    { 5000, 900, P },  /* Counts from here. */
    { 8000, 900, P }, { 11000, 900, P }, { 14000, 900, P },
    { 14999, 900, P }, { 15000, 900, F });
}

TEST(rule_window_that_is_not_full) {
  CHECK_STEPS(&config,
    { 20000, 900, I, .empty = true, .reason = "full" },
    { 22000, 900, P }, { 25000, 900, P },
    { 27000, 900, I, .empty = true },
    { 30000, 900, P }, { 33000, 900, P }, { 36000, 900, P },
    { 39000, 900, P }, { 40000, 900, F });
}

TEST(rule_capture_that_runs) {
  CHECK_STEPS(&config,
    { 20000, 900, P }, { 23000, 900, P }, { 26000, 900, P },
    { 29000, 900, P },
    { 30000, 900, O, .capturing = true, .reason = "capture" },
    { 31000, 10, O, .capturing = true },
    { 32000, 900, P },  /* What the capture caused does not count. */
    { 35000, 900, P }, { 38000, 900, P }, { 41000, 900, P },
    { 42000, 900, F });
}

TEST(rule_after_firing_the_time_starts_again) {
  static const struct vigil__rule_config quick = {
    .rule[VIGIL__RULE_LAG] = { 50 * VIGIL__MS, 4 * VIGIL__SEC },
    .window_ns = 10 * VIGIL__SEC
  };

  /* As long as the budget says no. */
  CHECK_STEPS(&quick,
    { 0, 90, P }, { 2000, 90, P }, { 4000, 90, F }, { 5000, 90, P },
    { 7000, 90, P }, { 8999, 90, P }, { 9000, 90, F, .again = true });
}

TEST(rule_gap_between_evaluations_is_not_held) {
  CHECK_STEPS(&config,
    { 20000, 90, P }, { 23000, 90, P },
    { 26001, 90, P },  /* Starts here: 3001 ms prove nothing. */
    { 29001, 90, P }, { 32001, 90, P }, { 35001, 90, P },
    { 36000, 90, P }, { 36001, 90, F });
  CHECK_STEPS(&config,
    { 20000, 90, P }, { 90000, 90, P }, { 91000, 90, P });
}

TEST(rule_clock_that_goes_back_starts_again) {
  CHECK_STEPS(&config,
    { 20000, 90, P }, { 23000, 90, P }, { 22000, 90, P }, { 25000, 90, P },
    { 28000, 90, P }, { 31000, 90, P }, { 31999, 90, P }, { 32000, 90, F });
}

TEST(rule_at_once) {
  CHECK_STEPS(&at_once,
    { 0, 51, F }, { 1, 51, F, .again = true }, { 2, 50, I });
}

TEST(rule_incident_lasts_until_a_window_below_half) {
  CHECK_STEPS(&at_once,
    { 1000, 51, F, .begin = true },
    { 2000, 900, O, .reason = "not over yet" }, { 4000, 10, O },
    { 6000, 24, O }, { 9000, 24, O }, { 12000, 24, O },
    { 13000, 25, O },  /* Half is not below half. */
    { 14000, 24, O }, { 17000, 0, O }, { 20000, 24, O }, { 23000, 24, O },
    { 23999, 24, O }, { 24000, 24, I },
    { 25000, 51, F, .begin = true }, { 26000, 51, O });
}

TEST(rule_incident_that_stays_does_not_fire_again) {
  struct vigil__rule_state state = { .start = START };
  struct vigil__rule_input in = {
    .now = START + 20 * VIGIL__SEC,
    .figure[VIGIL__RULE_LAG] = { 90 * VIGIL__MS, true }
  };
  int fired = 0;
  int i;

  for (i = 0; i < 86400; i++, in.now += VIGIL__SEC) {
    if (vigil__rule_eval(&config, &state, &in).decision != F)
      continue;
    fired++;
    vigil__rule_began(&state, VIGIL__RULE_LAG);
  }
  CHECK_EQ(fired, 1);
}

TEST(rule_end_is_not_proved_by_what_is_not_known) {
  /* A gap, a window that is not full: nobody saw it calm. */
  CHECK_STEPS(&at_once,
    { 1000, 51, F, .begin = true }, { 2000, 0, O }, { 5000, 0, O },
    { 8001, 0, O },
    { 11001, 0, O }, { 12000, 0, O }, { 13000, 0, O, .empty = true },
    { 16000, 0, O }, { 19000, 0, O }, { 22000, 0, O }, { 25000, 0, O },
    { 25999, 0, O }, { 26000, 0, I });
}

TEST(rule_end_while_a_capture_runs) {
  CHECK_STEPS(&at_once,
    { 1000, 51, F, .begin = true }, { 2000, 0, O, .capturing = true },
    { 5000, 0, O, .capturing = true }, { 8000, 0, O, .capturing = true },
    { 11000, 0, O, .capturing = true }, { 12000, 0, O, .capturing = true },
    { 13000, 51, F });
}

TEST(rule_suppressed_incident_is_another_one_after_it_is_over) {
  CHECK_STEPS(&at_once,
    { 1000, 51, F }, { 2000, 51, F, .again = true }, { 3000, 30, I },
    { 6000, 30, I }, { 9000, 30, I }, { 12000, 30, I }, { 13500, 30, I },
    { 14000, 51, F, .again = true },
    { 15000, 10, I }, { 18000, 10, I }, { 21000, 10, I }, { 24000, 10, I },
    { 25000, 10, I },
    { 26000, 51, F });
}

/* ---- all rules */

static const struct vigil__rule_config five = {
  .rule = { { 50 * VIGIL__MS, 2 * VIGIL__SEC },
            { 5 * VIGIL__SEC, 0 },
            { 300000, 2 * VIGIL__SEC },
            { VIGIL__SEC, 2 * VIGIL__SEC },
            { 900000, 2 * VIGIL__SEC } },
  .window_ns = WINDOW_MS * VIGIL__MS
};

/* One evaluation of all rules a second; figures are in units of their own. */
struct all {
  uint64_t lag_ms, stall_ms, gc_ppm, pool_ms, heap_ppm, full_gcs;
  enum vigil__rule_decision want;
  enum vigil__rule rule;
  uint64_t ratio;
  bool begin;
};

static void check_all(const struct vigil__rule_config* with,
                      const struct all* s, size_t n) {
  struct vigil__rule_state state = { .start = START };
  struct vigil__rule_result got;
  size_t i;

  for (i = 0; i < n; i++) {
    const struct vigil__rule_input in = {
      .now = START + i * VIGIL__SEC,
      .figure = { { s[i].lag_ms * VIGIL__MS, true },
                  { s[i].stall_ms * VIGIL__MS, true },
                  { s[i].gc_ppm, true },
                  { s[i].pool_ms * VIGIL__MS, true },
                  { s[i].heap_ppm, s[i].full_gcs != 0 } },
      .full_gcs = s[i].full_gcs
    };

    got = vigil__rule_eval(with, &state, &in);
    if (got.decision != s[i].want || (got.decision != I &&
                                      got.rule != s[i].rule))
      test_fail(__FILE__, __LINE__, "step %d: got %d of %s (%s)", (int) i,
                got.decision, vigil__rule_name(got.rule), got.reason);
    if (s[i].ratio != 0)
      CHECK_EQ(got.ratio, s[i].ratio);
    if (got.decision == F) {
      CHECK_EQ(got.value, in.figure[got.rule].value);
      CHECK_EQ(got.limit, with->rule[got.rule].limit);
    }
    if (s[i].begin)
      vigil__rule_began(&state, got.rule);
  }
}

#define CHECK_ALL(with, ...)                                                  \
  do {                                                                        \
    static const struct all s[] = { __VA_ARGS__ };                            \
    check_all((with), s, sizeof(s) / sizeof(s[0]));                           \
  } while (0)

#define LAG VIGIL__RULE_LAG
#define STALL VIGIL__RULE_STALL
#define GC VIGIL__RULE_GC
#define POOL VIGIL__RULE_POOL
#define HEAP VIGIL__RULE_OLD_SPACE

TEST(rule_each_of_them_fires) {
  CHECK_ALL(&five, { 51, .want = P, .rule = LAG },
            { 100, .want = P, .rule = LAG },
            { 75, .want = F, .rule = LAG, .ratio = 1500 });
  CHECK_ALL(&five, { .stall_ms = 5000, .want = I },
            { .stall_ms = 5001, .want = F, .rule = STALL, .ratio = 1000 });
  CHECK_ALL(&five, { .gc_ppm = 300001, .want = P, .rule = GC },
            { .gc_ppm = 900000, .want = P, .rule = GC },
            { .gc_ppm = 600000, .want = F, .rule = GC, .ratio = 2000 });
  CHECK_ALL(&five, { .pool_ms = 1001, .want = P, .rule = POOL },
            { .pool_ms = 1001, .want = P, .rule = POOL },
            { .pool_ms = 100000, .want = F, .rule = POOL, .ratio = 100000 });
}

TEST(rule_stall_fires_once_a_stall) {
  CHECK_ALL(&five, { .stall_ms = 5100, .want = F, .rule = STALL,
                     .begin = true },
            { .stall_ms = 6100, .want = O, .rule = STALL },
            { .stall_ms = 7100, .want = O, .rule = STALL },
            { .want = O, .rule = STALL });
}

TEST(rule_leak_needs_collections_that_leave_more_and_more) {
  /* As big as ever: not a leak, however often it is collected. */
  CHECK_ALL(&five, { .want = I },
            { .heap_ppm = 910000, .full_gcs = 1, .want = P, .rule = HEAP },
            { .heap_ppm = 910000, .full_gcs = 2, .want = P, .rule = HEAP },
            { .heap_ppm = 911000, .full_gcs = 3, .want = P, .rule = HEAP },
            { .heap_ppm = 914999, .full_gcs = 9, .want = P, .rule = HEAP },
            { .heap_ppm = 915000, .full_gcs = 10, .want = F, .rule = HEAP });
  /* Two collections prove nothing. */
  CHECK_ALL(&five,
            { .heap_ppm = 910000, .full_gcs = 7, .want = P, .rule = HEAP },
            { .heap_ppm = 950000, .full_gcs = 8, .want = P, .rule = HEAP },
            { .heap_ppm = 950000, .full_gcs = 8, .want = P, .rule = HEAP },
            { .heap_ppm = 950000, .full_gcs = 8, .want = P, .rule = HEAP },
            { .heap_ppm = 950000, .full_gcs = 9, .want = F, .rule = HEAP });
  /* One that frees it starts again. */
  CHECK_ALL(&five,
            { .heap_ppm = 910000, .full_gcs = 7, .want = P, .rule = HEAP },
            { .heap_ppm = 920000, .full_gcs = 8, .want = P, .rule = HEAP },
            { .heap_ppm = 500000, .full_gcs = 9, .want = I },
            { .heap_ppm = 920000, .full_gcs = 10, .want = P, .rule = HEAP },
            { .heap_ppm = 920000, .full_gcs = 20, .want = P, .rule = HEAP },
            { .heap_ppm = 925000, .full_gcs = 21, .want = F, .rule = HEAP });
}

TEST(rule_first_of_several_fires_and_the_other_waits) {
  CHECK_ALL(&five, { 60, .gc_ppm = 400000, .want = P, .rule = LAG },
            { 60, .gc_ppm = 400000, .want = P, .rule = LAG },
            { 60, .gc_ppm = 400000, .want = F, .rule = LAG },
            { 60, .gc_ppm = 400000, .want = F, .rule = GC },
            { 60, .gc_ppm = 400000, .want = P, .rule = LAG });
}

TEST(rule_another_may_fire_while_an_incident_lasts) {
  CHECK_ALL(&five, { 60, .want = P, .rule = LAG },
            { 60, .want = P, .rule = LAG },
            { 60, .want = F, .rule = LAG, .begin = true },
            { 60, .want = O, .rule = LAG },
            { 60, .stall_ms = 5001, .want = F, .rule = STALL, .begin = true },
            { 60, .gc_ppm = 900000, .want = P, .rule = GC });
}

TEST(rule_each_can_be_off) {
  static const struct all bad = {
    900, 9000, 900000, 9000, 950000, 9, .want = I
  };
  struct vigil__rule_state state = { .start = START };
  const struct vigil__rule_input in = { .now = START + VIGIL__SEC };
  struct vigil__rule_config some;
  struct all s[4];
  int i;

  for (i = 0; i < VIGIL__RULES; i++) {
    memset(&some, 0, sizeof(some));
    s[0] = s[1] = s[2] = s[3] = bad;
    if (i == HEAP) {
      s[1].heap_ppm = 960000, s[1].full_gcs = 10;
      s[2].heap_ppm = 960000, s[2].full_gcs = 11;
    }
    /* All are off. */
    check_all(&some, s, 3);
    /* One is not. */
    some.rule[i].limit = five.rule[i].limit;
    some.rule[i].for_ns = 2 * VIGIL__SEC;
    s[0].rule = s[1].rule = s[2].rule = (enum vigil__rule) i;
    s[0].want = s[1].want = P;
    s[2].want = F;
    check_all(&some, s, 3);
  }
  memset(&some, 0, sizeof(some));
  CHECK_STR(vigil__rule_eval(&some, &state, &in).reason, "every rule is off");
}

TEST(rule_figures_that_are_not_known_prove_nothing) {
  struct vigil__rule_state state = { .start = START };
  struct vigil__rule_input in = { .now = START };
  struct vigil__rule_result got;
  int i;
  int k;

  for (i = 0; i < 20; i++, in.now += VIGIL__SEC) {
    for (k = 0; k < VIGIL__RULES; k++)
      in.figure[k].value = UINT64_MAX;
    in.full_gcs = (uint64_t) i;
    got = vigil__rule_eval(&five, &state, &in);
    CHECK_EQ(got.decision, I);
    CHECK_EQ(got.value, 0);
  }
}

TEST(rule_ratio_does_not_overflow) {
  static const struct vigil__rule_config one = {
    .rule[VIGIL__RULE_LAG] = { 1, 0 }, .window_ns = VIGIL__SEC
  };
  struct vigil__rule_state state = { .start = START };
  struct vigil__rule_input in = {
    .now = START, .figure[VIGIL__RULE_LAG] = { UINT64_MAX, true }
  };

  CHECK(vigil__rule_eval(&one, &state, &in).ratio == UINT64_MAX / 1000 * 1000);
  in.figure[VIGIL__RULE_LAG].value = 3;
  CHECK_EQ(vigil__rule_eval(&one, &state, &in).ratio, 3000);
}

TEST(rule_configuration) {
  static const struct vigil__config c = {
    .lag_p99_ns = 1, .stall_trigger_ns = 2, .gc_share_ppm = 3,
    .pool_wait_p99_ns = 4, .old_space_ppm = 5, .for_ns = 6, .window_ns = 7,
    .grace_ns = 8
  };
  struct vigil__rule_config got;
  int i;

  vigil__rule_configure(&got, &c);
  for (i = 0; i < VIGIL__RULES; i++) {
    CHECK_EQ(got.rule[i].limit, i + 1);
    CHECK_EQ(got.rule[i].for_ns, i == VIGIL__RULE_STALL ? 0 : 6);
    CHECK_OP(strlen(vigil__rule_name((enum vigil__rule) i)), >, 0);
  }
  CHECK_EQ(got.window_ns, 7);
  CHECK_EQ(got.grace_ns, 8);
}

/* ---- how it stands */

static void look(const struct vigil__rule_state* state, uint64_t p99_ms,
                 enum vigil__rule_stand want, uint64_t left_ns) {
  const struct vigil__rule_figure figure = { p99_ms * VIGIL__MS, true };
  const struct vigil__rule_view v =
      vigil__rule_look(&config, state, &figure, VIGIL__RULE_LAG);

  CHECK_STR(vigil__stand_name(v.stand), vigil__stand_name(want));
  CHECK(v.left_ns == left_ns);
  CHECK_EQ(v.limit, 50 * VIGIL__MS);
  CHECK_OP(strlen(v.reason), >, 5);
}

static struct vigil__rule_result eval(struct vigil__rule_state* state,
                                      uint64_t second, uint64_t p99_ms) {
  const struct vigil__rule_input in = {
    .now = START + second * VIGIL__SEC,
    .figure[VIGIL__RULE_LAG] = { p99_ms * VIGIL__MS, true }
  };

  return vigil__rule_eval(&config, state, &in);
}

TEST(rule_how_it_stands) {
  struct vigil__rule_state state = { .start = START };
  struct vigil__rule_result r = { .decision = VIGIL__RULE_IDLE };
  uint64_t s;

  look(&state, 90, VIGIL__STAND_IDLE, 0);
  for (s = 1; s < 5; s++) {
    eval(&state, s, 90);
    look(&state, 90, VIGIL__STAND_IDLE, 0);  /* Grace. */
  }
  for (; r.decision != VIGIL__RULE_FIRE; s++) {
    CHECK_OP(s, <, 20);
    r = eval(&state, s, 90);
    if (r.decision != VIGIL__RULE_FIRE)
      look(&state, 90, VIGIL__STAND_PENDING, (15 - s) * VIGIL__SEC);
  }
  /* The budget has not been asked yet, or says no: it is one all the same. */
  look(&state, 90, VIGIL__STAND_INCIDENT, UINT64_MAX);
  vigil__rule_began(&state, VIGIL__RULE_LAG);
  eval(&state, s, 90);
  look(&state, 90, VIGIL__STAND_INCIDENT, UINT64_MAX);
  for (s++; s < 27; s++) {
    eval(&state, s, 10);
    look(&state, 10, VIGIL__STAND_INCIDENT, (27 - s) * VIGIL__SEC);
  }
  eval(&state, s, 10);
  look(&state, 10, VIGIL__STAND_IDLE, 0);
}

TEST(rule_that_is_off_stands_off) {
  const struct vigil__rule_config off = { .window_ns = VIGIL__SEC };
  const struct vigil__rule_state state = { .start = START };
  const struct vigil__rule_figure figure = { 0, false };

  CHECK_EQ(vigil__rule_look(&off, &state, &figure, VIGIL__RULE_LAG).stand,
           VIGIL__STAND_OFF);
}
