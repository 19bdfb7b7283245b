/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SAMPLER_H_
#define VIGIL_SAMPLER_H_

#include "clock.h"
#include "config.h"

/* Looks at the threads that run JavaScript: about 20 times a second while they
 * are busy, twice a second while they are not. Feeds the recorder of each, and
 * records stalls: busy periods longer than VIGIL_STALL_MS. Watch thread. */
#define VIGIL__SAMPLER_NS (50 * VIGIL__MS)
#define VIGIL__SAMPLER_IDLE_NS (500 * VIGIL__MS)

/* Once. `config` must live on. */
void vigil__sampler_init(const struct vigil__config* config);

/* Looks now; when to look again, at the latest. */
vigil__mono_t vigil__sampler_step(vigil__mono_t now);

#endif  /* VIGIL_SAMPLER_H_ */
