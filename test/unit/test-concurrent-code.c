/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* The log of code events between two threads: nothing is torn, lost or out of
 * order, however fast either side is. */

#include "code.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define EVENTS 200000u
#define HOME(i) ((UINT64_C(1) << 20) + ((uint64_t) (i) << 8))
#define AWAY(i) ((UINT64_C(1) << 40) + ((uint64_t) (i) << 8))

static struct vigil__code* c;
static _Atomic unsigned seen;  /* Relaxed: it must order nothing. */
static _Atomic bool done;

/* Of many lengths. */
static size_t name_of(unsigned i, char* name, size_t size) {
  return (size_t) snprintf(name, size, "f%u%0*u", i, (int) (i % 50), i);
}

/* Adds each function, then moves every third. */
static void* write_events(void* arg) {
  char script[32];
  char name[80];
  unsigned i;

  (void) arg;
  for (i = 0; i < EVENTS; i++) {
    const size_t len = name_of(i, name, sizeof(name));

    snprintf(script, sizeof(script), "/%u.js", i / 5);
    vigil__code_add(c, HOME(i), 200, VIGIL__FRAME_JS, name, len, script,
                    strlen(script), (int32_t) i, 1);
    if (i % 3 == 0)
      vigil__code_move(c, HOME(i), AWAY(i), 0);
    /* The reader may get no processor for long. */
    while (i > EVENTS / 4 + atomic_load_explicit(&seen, memory_order_relaxed))
      sched_yield();
  }
  atomic_store(&done, true);
  return NULL;
}

static void check(struct vigil__frames* f, unsigned i) {
  const uint32_t id =
      vigil__code_find(c, (i % 3 == 0 ? AWAY(i) : HOME(i)) + i % 200, NULL);
  struct vigil__frame frame;
  char script[32];
  char name[80];

  CHECK(id != VIGIL__FRAME_NONE);
  frame = vigil__frames_get(f, id);
  name_of(i, name, sizeof(name));
  snprintf(script, sizeof(script), "/%u.js", i / 5);
  CHECK_STR(frame.name, name);
  CHECK_STR(frame.script, script);
  CHECK_EQ(frame.line, i);
}

TEST(concurrent_code_log_is_whole) {
  struct vigil__frames* f = vigil__frames_new(EVENTS, 32 << 20);
  struct vigil__code_stats s;
  pthread_t writer;
  unsigned drains = 0;
  bool last;
  unsigned i;

  c = vigil__code_new(f);
  CHECK_EQ(pthread_create(&writer, NULL, write_events, NULL), 0);
  do {
    last = atomic_load(&done);
    vigil__code_drain(c);
    vigil__code_stats(c, &s);
    CHECK_OP(s.unread_bytes, <=, VIGIL__CODE_UNREAD);
    atomic_store_explicit(&seen, s.ranges, memory_order_relaxed);
    drains++;
    /* What was read is a beginning of what was written; the last event that
     * was read may be half of a pair. */
    if (s.lost == 0 && s.ranges > 1)
      check(f, (unsigned) test_random(s.ranges - 1));
  } while (!last);
  CHECK_EQ(pthread_join(writer, NULL), 0);
  CHECK_OP(drains, >, 1);
  CHECK_EQ(s.lost, 0);
  CHECK_EQ(s.ranges, EVENTS);
  CHECK_EQ(vigil__frames_refused(f), 0);
  for (i = 0; i < EVENTS; i++)
    check(f, i);
  vigil__code_free(c);
  vigil__frames_free(f);
}
