/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CHILD_OWN_H_
#define VIGIL_CHILD_OWN_H_

#include "child.h"

/* Between child.c and child_own.c: what the child does to itself. */

/* First thing in the child. Whatever of it fails is left out. */
void vigil__child_settle(struct vigil__child* c,
                         pid_t parent,
                         bool main_thread);

/* Last thing: memory that it shares with nobody, 0: unknown. */
uint64_t vigil__child_own_bytes(void);

#endif  /* VIGIL_CHILD_OWN_H_ */
