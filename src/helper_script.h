/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_HELPER_SCRIPT_H_
#define VIGIL_HELPER_SCRIPT_H_

#include <stddef.h>

/* js/helper/main.js and all it requires, as deps/scripts.sh bundles it. */
extern const char vigil__helper_script[];
extern const size_t vigil__helper_script_len;

#endif  /* VIGIL_HELPER_SCRIPT_H_ */
