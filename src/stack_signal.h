/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_STACK_SIGNAL_H_
#define VIGIL_STACK_SIGNAL_H_

#include "stack.h"

/* The parts of stack.c. */

/* From now on this thread serves requests; on the thread itself. Sets the
 * target's tid, delivered, sent and epoch. */
void vigil__stack_signal_join(struct vigil__stack_target* t);
/* No longer. Does nothing on another thread. */
void vigil__stack_signal_leave(const struct vigil__stack_target* t);

/* Has the thread copy its own stack; see vigil__stack_take(). */
int vigil__stack_signal_take(struct vigil__stack_target* t,
                             struct vigil__stack* to,
                             uint64_t timeout_ns);

/* Fills lo, len, foreign, truncated and bytes from sp, for a thread whose
 * stack is [lo, hi). `direct`: that stack cannot vanish meanwhile, and may be
 * read without a system call. Async-signal-safe; changes errno. */
void vigil__stack_slice(struct vigil__stack* s,
                        uint64_t lo,
                        uint64_t hi,
                        bool direct);

#endif  /* VIGIL_STACK_SIGNAL_H_ */
