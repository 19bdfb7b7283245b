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
