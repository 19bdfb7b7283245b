/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_FIRE_H_
#define VIGIL_FIRE_H_

#include "config.h"
#include "incident.h"
#include "rule.h"

#include <stdbool.h>

/* From a rule that fired to its capture: what the fleet says is waited for, while
 * the watch thread does other things. Watch thread only. */

/* Once. */
void vigil__fire_init(const struct vigil__config* config);

/* True: the capture has begun. Else it was refused, or it begins or is refused
 * later. The trigger stays the caller's, who ends and drops it. */
bool vigil__fire(struct vigil__trigger* trigger,
                 const struct vigil__rule_result* result);

/* The fleet is being asked: nothing else may fire. */
bool vigil__fire_asks(void);

/* Goes on with that. True: a capture has begun now. */
bool vigil__fire_step(void);

#endif  /* VIGIL_FIRE_H_ */
