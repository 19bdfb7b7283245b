/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_STALL_H_
#define VIGIL_STALL_H_

#include "cause.h"
#include "clock.h"
#include "frames.h"
#include "json.h"
#include "system.h"

#include <stdbool.h>
#include <stdint.h>

/* The latest stalls of one loop: busy periods longer than the limit, with what
 * the thread was seen doing when the limit was passed, and at 2, 4, 8... times
 * the limit. Watch thread only. */
#define VIGIL__STALLS 32u
#define VIGIL__STALL_LOOKS 12u
#define VIGIL__STALL_FRAMES 96u

struct vigil__stall_look {
  uint64_t after_ns;            /* Since the stall began. */
  struct vigil__task_figures task;
  bool in_gc;
  int error;                    /* -errno: no stack. */
  uint32_t frames;              /* The leaf first... */
  uint32_t more;                /* ...without this many at the other end. */
  uint32_t frame[VIGIL__STALL_FRAMES];
};

struct vigil__stall {
  vigil__mono_t begin;
  uint64_t wall_ns;             /* Unix time of that. */
  uint64_t lasted_ns;           /* So far; when it has ended, at most 50 ms
                                 * too much. */
  bool ended;
  bool self;                    /* It was our own work. */
  struct vigil__figures figures;
  struct vigil__why why;        /* As of the last look. */
  uint32_t looks;
  struct vigil__stall_look look[VIGIL__STALL_LOOKS];
};

/* In the place of a cause: the stall held our own work. */
#define VIGIL__STALL_OWN VIGIL__CAUSE_CLASSES

/* Zero it. */
struct vigil__stalls {
  uint64_t count;               /* Ever; the newest VIGIL__STALLS are kept. */
  uint64_t ended[VIGIL__CAUSE_CLASSES + 1];     /* Of them, by cause... */
  uint64_t ended_ns[VIGIL__CAUSE_CLASSES + 1];  /* ...and their time. */
  uint64_t longest_ns;          /* Seen since vigil__stalls_longest(). */
  struct vigil__stall* ring;
};

void vigil__stalls_free(struct vigil__stalls* s);

/* When the period that began at `start` has to be looked at next. */
vigil__mono_t vigil__stalls_due(const struct vigil__stalls* s,
                                vigil__mono_t start,
                                uint64_t limit_ns);

/* The stall that began at `start`, with one look more; NULL when there is no
 * memory, or it has all its looks. The caller fills in the look, which is
 * zeroed but for its time, `figures` and `why`. */
struct vigil__stall* vigil__stalls_look(struct vigil__stalls* s,
                                        vigil__mono_t start,
                                        vigil__mono_t now,
                                        uint64_t wall_ns,
                                        struct vigil__stall_look** look);

/* The period open now began at `start` (0: none is): what is known of the
 * newest stall, and how long it lasts. */
void vigil__stalls_now(struct vigil__stalls* s,
                       vigil__mono_t start,
                       bool self,
                       vigil__mono_t now);

/* A stall is open now. */
bool vigil__stalls_open(const struct vigil__stalls* s);

/* The longest one, not of our own making, that was open since the last call;
 * 0: none. */
uint64_t vigil__stalls_longest(struct vigil__stalls* s);

/* Those that were open after `from`, as one object; their number. */
uint32_t vigil__stalls_write(const struct vigil__stalls* s,
                             const struct vigil__frames* frames,
                             vigil__mono_t from,
                             struct vigil__json* j);

#endif  /* VIGIL_STALL_H_ */
