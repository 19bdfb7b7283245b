/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CAPTURE_H_
#define VIGIL_CAPTURE_H_

#include "clock.h"
#include "config.h"
#include "incident.h"
#include "v8_bridge.h"

#include <stdbool.h>
#include <stdint.h>

/* One incident at a time: write what was recorded before, start a CPU profile,
 * wait, stop it, write it, take a heap snapshot, write that, describe it all,
 * rename, say so in one line.
 *
 * The watch thread drives it and does everything that can be slow; the loop's
 * own thread does only what V8 asks of it. */

/* Once, before any other thread exists. `wake` makes the watch thread call
 * vigil__capture_step() soon; it is called on the loop's thread. 0 or -errno. */
int vigil__capture_init(const struct vigil__config* config,
                        void (*wake)(void));

/* Watch thread. An incident is being made. */
bool vigil__capture_running(void);

/* Watch thread, when none is running: opens the incident and asks for what the
 * configuration and the cause want. Takes its own references. 0; -ESRCH, the
 * thread has just ended; or what vigil__incident_begin() says. */
int vigil__capture_begin(const struct vigil__trigger* trigger);

/* Watch thread. Whose incident is being made; NULL: none. */
const struct vigil__isolate* vigil__capture_of(void);

/* Watch thread, about once a second while one is made: whether its loop is well.
 * Once it has been for 3 s the profile ends early. */
void vigil__capture_calm(bool calm, vigil__mono_t now);

/* Watch thread, as often: the rows of its loop until now. */
void vigil__capture_row(const struct vigil__timeline* t);

/* Watch thread. The directory of the last incident that ended; "": none. */
const char* vigil__capture_last(void);

/* Watch thread. The last one was a round of a leak hunt, and is done, though it
 * left nothing. */
bool vigil__capture_round(void);

/* Watch thread: goes on as far as it can without waiting for the loop. Returns
 * the time until it wants to be called again if not woken before, in ns; 0:
 * only when woken. */
uint64_t vigil__capture_step(vigil__mono_t now);

#endif  /* VIGIL_CAPTURE_H_ */
