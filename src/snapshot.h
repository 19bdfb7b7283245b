/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SNAPSHOT_H_
#define VIGIL_SNAPSHOT_H_

#include "atomic.h"
#include "child.h"
#include "incident.h"
#include "loop.h"
#include "room.h"
#include "v8_bridge.h"

#include <stdbool.h>
#include <stdint.h>

/* The heap snapshot of an incident, by a forked child or in the process. The
 * watch thread calls these in turn, but for the jobs, which run on the isolate's
 * own thread meanwhile:
 *
 *   prepare -> job take -> after: AGAIN, later -> job take ...
 *                                 CHILD -> poll ... -> free
 *                                 TAKEN -> job release -> free
 *                                 NONE  -> free */
struct vigil__snapshot {
  const struct vigil__config* config;
  struct vigil__isolate* iso;
  struct vigil__loop* loop;
  enum vigil__heap_mode mode;
  bool fell_back;
  unsigned tries;
  unsigned locked;              /* Children that met a lock. */
  bool wait;                    /* Now: there is no later. */
  struct vigil__room room;
  struct vigil__child child;
  struct vigil__artifact_file memory;  /* For a summary. */
  unsigned leak;                /* Round of a leak hunt; 0: none. */
  struct vigil__heap_snapshot* taken;  /* In the process. */
  uint64_t disk;                /* Bytes that the file may have. */
  uint64_t need;                /* Bytes; of `room`. */
  uint64_t heap;
  uint64_t stopped_ns;          /* The loop, by the last try. */
  int error;
};

void vigil__snapshot_init(struct vigil__snapshot* s,
                          const struct vigil__config* config,
                          struct vigil__isolate* iso,
                          struct vigil__loop* loop);

/* False: there will be none, and the incident has the reason. */
bool vigil__snapshot_prepare(struct vigil__snapshot* s,
                             struct vigil__incident* i);

/* Jobs; `arg` is the snapshot. What take() did is added to `self` by after(). */
void vigil__snapshot_take(void* arg);
void vigil__snapshot_release(void* arg);

enum vigil__snapshot_next {
  VIGIL__SNAPSHOT_AGAIN,        /* In VIGIL__SNAPSHOT_LATER ns. */
  VIGIL__SNAPSHOT_CHILD,
  VIGIL__SNAPSHOT_TAKEN,        /* And written. */
  VIGIL__SNAPSHOT_NO_MEMORY,    /* None: an allocation profile would do. */
  VIGIL__SNAPSHOT_NONE
};
#define VIGIL__SNAPSHOT_LATER (50 * VIGIL__MS)

enum vigil__snapshot_next vigil__snapshot_after(struct vigil__snapshot* s,
                                                struct vigil__incident* i,
                                                struct vigil__self* self);

/* After that, of a round of a leak hunt: its summary goes there. False: there is
 * none, and the incident has the reason. */
bool vigil__snapshot_summary(struct vigil__snapshot* s,
                             struct vigil__incident* i);

/* WRITTEN: the child has ended, and what came of it is in the incident. LOCKED:
 * it has met a lock that another thread held when it was forked, and it is worth
 * to begin anew with prepare(). */
enum vigil__snapshot_state {
  VIGIL__SNAPSHOT_WRITES,
  VIGIL__SNAPSHOT_WRITTEN,
  VIGIL__SNAPSHOT_LOCKED
};
enum vigil__snapshot_state vigil__snapshot_poll(struct vigil__snapshot* s,
                                                struct vigil__incident* i,
                                                vigil__mono_t now);

/* All since the start. Written by the watch thread, each for itself. */
struct vigil__snapshot_counts {
  vigil__word_t taken;
  vigil__word_t late;           /* Ended at their deadline. */
  vigil__word_t failed;         /* Otherwise. */
  vigil__word_t refused;        /* For want of memory or disk. */
};
extern struct vigil__snapshot_counts vigil__snapshot_counts;

void vigil__snapshot_free(struct vigil__snapshot* s);

#endif  /* VIGIL_SNAPSHOT_H_ */
