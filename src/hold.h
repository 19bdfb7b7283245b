/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_HOLD_H_
#define VIGIL_HOLD_H_

#include "evidence.h"
#include "incident.h"
#include "snapshot.h"

#include <stdbool.h>
#include <stdint.h>

/* The handshake between an incident that is being made and the thread it is made
 * of, which may end, or reach the limit of its heap, at any time. One incident
 * at a time. */

struct vigil__held {
  struct vigil__evidence* evidence;
  struct vigil__snapshot* snapshot;
  struct vigil__incident* incident;
};

/* Once. `wake` wakes the watch thread. 0 or -errno. */
int vigil__hold_init(uint64_t exit_wait_ns, void (*wake)(void));

/* Watch thread, the next six. From begin() on, the isolate's memory and what
 * `held` points to may be used, though its thread leaves. False: it has gone. */
bool vigil__hold_begin(struct vigil__isolate* iso,
                       const struct vigil__held* held);
/* The isolate's memory is needed no more. `left`: its thread is in leave(),
 * which gives back what is V8's. */
void vigil__hold_let_go(bool left);
/* Nothing is. The incident has ended. */
void vigil__hold_end(bool left);
/* An isolate is still held. */
bool vigil__hold_any(void);
/* The thread leaves, or the heap has reached its limit: no job runs any more (in
 * the latter case, but by limit.c), and what was begun has been stopped. */
bool vigil__hold_leaving(void);
bool vigil__hold_hurried(void);
/* From the start, for an incident that ends the process. */
void vigil__hold_hurry_begin(void);

/* The isolate's own thread, from vigil__isolate_attach()'s callback: closes it.
 * An incident that is under way for it is finished with what it has, within
 * VIGIL_EXIT_WAIT, or given up; either way nothing touches the isolate after
 * this. `last`: the process ends with it, and no child may go on to write. */
void vigil__hold_leave(struct vigil__isolate* iso, bool last);

/* The isolate's own thread, where no job runs any more because V8 gives up: what
 * is being made of it, if anything is, gets its heap snapshot now. Whether there
 * is such a one; the jobs are for the caller to serve. */
bool vigil__hold_hurry(struct vigil__isolate* iso);

/* Any thread: an incident is still being made. */
bool vigil__hold_unfinished(void);

#endif  /* VIGIL_HOLD_H_ */
