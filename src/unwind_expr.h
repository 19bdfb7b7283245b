/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_UNWIND_EXPR_H_
#define VIGIL_UNWIND_EXPR_H_

#include "unwind_read.h"
#include "unwind_regs.h"

/* The parts of unwind.c: evaluates the DWARF expression from r->pos to r->end,
 * the ones that compilers and the C library use in .eh_frame. `first`, if not
 * NULL, is what is pushed before. 0; -ENODATA: it needs a register that is not
 * known; -ERANGE: a word that is not in the copy; -EINVAL: it makes no
 * sense. */
int vigil__unwind_expr(struct vigil__read* r,
                       const struct vigil__regs* regs,
                       const struct vigil__stack* stack,
                       const uint64_t* first,
                       uint64_t* result);

#endif  /* VIGIL_UNWIND_EXPR_H_ */
