/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_HELPER_LOCK_H_
#define VIGIL_HELPER_LOCK_H_

#include "artifact.h"

#include <stdbool.h>

/* What helpers of several processes have in common in VIGIL_DIR. */

/* The lock of the one that works in it, in the file `helper` of the budget's
 * folder: a descriptor, to be handed to the helper, so that the kernel gives the
 * lock back when that has ended, however it ends. -EWOULDBLOCK: another one has
 * it; or another -errno. Where locks do not work everybody gets it. */
int vigil__helper_lock(const struct vigil__artifact_dir* dir);

/* Whether the directory has an incident of this user that is not marked as
 * shipped (js/ship/one.js). Creates nothing. */
bool vigil__helper_has_work(const char* path);

#endif  /* VIGIL_HELPER_LOCK_H_ */
