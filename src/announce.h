/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_ANNOUNCE_H_
#define VIGIL_ANNOUNCE_H_

#include "incident.h"

/* What is said of an incident: one line each, as docs/log.md has it. Of one that
 * was refused before nothing more until it is written. Watch thread. */

/* It is on disk. */
void vigil__announce(const struct vigil__incident* i);

/* There is none: what vigil__budget_ask() answered, over 0; or -errno, the
 * directory or the budget cannot be used, and `dir` may say more... */
void vigil__announce_none(const struct vigil__config* config,
                          const struct vigil__trigger* trigger,
                          const struct vigil__artifact_dir* dir,
                          int answer);

/* ...or it was begun, and could not be written. */
void vigil__announce_failed(const struct vigil__incident* i, int err);

#endif  /* VIGIL_ANNOUNCE_H_ */
