/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CONTROL_ASK_H_
#define VIGIL_CONTROL_ASK_H_

#include "config.h"
#include "demand.h"
#include "rule.h"

#include <stdbool.h>
#include <stdint.h>

/* What the queries of POST /capture and POST /threshold mean; docs/control.md has
 * them. Pure; any thread. 0; or -EINVAL, or -EPERM for what is not possible in
 * this process, and `why` is a sentence. */
#define VIGIL__CONTROL_WHY 384

int vigil__control_capture(const char* query,
                           struct vigil__demand* demand,
                           char why[VIGIL__CONTROL_WHY]);

struct vigil__control_limits {
  bool set[VIGIL__RULES];
  uint64_t limit[VIGIL__RULES];  /* In the rule's unit; 0: off. */
};

/* All of it is right, or nothing is. */
int vigil__control_threshold(const char* query,
                             const struct vigil__config* config,
                             struct vigil__control_limits* limits,
                             char why[VIGIL__CONTROL_WHY]);

/* Why a capture was refused or failed, from the -errno of demand.h: part of a
 * sentence. `text` is for those that have no words of their own. */
const char* vigil__control_refusal(int err, char text[VIGIL__CONTROL_WHY]);

#endif  /* VIGIL_CONTROL_ASK_H_ */
