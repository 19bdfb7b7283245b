/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_STATUS_H_
#define VIGIL_STATUS_H_

#include "facts.h"
#include "json.h"

#include <stdbool.h>
#include <stdint.h>

/* How this process is, for people and load balancers. Pure; any thread.
 * docs/metrics.md describes every member. */

/* An incident lasts that requests feel, on any thread. That of `old-space` is
 * none: it is over when a full collection finds less, and a process without
 * requests may never have one. */
bool vigil__status_incident(const struct vigil__facts* f);

/* What /ready says: no incident lasts, and the last one was over
 * VIGIL_READY_AFTER ago. Else `*wait_ns`: what is left of that, at least;
 * UINT64_MAX: the incident lasts. */
bool vigil__status_ready(const struct vigil__facts* f,
                         vigil__mono_t now,
                         uint64_t* wait_ns);

/* One whole value; the caller finishes it. `wall_ns` belongs to `now`. */
void vigil__status_write(struct vigil__json* j,
                         const struct vigil__facts* f,
                         vigil__mono_t now,
                         uint64_t wall_ns);

#endif  /* VIGIL_STATUS_H_ */
