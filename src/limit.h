/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LIMIT_H_
#define VIGIL_LIMIT_H_

#include "config.h"
#include "v8_bridge.h"

/* The end of a program whose heap has reached its limit: V8 gives it up right
 * after it has told us. The snapshot is the only evidence there will be. */

/* Once. `wake` wakes the watch thread. */
void vigil__limit_init(const struct vigil__config* config, void (*wake)(void));

/* The isolate's own thread, from V8 (vigil__isolate_watch_limit()): has a heap
 * snapshot taken, and waits until it is written, 30 s at most. VIGIL_NEAR_HEAP_
 * LIMIT says how often. `limit` in bytes. */
void vigil__limit_reached(struct vigil__isolate* iso, uint64_t limit);

#endif  /* VIGIL_LIMIT_H_ */
