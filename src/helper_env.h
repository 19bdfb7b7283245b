/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_HELPER_ENV_H_
#define VIGIL_HELPER_ENV_H_

#include "config.h"

/* The environment of the helper: what it needs to be started, to find the store
 * and to be let in, and of ours what was understood; VIGIL=off.
 *
 * NULL at the end, or NULL when there is no memory. Its texts are those of `env`,
 * which must not change: they stay where the kernel has put them, so nothing
 * secret gets a second place in memory. */
char** vigil__helper_env(char** env, const struct vigil__config* config);

#endif  /* VIGIL_HELPER_ENV_H_ */
