/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "stall.h"
#include "test.h"

#include <string.h>

#define MS VIGIL__MS
#define AT (1000 * VIGIL__SEC)
#define WALL (UINT64_C(1700000000) * VIGIL__SEC)
#define LIMIT (500 * MS)

/* One look at the period that began at `start`. */
static struct vigil__stall* look(struct vigil__stalls* s,
                                 vigil__mono_t start,
                                 vigil__mono_t now) {
  struct vigil__stall_look* l = NULL;
  struct vigil__stall* stall =
      vigil__stalls_look(s, start, now, WALL + (now - AT), &l);

  if (stall != NULL)
    CHECK_EQ(l->after_ns, now - start);
  vigil__stalls_now(s, start, false, now);
  return stall;
}

TEST(stall_is_due_at_the_limit_and_its_doubles) {
  struct vigil__stalls s = { .count = 0 };
  uint64_t factor;

  for (factor = 1; factor <= 1u << (VIGIL__STALL_LOOKS - 1); factor *= 2) {
    CHECK_EQ(vigil__stalls_due(&s, AT, LIMIT), AT + factor * LIMIT);
    CHECK(look(&s, AT, AT + factor * LIMIT) != NULL);
  }
  CHECK_EQ(vigil__stalls_due(&s, AT, LIMIT), UINT64_MAX);
  CHECK(look(&s, AT, AT + factor * LIMIT) == NULL);
  CHECK_EQ(s.count, 1);
  /* Another period starts from the beginning. */
  CHECK_EQ(vigil__stalls_due(&s, AT + 1, LIMIT), AT + 1 + LIMIT);
  vigil__stalls_free(&s);
}

TEST(stall_lasts_until_another_period) {
  struct vigil__stalls s = { .count = 0 };
  struct vigil__stall* stall = look(&s, AT, AT + LIMIT);

  CHECK_EQ(stall->wall_ns, WALL);
  CHECK_EQ(stall->lasted_ns, LIMIT);
  CHECK(!stall->ended);
  vigil__stalls_now(&s, AT, false, AT + 700 * MS);
  CHECK_EQ(stall->lasted_ns, 700 * MS);
  vigil__stalls_now(&s, 0, false, AT + 750 * MS);
  CHECK(stall->ended);
  CHECK_EQ(stall->lasted_ns, 750 * MS);
  /* It does not grow any more. */
  vigil__stalls_now(&s, 0, false, AT + 900 * MS);
  CHECK_EQ(stall->lasted_ns, 750 * MS);
  CHECK_EQ(vigil__stalls_longest(&s), 750 * MS);
  CHECK_EQ(vigil__stalls_longest(&s), 0);
  vigil__stalls_free(&s);
}

TEST(stall_of_our_own_making_does_not_count) {
  struct vigil__stalls s = { .count = 0 };
  struct vigil__stall_look* l;

  CHECK(vigil__stalls_look(&s, AT, AT + LIMIT, WALL, &l) != NULL);
  vigil__stalls_now(&s, AT, true, AT + LIMIT);
  CHECK_EQ(vigil__stalls_longest(&s), 0);
  /* Until the program has had more of it. */
  vigil__stalls_now(&s, AT, false, AT + 3 * LIMIT);
  CHECK_EQ(vigil__stalls_longest(&s), 3 * LIMIT);
  vigil__stalls_now(&s, 0, false, AT + 3 * LIMIT);
  CHECK_EQ(s.ended[VIGIL__STALL_OWN], 0);
  vigil__stalls_free(&s);
}

TEST(stall_keeps_the_newest) {
  struct vigil__stalls s = { .count = 0 };
  struct vigil__frames* frames = vigil__frames_new(0, 0);
  struct vigil__json j = { .limit = 0 };
  uint64_t i;

  for (i = 0; i < VIGIL__STALLS + 8; i++) {
    look(&s, AT + i * VIGIL__SEC, AT + i * VIGIL__SEC + LIMIT);
    vigil__stalls_now(&s, 0, false, AT + i * VIGIL__SEC + 600 * MS);
  }
  CHECK_EQ(s.count, VIGIL__STALLS + 8);
  CHECK_EQ(vigil__stalls_write(&s, frames, 0, &j), VIGIL__STALLS);
  CHECK_EQ(vigil__json_finish(&j), 0);
  vigil__json_free(&j);
  /* Only what was open after a time. */
  CHECK_EQ(vigil__stalls_write(&s, frames,
                               AT + (VIGIL__STALLS + 6) * VIGIL__SEC, &j), 2);
  CHECK_EQ(vigil__json_finish(&j), 0);
  vigil__json_free(&j);
  vigil__frames_free(frames);
  vigil__stalls_free(&s);
}

TEST(stall_tells_what_was_seen) {
  struct vigil__stalls s = { .count = 0 };
  struct vigil__frames* frames = vigil__frames_new(0, 0);
  struct vigil__json j = { .limit = 0 };
  struct vigil__stall_look* l = NULL;
  char text[8192];

  CHECK(vigil__stalls_look(&s, AT, AT + LIMIT, WALL + LIMIT, &l) != NULL);
  l->task.valid = VIGIL__TASK_STATE | VIGIL__TASK_SYSCALL | VIGIL__TASK_WCHAN;
  l->task.state = 'S';
  l->task.syscall_nr = 0;
  strcpy(l->task.wchan, "pipe_read");
  l->frame[0] = vigil__frames_native(frames, "read", "/lib/libc.so.6");
  l->frame[1] = vigil__frames_code(frames, VIGIL__FRAME_JS, "guilty", 6,
                                   "/app.js", 7, 12, 3);
  l->frames = 2;
  l->more = 5;
  vigil__stalls_now(&s, AT, false, AT + LIMIT);
  CHECK_EQ(vigil__stalls_write(&s, frames, 0, &j), 1);
  CHECK_EQ(vigil__json_finish(&j), 0);
  CHECK(j.len < sizeof(text));
  memcpy(text, j.data, j.len);
  text[j.len] = '\0';
  CHECK(strstr(text, "\"began\": \"2023-11-14T22:13:20.000Z\"") != NULL);
  CHECK(strstr(text, "\"lastedMs\": 500.000000") != NULL);
  CHECK(strstr(text, "\"ended\": false") != NULL);
  CHECK(strstr(text, "\"state\": \"S\"") != NULL);
  CHECK(strstr(text, "\"syscall\": \"read\"") != NULL);
  CHECK(strstr(text, "\"wchan\": \"pipe_read\"") != NULL);
  CHECK(strstr(text, "\"module\": \"/lib/libc.so.6\"") != NULL);
  CHECK(strstr(text, "\"function\": \"guilty\"") != NULL);
  CHECK(strstr(text, "\"line\": 12") != NULL);
  CHECK(strstr(text, "\"moreFrames\": 5") != NULL);
  vigil__json_free(&j);
  vigil__frames_free(frames);
  vigil__stalls_free(&s);
}

TEST(stall_that_ended_counts_by_its_cause) {
  struct vigil__stalls s = { .count = 0 };
  struct vigil__stall* stall = look(&s, AT, AT + LIMIT);

  stall->why.cause = VIGIL__CAUSE_SYSCALL;
  CHECK(vigil__stalls_open(&s));
  CHECK_EQ(s.ended[VIGIL__CAUSE_SYSCALL], 0);
  vigil__stalls_now(&s, 0, false, AT + 3 * LIMIT);
  CHECK(!vigil__stalls_open(&s));
  CHECK_EQ(s.ended[VIGIL__CAUSE_SYSCALL], 1);
  CHECK_EQ(s.ended_ns[VIGIL__CAUSE_SYSCALL], 3 * LIMIT);
  vigil__stalls_now(&s, 0, false, AT + 4 * LIMIT);
  CHECK_EQ(s.ended[VIGIL__CAUSE_SYSCALL], 1);
  /* One that holds our own work has no cause. */
  look(&s, AT + 10 * LIMIT, AT + 11 * LIMIT);
  vigil__stalls_now(&s, AT + 10 * LIMIT, true, AT + 11 * LIMIT);
  vigil__stalls_now(&s, AT + 20 * LIMIT, false, AT + 20 * LIMIT);
  CHECK_EQ(s.ended[VIGIL__STALL_OWN], 1);
  CHECK_EQ(s.ended[VIGIL__CAUSE_UNKNOWN], 0);
  vigil__stalls_free(&s);
}
