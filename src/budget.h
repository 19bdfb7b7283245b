/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_BUDGET_H_
#define VIGIL_BUDGET_H_

#include "clock.h"
#include "config.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether an incident may be captured now: a pure decision. The state is kept
 * in VIGIL_DIR, for all processes that share it: budget_ask.h. */
#define VIGIL__BUDGET_EVENTS 128u       /* Kept; the oldest go first. */
#define VIGIL__BUDGET_KEPT 1024u        /* Incidents on disk. */
#define VIGIL__BUDGET_LEAST (UINT64_C(1) << 20)  /* Bytes worth beginning. */
#define VIGIL__BUDGET_HOUR_NS (3600 * VIGIL__SEC)
/* The ratio of an incident that ends the process: it cannot wait for the end of
 * a cool-down, but counts in its hour as any other. */
#define VIGIL__BUDGET_LAST UINT64_C(1000000)
#define VIGIL__BUDGET_FREE (UINT64_C(256) << 20)  /* VIGIL_DISK_FREE=auto... */
#define VIGIL__BUDGET_FREE_PART 20      /* ...or this part, if that is less. */

/* An incident that was begun. */
struct vigil__budget_event {
  uint64_t wall_ns;             /* Unix time. */
  vigil__mono_t mono;           /* 0: of another boot, or not known. */
  uint64_t ratio;               /* Figure in 1/1000 of its limit; 0: a person
                                 * asked for it, so it costs no time budget. */
  uint32_t pid;
  uint32_t slot;
  bool finished;                /* It is or was on disk. */
  bool alive;                   /* Not finished, and a process is at it. */
};

struct vigil__budget_state {
  uint64_t wall_ns;             /* Now, Unix time... */
  vigil__mono_t mono;           /* ...and since the boot. */
  struct vigil__budget_event event[VIGIL__BUDGET_EVENTS];
  uint32_t events;
  uint32_t capturing;           /* Processes at it now. */
  uint64_t suppressed;          /* Since the last message. */
  uint64_t bytes;               /* Of all incidents, unfinished ones too... */
  uint64_t removable;           /* ...and of those that may be removed. */
  uint64_t free_bytes;          /* For us, on the file system... */
  uint64_t total_bytes;         /* ...which has so many. */
};

enum vigil__budget_answer {
  VIGIL__BUDGET_ALLOW,
  VIGIL__BUDGET_COOLDOWN,       /* Too soon after another one. */
  VIGIL__BUDGET_HOURLY,         /* Enough in the last hour, and not twice as
                                 * bad as the worst of them. */
  VIGIL__BUDGET_DISK,           /* No room. */
  VIGIL__BUDGET_HOST,           /* Enough processes are at it. */
  VIGIL__BUDGET_FLEET           /* So says the fleet: helper.h. */
};

/* `ratio` as in an event. An incident that is neither finished nor alive, as
 * its process was killed, does not cool down, for there is no evidence yet; but
 * it counts for the hour, so that a capture which kills its process cannot do
 * so for ever. */
enum vigil__budget_answer vigil__budget_decide(
    const struct vigil__budget_state* state,
    const struct vigil__config* config,
    uint64_t ratio);

/* Bytes of old incidents to remove, so that one of `expect` bytes fits. */
uint64_t vigil__budget_excess(const struct vigil__budget_state* state,
                              const struct vigil__config* config,
                              uint64_t expect);

/* Bytes that an incident may take as things are. */
uint64_t vigil__budget_room(const struct vigil__budget_state* state,
                            const struct vigil__config* config);

/* How long ago it was. The time since the boot cannot be set, so it is asked
 * where it can be. The wall clock may have been set: an event a little in the
 * future is as recent as one a little in the past. */
uint64_t vigil__budget_age(const struct vigil__budget_state* state,
                           const struct vigil__budget_event* event);

/* Adds one; of too many the oldest is dropped. */
void vigil__budget_add(struct vigil__budget_state* state,
                       const struct vigil__budget_event* event);

/* For people, part of a sentence; static. */
const char* vigil__budget_reason(enum vigil__budget_answer answer);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_BUDGET_H_ */
