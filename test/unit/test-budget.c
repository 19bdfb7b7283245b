/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "budget.h"
#include "budget_file.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The pure half; test-budget-ask.c has what is kept on disk. */

#define SEC VIGIL__SEC
#define WALL (UINT64_C(1795317255) * SEC)
#define MONO (UINT64_C(5000000) * SEC)
#define MB (UINT64_C(1) << 20)
#define BOOT "01234567-89ab-cdef-0123-456789abcdef"

static const struct vigil__config config = {
  .cooldown_ns = 600 * SEC, .per_hour = 3, .disk_bytes = 1024 * MB,
  .disk_free_bytes = VIGIL__DISK_FREE_AUTO, .host_captures = 2
};

static struct vigil__budget_state s;

static void fresh(void) {
  memset(&s, 0, sizeof(s));
  s.wall_ns = WALL;
  s.mono = MONO;
  s.free_bytes = s.total_bytes = 100 * 1024 * MB;
}

/* An incident `ago` seconds ago. */
static struct vigil__budget_event* add(int64_t ago, uint64_t ratio) {
  CHECK_OP(s.events, <, VIGIL__BUDGET_EVENTS);
  s.event[s.events] = (struct vigil__budget_event) {
    .wall_ns = WALL - (uint64_t) (ago * (int64_t) SEC),
    .mono = MONO - (uint64_t) (ago * (int64_t) SEC),
    .ratio = ratio, .pid = 1, .finished = true
  };
  return &s.event[s.events++];
}

#define CHECK_ANSWER(ratio, want)                                             \
  CHECK_EQ(vigil__budget_decide(&s, &config, (ratio)), VIGIL__BUDGET_##want)

TEST(budget_cool_down) {
  fresh();
  CHECK_ANSWER(1000, ALLOW);
  add(599, 1000);
  CHECK_ANSWER(1000, COOLDOWN);
  CHECK_ANSWER(VIGIL__BUDGET_LAST - 1, COOLDOWN);  /* However bad. */
  fresh();
  add(600, 1000);
  CHECK_ANSWER(1000, ALLOW);
}

/* A program that ends cannot come later; one that is started again and again, to
 * end again, is bounded by the hour. */
TEST(budget_the_last_of_a_process_does_not_cool_down) {
  fresh();
  add(5, 1000);
  CHECK_ANSWER(VIGIL__BUDGET_LAST, ALLOW);
  add(4, VIGIL__BUDGET_LAST);
  CHECK_ANSWER(VIGIL__BUDGET_LAST, ALLOW);
  CHECK_ANSWER(1000, COOLDOWN);
  add(3, VIGIL__BUDGET_LAST);
  CHECK_ANSWER(VIGIL__BUDGET_LAST, HOURLY);
}

TEST(budget_unfinished_counts_only_while_it_is_alive) {
  fresh();
  add(10, 1000)->finished = false;
  CHECK_ANSWER(1000, ALLOW);
  s.event[0].alive = true;
  CHECK_ANSWER(1000, COOLDOWN);
  /* But for the hour it does. */
  s.event[0].alive = false;
  add(9, 1000)->finished = false;
  CHECK_ANSWER(1000, ALLOW);
  add(8, 1000)->finished = false;
  CHECK_ANSWER(1000, HOURLY);
}

TEST(budget_per_hour_and_what_is_twice_as_bad) {
  fresh();
  add(3000, 1500);
  add(2000, 4000);
  CHECK_ANSWER(1000, ALLOW);
  add(1000, 1000);
  CHECK_ANSWER(1000, HOURLY);
  CHECK_ANSWER(7999, HOURLY);
  CHECK_ANSWER(8000, ALLOW);
  add(700, 8000);
  CHECK_ANSWER(8000, HOURLY);
  CHECK_ANSWER(16000, ALLOW);
  /* The first ones leave the hour. */
  s.event[0].mono = s.event[1].mono = MONO - 3600 * SEC;
  CHECK_ANSWER(1000, ALLOW);
}

TEST(budget_doubling_is_bounded) {
  uint64_t ratio = 1000;
  int allowed = 0;
  int i;

  /* A figure that gets a little worse with each of 10,000 tries. */
  fresh();
  for (i = 0; i < 10000; i++) {
    ratio += 1 + ratio / 100;
    if (ratio > UINT64_C(100000000))
      break;
    if (vigil__budget_decide(&s, &(struct vigil__config) {
          .per_hour = 3, .disk_bytes = MB, .host_captures = 1 },
          ratio) != VIGIL__BUDGET_ALLOW)
      continue;
    allowed++;
    add(1, ratio);
  }
  CHECK_OP(allowed, <=, 3 + 17);  /* 2^17 > 100,000,000 / 1,000 */
  CHECK_OP(allowed, >, 10);
}

TEST(budget_person_does_not_wait_and_does_not_use_it_up) {
  fresh();
  add(10, 1000);
  add(9, 1000);
  add(8, 1000);
  CHECK_ANSWER(0, ALLOW);
  fresh();
  add(10, 0);
  add(9, 0);
  add(8, 0);
  CHECK_ANSWER(1000, ALLOW);
  s.free_bytes = 0;
  CHECK_ANSWER(0, DISK);
  s.free_bytes = s.total_bytes;
  s.capturing = 2;
  CHECK_ANSWER(0, HOST);
}

TEST(budget_host) {
  fresh();
  s.capturing = 1;
  CHECK_ANSWER(1000, ALLOW);
  s.capturing = 2;
  CHECK_ANSWER(1000, HOST);
  s.capturing = 20;
  CHECK_ANSWER(1000, HOST);
}

TEST(budget_disk) {
  struct vigil__config some = config;

  fresh();
  s.bytes = s.removable = 2000 * MB;
  CHECK_ANSWER(1000, ALLOW);
  CHECK_EQ(vigil__budget_room(&s, &config), 0);
  CHECK_EQ(vigil__budget_excess(&s, &config, 0), 976 * MB);
  CHECK_EQ(vigil__budget_excess(&s, &config, 24 * MB), 1000 * MB);
  CHECK_EQ(vigil__budget_excess(&s, &config, UINT64_MAX), 2000 * MB);
  /* What others write now cannot go. */
  s.removable = 1000 * MB;
  CHECK_ANSWER(1000, ALLOW);
  s.removable = 976 * MB;
  CHECK_ANSWER(1000, DISK);
  s.bytes = s.removable = 1000 * MB;
  CHECK_EQ(vigil__budget_room(&s, &config), 24 * MB);
  CHECK_EQ(vigil__budget_excess(&s, &config, 24 * MB), 0);
  CHECK_EQ(vigil__budget_excess(&s, &config, 25 * MB), MB);

  /* The floor: 256 MB, 5 % of a small file system, or as it is set. */
  s.bytes = s.removable = 0;
  s.free_bytes = 257 * MB;
  CHECK_ANSWER(1000, ALLOW);
  CHECK_EQ(vigil__budget_room(&s, &config), MB);
  s.free_bytes = 257 * MB - 1;
  CHECK_ANSWER(1000, DISK);
  s.total_bytes = 100 * MB;
  s.free_bytes = 6 * MB;
  CHECK_ANSWER(1000, ALLOW);
  s.free_bytes = 6 * MB - 1;
  CHECK_ANSWER(1000, DISK);
  some.disk_free_bytes = 0;
  CHECK_EQ(vigil__budget_decide(&s, &some, 1000), VIGIL__BUDGET_ALLOW);
  some.disk_free_bytes = 10 * MB;
  CHECK_EQ(vigil__budget_decide(&s, &some, 1000), VIGIL__BUDGET_DISK);
}

TEST(budget_wall_clock_that_is_set_changes_nothing_in_one_boot) {
  uint64_t step;

  for (step = 1; step < 100000000; step *= 10) {
    fresh();
    add(100, 1000);
    s.wall_ns = WALL + step * SEC;
    CHECK_ANSWER(1000, COOLDOWN);
    s.wall_ns = WALL - step * SEC;
    CHECK_ANSWER(1000, COOLDOWN);
    s.event[0].mono = MONO - 600 * SEC;
    CHECK_ANSWER(1000, ALLOW);
  }
}

TEST(budget_wall_clock_of_another_boot) {
  fresh();
  add(100, 1000)->mono = 0;
  CHECK_ANSWER(1000, COOLDOWN);
  /* Set back by less than the cool-down: as recent. */
  s.wall_ns = WALL - 300 * SEC;
  CHECK_ANSWER(1000, COOLDOWN);
  /* By a year: it must not silence us for that long. */
  s.wall_ns = WALL - 31536000 * SEC;
  CHECK_ANSWER(1000, ALLOW);
  /* A time since the boot that is still to come is of no boot we know. */
  s.wall_ns = WALL;
  s.event[0].mono = MONO + SEC;
  CHECK_ANSWER(1000, COOLDOWN);
}

TEST(budget_reasons_name_their_variables) {
  CHECK(strstr(vigil__budget_reason(VIGIL__BUDGET_COOLDOWN),
               "VIGIL_COOLDOWN") != NULL);
  CHECK(strstr(vigil__budget_reason(VIGIL__BUDGET_HOURLY),
               "VIGIL_PER_HOUR") != NULL);
  CHECK(strstr(vigil__budget_reason(VIGIL__BUDGET_DISK),
               "VIGIL_DISK_FREE") != NULL);
  CHECK(strstr(vigil__budget_reason(VIGIL__BUDGET_HOST),
               "VIGIL_HOST_CAPTURES") != NULL);
}

TEST(budget_too_many_events_drop_the_oldest) {
  struct vigil__budget_event e = { .ratio = 7 };
  uint32_t i;

  fresh();
  for (i = 0; i < VIGIL__BUDGET_EVENTS; i++)
    add(i == 60 ? 9000 : 100 + (int64_t) i, 1000);
  e.wall_ns = WALL;
  e.mono = MONO;
  vigil__budget_add(&s, &e);
  CHECK_EQ(s.events, VIGIL__BUDGET_EVENTS);
  CHECK_EQ(s.event[60].ratio, 7);
  /* One that is older than all is the one that is dropped. */
  e.wall_ns = WALL - 9999 * SEC;
  e.mono = MONO - 9999 * SEC;
  e.ratio = 8;
  vigil__budget_add(&s, &e);
  for (i = 0; i < VIGIL__BUDGET_EVENTS; i++)
    CHECK(s.event[i].ratio != 8);
}

/* ---- the text */

static char text[VIGIL__BUDGET_TEXT];

TEST(budget_text_goes_and_comes_back) {
  static struct vigil__budget_state back;
  size_t len;
  uint32_t i;

  fresh();
  len = vigil__budget_print(&s, text, BOOT);
  CHECK_STR(text, "vigil budget 1\nboot " BOOT "\nsuppressed 0\nend 0\n");
  CHECK_EQ(vigil__budget_parse(&back, text, len, BOOT), 0);
  CHECK_EQ(back.events, 0);

  s.suppressed = UINT64_MAX;
  for (i = 0; i < VIGIL__BUDGET_EVENTS; i++) {
    s.event[i] = (struct vigil__budget_event) {
      .wall_ns = UINT64_MAX - i, .mono = UINT64_MAX, .ratio = UINT64_MAX,
      .pid = UINT32_MAX, .slot = UINT32_MAX, .finished = i % 2
    };
    s.events++;
  }
  len = vigil__budget_print(&s, text, BOOT);
  CHECK_OP(len, <, VIGIL__BUDGET_TEXT);
  CHECK_EQ(strlen(text), len);
  CHECK_EQ(vigil__budget_parse(&back, text, len, BOOT), 0);
  CHECK(back.suppressed == UINT64_MAX);
  CHECK_EQ(back.events, VIGIL__BUDGET_EVENTS);
  CHECK_EQ(memcmp(back.event, s.event, sizeof(s.event)), 0);

  /* Of another boot, or of nobody knows which. */
  CHECK_EQ(vigil__budget_parse(&back, text, len, "01234567"), 0);
  CHECK_EQ(back.event[1].mono, 0);
  len = vigil__budget_print(&s, text, "-");
  CHECK_EQ(vigil__budget_parse(&back, text, len, "-"), 0);
  CHECK_EQ(back.event[1].mono, 0);
}

static bool damaged(const char* t, size_t len) {
  static struct vigil__budget_state back;
  const int r = vigil__budget_parse(&back, t, len, BOOT);

  CHECK(r == 0 || r == -EBADMSG);
  if (r != 0) {
    CHECK_EQ(back.events, 0);
    CHECK_EQ(back.suppressed, 0);
  }
  return r != 0;
}

TEST(budget_text_that_is_damaged) {
  static const char* const bad[] = {
    "", "\n", "vigil budget 1\n",
    "vigil budget 2\nboot -\nsuppressed 0\nend 0\n",
    "vigil budget 1\nboot -\nsuppressed 0\nend 1\n",
    "vigil budget 1\nboot -\nsuppressed \nend 0\n",
    "vigil budget 1\nboot -\nsuppressed -1\nend 0\n",
    "vigil budget 1\nboot -\nsuppressed +1\nend 0\n",
    "vigil budget 1\nboot -\nsuppressed 18446744073709551616\nend 0\n",
    "vigil budget 1\nboot X\nsuppressed 0\nend 0\n",
    "vigil budget 1\nboot -\nsuppressed 0\nend 0\nend 0\n",
    "vigil budget 1\nboot -\nsuppressed 0\nend 0",
    "vigil budget 1\nboot -\nsuppressed 0\nevent 1 2 3 4 5 begun\nend 0\n",
    "vigil budget 1\nboot -\nsuppressed 0\nevent 1 2 3 4 5 \nend 1\n",
    "vigil budget 1\nboot -\nsuppressed 0\nevent 1 2 3 4 begun\nend 1\n",
    ("vigil budget 1\nboot -\nsuppressed 0\nevent 1 2 3 4294967296 5 begun\n"
     "end 1\n"),
    "vigil budget 1\nboot -\nsuppressed 0\nevent 1 2  3 4 5 begun\nend 1\n",
  };
  size_t len;
  size_t i;
  int k;

  for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    if (!damaged(bad[i], strlen(bad[i])))
      test_fail(__FILE__, __LINE__, "took \"%s\"", bad[i]);
  fresh();
  add(1, 1000);
  add(2, 2000);
  len = vigil__budget_print(&s, text, BOOT);
  CHECK(!damaged(text, len));
  /* Cut anywhere, or with a zero byte anywhere. */
  for (i = 0; i < len; i++) {
    const char c = text[i];

    CHECK(damaged(text, i));
    text[i] = '\0';
    CHECK(damaged(text, len));
    text[i] = c;
  }
  /* Any noise, also too much of it. */
  for (k = 0; k < 20000; k++) {
    const size_t at = test_random(len);
    const char c = text[at];

    text[at] = (char) test_random(256);
    damaged(text, len);
    text[at] = c;
  }
  memset(text, '1', sizeof(text));
  CHECK(damaged(text, sizeof(text)));
}

TEST(budget_text_with_too_many_events) {
  size_t len;
  int i;

  len = (size_t) snprintf(text, sizeof(text), "vigil budget 1\nboot -\n"
                                              "suppressed 0\n");
  for (i = 0; i < (int) VIGIL__BUDGET_EVENTS + 1; i++)
    len += (size_t) snprintf(text + len, sizeof(text) - len,
                             "event 1 2 3 4 5 begun\n");
  len += (size_t) snprintf(text + len, sizeof(text) - len, "end %d\n", i);
  CHECK(damaged(text, len));
}
