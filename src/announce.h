/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_ANNOUNCE_H_
#define VIGIL_ANNOUNCE_H_

#include "incident.h"

/* What is said of an incident: one line each, as docs/log.md has it. Of one that
 * was refused before nothing more until it is written. Watch thread. */

/* It is on disk. */
void vigil__announce(const struct vigil__incident* i);

/* The budget says no: `answer` of vigil__budget_ask(), over 0. */
void vigil__announce_refused(const struct vigil__incident* i, int answer);

/* The directory or the budget cannot be used (-errno)... */
void vigil__announce_impossible(const struct vigil__incident* i, int err);

/* ...or it was begun, and could not be written. */
void vigil__announce_failed(const struct vigil__incident* i, int err);

#endif  /* VIGIL_ANNOUNCE_H_ */
