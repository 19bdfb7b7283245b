/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_UNWIND_REGS_H_
#define VIGIL_UNWIND_REGS_H_

#include "stack.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The parts of unwind.c: registers by their DWARF numbers on x86-64. */
enum {
  VIGIL__REG_RBX = 3,
  VIGIL__REG_RBP = 6,
  VIGIL__REG_RSP = 7,
  VIGIL__REG_R12 = 12,
  VIGIL__REG_R13 = 13,
  VIGIL__REG_R14 = 14,
  VIGIL__REG_R15 = 15,
  VIGIL__REG_RIP = 16,
  VIGIL__REGS = 17
};

struct vigil__regs {
  uint64_t value[VIGIL__REGS];
  uint32_t known;               /* One bit each. */
};

static inline bool vigil__regs_know(const struct vigil__regs* r, uint64_t n) {
  return n < VIGIL__REGS && (r->known >> n & 1) != 0;
}

static inline void vigil__regs_set(struct vigil__regs* r,
                                   unsigned n,
                                   uint64_t value) {
  r->value[n] = value;
  r->known |= 1u << n;
}

/* Reads a word of the copied stack; false: it is not in there. */
static inline bool vigil__stack_word(const struct vigil__stack* s,
                                     uint64_t at,
                                     uint64_t* value) {
  const uint64_t offset = at - s->lo;

  if (at < s->lo || s->len < 8 || offset > s->len - 8)
    return false;
  memcpy(value, s->bytes + offset, 8);
  return true;
}

#endif  /* VIGIL_UNWIND_REGS_H_ */
