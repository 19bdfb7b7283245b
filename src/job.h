/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_JOB_H_
#define VIGIL_JOB_H_

#include "v8_bridge.h"

#include <stdbool.h>
#include <stdint.h>

/* One piece of work at a time that the watch thread hands to an isolate's own
 * thread. V8 may run a request long after it was given up, so each carries a
 * number, and one that is not the current number does nothing.
 *
 * ASKED -> RUNNING by the own thread, ASKED -> FREE by whoever gives it up:
 * both by compare-and-swap, so exactly one wins. RUNNING -> DONE by the own
 * thread, DONE -> FREE by the watch thread. */

/* Watch thread, when no job is under way. Asks for `fn(arg)`; `done` is called
 * on the own thread after it. 0, or -ESRCH: the isolate has gone. */
int vigil__job_ask(struct vigil__isolate* iso,
                   void (*fn)(void* arg),
                   void* arg,
                   void (*done)(void));

/* The isolate's own thread, which runs no request of V8's now: does the job that
 * waits for it, if one does. */
void vigil__job_serve(struct vigil__isolate* iso);

/* Watch thread. True once after the job ran: its effects are visible. */
bool vigil__job_take(void);

/* Gives the job up if it has not begun. The watch thread, or the own thread
 * when it leaves. True: it will never run. */
bool vigil__job_cancel(void);

#endif  /* VIGIL_JOB_H_ */
