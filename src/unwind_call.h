/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_UNWIND_CALL_H_
#define VIGIL_UNWIND_CALL_H_

#include <stdbool.h>
#include <stdint.h>

/* The parts of unwind.c. Is there a call instruction before `ret`? `target`
 * gets the function it calls, by way of the PLT if need be; 0: it does not
 * say. Where code cannot be read, because that is refused, anything may be. */
bool vigil__unwind_after_call(uint64_t ret, uint64_t* target);

#endif  /* VIGIL_UNWIND_CALL_H_ */
