/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "unwind_call.h"

#include "memory.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* The 32-bit offset at `p`, from the address `base`. */
static uint64_t relative(uint64_t base, const uint8_t* p) {
  int32_t distance;

  memcpy(&distance, p, sizeof(distance));
  return base + (uint64_t) (int64_t) distance;
}

/* A pointer in memory; 0: it cannot be read. */
static uint64_t pointer_at(uint64_t at) {
  uint64_t value;

  return vigil__memory_read(at, &value, sizeof(value)) == sizeof(value) ? value
                                                                        : 0;
}

/* Where a call of `target` gets to, if that is an entry of the PLT. */
static uint64_t through_plt(uint64_t target) {
  static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
  uint8_t code[11];             /* That, bnd, and jmp *N(%rip). */
  size_t i = 0;

  if (vigil__memory_read(target, code, sizeof(code)) != sizeof(code))
    return target;
  if (memcmp(code, endbr64, sizeof(endbr64)) == 0)
    i += sizeof(endbr64);
  if (code[i] == 0xf2)
    i++;
  if (code[i] != 0xff || code[i + 1] != 0x25)
    return target;
  return pointer_at(relative(target + i + 6, code + i + 2));
}

bool vigil__unwind_after_call(uint64_t ret, uint64_t* target) {
  static const uint8_t indirect[] = { 2, 3, 4, 6, 7 };  /* Lengths. */
  uint8_t code[7];
  size_t i;
  const ssize_t r = vigil__memory_read(ret - sizeof(code), code, sizeof(code));

  *target = 0;
  if (r != sizeof(code))
    return r < 0 && r != -EFAULT;
  if (code[2] == 0xe8) {
    *target = through_plt(relative(ret, code + 3));
    return true;
  }
  if (code[1] == 0xff && code[2] == 0x15)
    *target = pointer_at(relative(ret, code + 3));
  for (i = 0; i < sizeof(indirect); i++) {
    const uint8_t* p = code + sizeof(code) - indirect[i];

    if (p[0] == 0xff && (p[1] & 0x38) == 0x10)
      return true;
  }
  return false;
}
