/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SEA_H_
#define VIGIL_SEA_H_

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether this binary holds a program (a single executable application), which it
 * runs whatever its arguments are. Any thread. */
bool vigil__is_sea(void);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_SEA_H_ */
