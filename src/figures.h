/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_FIGURES_H_
#define VIGIL_FIGURES_H_

#include "cause.h"
#include "clock.h"
#include "probe.h"
#include "room.h"

#include <stdint.h>

/* Gathers what cause.h decides by. Watch thread only. */

/* Once, on the watch thread. What this system does not tell is logged. */
void vigil__figures_init(void);

/* The watch thread runs, and wanted to at `due` (0: never before). Each time
 * before anything else: what it finds here nobody else can know. */
void vigil__figures_beat(vigil__mono_t now, vigil__mono_t due);

/* The process's own figures. Once a second. */
void vigil__figures_tick(vigil__mono_t now);

/* Those of one thread: once a second, too. */
void vigil__figures_second(struct vigil__probe* p,
                           vigil__mono_t now,
                           uint64_t gc_ns);

/* The time from `from` until now, at most a minute: usage from the ticks,
 * samples from the recorder. `busy_ns` and `lag_ns` are the caller's. */
void vigil__figures_window(struct vigil__probe* p,
                           vigil__mono_t from,
                           vigil__mono_t now,
                           uint64_t gc_ns,
                           struct vigil__figures* f);

/* The period that began at p->start and is open now. */
void vigil__figures_stall(struct vigil__probe* p,
                          vigil__mono_t now,
                          uint64_t gc_ns,
                          struct vigil__figures* f);

/* Memory that a snapshot may take. */
void vigil__figures_room(struct vigil__room* room);

/* How long work waited for the thread pool in the time from `from` until now,
 * at most a minute: p99, or the oldest that waits if that is longer, and the
 * longest; both 0 when nothing did. False: it is too early to say. */
bool vigil__figures_pool(vigil__mono_t from,
                         vigil__mono_t now,
                         struct vigil__figures* f);

/* p99 of how long the work waited that a thread of the pool took between the
 * last two ticks; UINT64_MAX when there was none. */
uint64_t vigil__figures_pool_second(void);

#endif  /* VIGIL_FIGURES_H_ */
