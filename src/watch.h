/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_WATCH_H_
#define VIGIL_WATCH_H_

#include "config.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The watch thread: one per process, with its own libuv loop. Once a second it
 * copies each loop's record, evaluates the rule and drives a capture. */

/* Vigil runs in this process: VIGIL is not off, and nothing failed. hooks.c. */
bool vigil__on(void);

/* Once, before any other thread exists. `config` must live on. */
void vigil__watch_init(const struct vigil__config* config);

/* Starts the thread, which keeps windows but captures nothing until it is
 * armed; arming starts it too. Again and again is fine; any thread. Failure is
 * logged once and final. */
void vigil__watch_start(void);
void vigil__watch_arm(void);
bool vigil__watch_armed(void);

/* Has the watch thread look at captures now. Any thread. */
void vigil__watch_wake(void);

/* Somebody wants to be told: for the next ten seconds there are facts, with
 * causes, also without VIGIL_METRICS. Any thread. */
void vigil__watch_tell(void);

/* The calling thread is ours, as the watch thread is: its loop gets no record. */
bool vigil__watch_is_self(void);
/* Makes it one; before it has a loop. */
void vigil__watch_own_thread(void);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_WATCH_H_ */
