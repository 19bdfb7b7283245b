/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_THREAD_H_
#define VIGIL_THREAD_H_

#include "arrivals.h"
#include "loop.h"
#include "probe.h"
#include "rule.h"
#include "timeline.h"
#include "v8_bridge.h"
#include "window.h"

#include <stdbool.h>
#include <stdint.h>

/* The loops of this process. The list and every field but the record itself
 * are under vigil__threads_lock(); a loop's thread takes it only when the loop
 * begins, ends or is attached, the watch thread for well under a millisecond
 * once a second. */
enum vigil__thread_kind {
  VIGIL__THREAD_OTHER,          /* An add-on's, or of Node's platform. */
  VIGIL__THREAD_MAIN,
  VIGIL__THREAD_WORKER
};

#define VIGIL__GC_SECONDS 640u  /* As many as slices in a window. */

struct vigil__thread {
  struct vigil__thread* next;
  struct vigil__loop* loop;     /* NULL: it has ended. */
  const void* uv;               /* The uv_loop_t, to find it by. */
  vigil__mono_t ended;          /* Until then its window is kept. */
  enum vigil__thread_kind kind;
  uint64_t id;                  /* Node's thread id; 0: main thread. */
  char name[64];                /* For people. */
  struct vigil__isolate* iso;   /* NULL: not attached. */
  struct vigil__probe* probe;   /* NULL: not attached, or no memory. */
  /* The watch thread's own, once it looks at this loop. */
  struct vigil__window* window;
  struct vigil__timeline* timeline;  /* NULL: no memory. */
  struct vigil__rule_state rule;
  struct vigil__rule_figure figure[VIGIL__RULES];  /* Last given to it. */
  struct vigil__arrivals arrivals;
  uint64_t gc_pause_ns[VIGIL__GC_SECONDS];  /* Totals, one per tick. */
  uint32_t ticks;
};

/* GC pauses of the last `seconds` ticks, or of as many as there are. Under the
 * lock. */
static inline uint64_t vigil__thread_gc(const struct vigil__thread* t,
                                        uint64_t seconds) {
  const uint32_t most = t->ticks == 0 ? 0 : t->ticks - 1;
  const uint64_t back = seconds < most ? seconds : most;

  if (back == 0 || back >= VIGIL__GC_SECONDS)
    return 0;
  return t->gc_pause_ns[(t->ticks - 1) % VIGIL__GC_SECONDS] -
         t->gc_pause_ns[(t->ticks - 1 - back) % VIGIL__GC_SECONDS];
}

int vigil__threads_init(void);
void vigil__threads_lock(void);
void vigil__threads_unlock(void);

/* First of the list. Under the lock. */
struct vigil__thread* vigil__threads_first(void);

/* Any thread; takes the lock. NULL when there is no memory. */
struct vigil__loop* vigil__thread_add(const void* uv, vigil__mono_t now);

/* The loop closes. One of Node's that was watched stays readable, without its
 * record, until vigil__threads_forget(). */
void vigil__thread_remove(struct vigil__loop* loop);

/* Frees those that ended before `before`, and the oldest of more than
 * VIGIL__THREADS_ENDED. Under the lock; watch thread. */
#define VIGIL__THREADS_ENDED 128u
void vigil__threads_forget(vigil__mono_t before);

/* The loop belongs to a Node environment; the list takes the references. */
void vigil__thread_attach(const void* uv,
                          struct vigil__isolate* iso,
                          struct vigil__probe* probe,
                          uint64_t id,
                          const char* name);
/* Watch thread; takes the lock. The rows of its loop, as far as it is attached. */
void vigil__thread_timeline(const struct vigil__isolate* iso,
                            struct vigil__timeline_copy* to);
/* The environment leaves, the loop stays. */
void vigil__thread_detach(struct vigil__isolate* iso);

#endif  /* VIGIL_THREAD_H_ */
