/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_DEMAND_H_
#define VIGIL_DEMAND_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Captures that somebody asks for: a signal, node:vigil, or the control socket. They wait in a
 * short queue until no other one runs. */
#define VIGIL__DEMANDS 16u

struct vigil__demand {
  uint64_t ticket;              /* From 1. 0: of a signal. */
  const char* who;              /* Who asks, for people; static. NULL: the
                                 * program, by node:vigil. */
  uint64_t thread_id;           /* Node's. */
  uint64_t want;                /* VIGIL__CAPTURE_*; 0: as configured, but no
                                 * allocation profile. */
  uint64_t profile_ns;          /* 0: as configured. */
  unsigned leak;                /* Round of a leak hunt; 0: none. */
  uint64_t heap_limit;          /* Not 0: nobody asks, the main thread's heap
                                 * has reached this limit in bytes. */
};

/* Once. 0 or -errno. */
int vigil__demand_init(void);

/* Any thread. Its ticket; 0: too many wait. Wake the watch thread then. */
uint64_t vigil__demand_ask(const struct vigil__demand* demand);

/* In a signal handler: the main thread, as configured. */
void vigil__demand_signal(void);

/* Watch thread. Takes the next one out. False: none waits. */
bool vigil__demand_next(struct vigil__demand* demand);

/* Watch thread. What came of it: 0 and the incident's directory, or -errno. */
void vigil__demand_done(uint64_t ticket, int err, const char* path);

/* Any thread. How it stands, as often as one asks: true, and `look`; false: no
 * such ticket is known, or no longer. */
struct vigil__demand_look {
  bool waiting;                 /* Not yet begun... */
  bool done;                    /* ...or done: 0 and the directory, "" of a
                                 * round that left none, or -errno. */
  int err;
  char path[1024];
};
bool vigil__demand_look(uint64_t ticket, struct vigil__demand_look* look);

/* Any thread. -EINPROGRESS; or, once, 0 with `path` filled in, or -errno. */
int vigil__demand_result(uint64_t ticket, char* path, size_t size);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_DEMAND_H_ */
