/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "rule.h"
#include "test.h"

#include <string.h>

#define START (1000 * VIGIL__SEC)
#define WALL (UINT64_C(1700000000) * VIGIL__SEC)

/* One evaluation, at `at` ms after the start. */
struct step {
  uint64_t at;
  uint64_t p99_ms;
  enum vigil__rule_decision want;
  bool empty;               /* Window not filled. */
  bool capturing;
  int64_t incident_ms;      /* On disk, in ms after the start; 0: none. */
  const char* reason;       /* Part of it, or NULL. */
};

static const struct vigil__rule_config config = {
  .limit_ns = 50 * VIGIL__MS,
  .for_ns = 10 * VIGIL__SEC,
  .grace_ns = 5 * VIGIL__SEC,
  .cooldown_ns = 60 * VIGIL__SEC
};

#define I VIGIL__RULE_IDLE
#define P VIGIL__RULE_PENDING
#define F VIGIL__RULE_FIRE
#define C VIGIL__RULE_COOLDOWN

static void check(const struct vigil__rule_config* with,
                  const struct step* s,
                  size_t n) {
  struct vigil__rule_state state = { .start = START };
  const char* reason;
  size_t i;

  for (i = 0; i < n; i++) {
    const struct vigil__rule_input in = {
      .now = START + s[i].at * VIGIL__MS,
      .p99_ns = s[i].p99_ms * VIGIL__MS,
      .filled = !s[i].empty,
      .capturing = s[i].capturing,
      .wall_ns = WALL + s[i].at * VIGIL__MS,
      .last_wall_ns = s[i].incident_ms == 0
          ? 0 : WALL + (uint64_t) (s[i].incident_ms * (int64_t) VIGIL__MS)
    };
    const enum vigil__rule_decision got =
        vigil__rule_eval(with, &state, &in, &reason);

    if (got != s[i].want)
      test_fail(__FILE__, __LINE__, "at %d ms: got %d (%s), want %d",
                (int) s[i].at, got, reason, s[i].want);
    if (s[i].reason != NULL && strstr(reason, s[i].reason) == NULL)
      test_fail(__FILE__, __LINE__, "at %d ms: \"%s\" says not \"%s\"",
                (int) s[i].at, reason, s[i].reason);
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
    { 30000, 51, F, .reason = "too long" },
    { 30001, 51, C, .reason = "soon after an incident" });
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
    { 30000, 900, C, .capturing = true, .reason = "capture" },
    { 31000, 10, C, .capturing = true },
    { 32000, 900, P },  /* What the capture caused does not count. */
    { 35000, 900, P }, { 38000, 900, P }, { 41000, 900, P },
    { 42000, 900, F });
}

TEST(rule_cool_down_ends) {
  static const struct vigil__rule_config at_once = {
    .limit_ns = 50 * VIGIL__MS, .cooldown_ns = 6 * VIGIL__SEC
  };

  CHECK_STEPS(&at_once,
    { 0, 10, I }, { 1000, 51, F }, { 2000, 51, C }, { 4000, 10, I },
    { 6999, 51, C }, { 7000, 51, F }, { 8000, 51, C });
}

TEST(rule_over_all_through_the_cool_down_fires_at_its_end) {
  static const struct vigil__rule_config quick = {
    .limit_ns = 50 * VIGIL__MS, .for_ns = 4 * VIGIL__SEC,
    .cooldown_ns = 9 * VIGIL__SEC
  };

  CHECK_STEPS(&quick,
    { 0, 90, P }, { 2000, 90, P }, { 4000, 90, F },
    { 6000, 90, C }, { 9000, 90, C }, { 12000, 90, C }, { 12999, 90, C },
    { 13000, 90, F });
}

TEST(rule_after_firing_the_time_starts_again) {
  static const struct vigil__rule_config quick = {
    .limit_ns = 50 * VIGIL__MS, .for_ns = 4 * VIGIL__SEC
  };

  CHECK_STEPS(&quick,
    { 0, 90, P }, { 2000, 90, P }, { 4000, 90, F }, { 5000, 90, P },
    { 7000, 90, P }, { 8999, 90, P }, { 9000, 90, F });
}

TEST(rule_incident_on_disk_cools_down_too) {
  static const struct vigil__rule_config at_once = {
    .limit_ns = 50 * VIGIL__MS, .cooldown_ns = 60 * VIGIL__SEC
  };

  /* Of the process before this one. */
  CHECK_STEPS(&at_once,
    { 1000, 90, C, .incident_ms = -50000, .reason = "incident" },
    { 9999, 90, C, .incident_ms = -50000 },
    { 10000, 90, F, .incident_ms = -50000 });
  /* The wall clock was set back by half a minute. */
  CHECK_STEPS(&at_once,
    { 1000, 90, C, .incident_ms = 30000 },
    { 40000, 90, C, .incident_ms = 30000 },
    { 90000, 90, F, .incident_ms = 30000 });
  /* By a year: it must not silence us for that long. */
  CHECK_STEPS(&at_once,
    { 1000, 90, F, .incident_ms = 31536000000 });
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
  static const struct vigil__rule_config at_once = {
    .limit_ns = 50 * VIGIL__MS
  };

  CHECK_STEPS(&at_once, { 0, 51, F }, { 1, 51, F }, { 2, 50, I });
}

TEST(rule_reason_may_be_null) {
  struct vigil__rule_state state = { .start = START };
  const struct vigil__rule_input in = { .now = START, .filled = true };

  CHECK_EQ(vigil__rule_eval(&config, &state, &in, NULL), I);
}
