/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_UNWIND_READ_H_
#define VIGIL_UNWIND_READ_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The parts of unwind.c: reads unwind information, a window at a time, in
 * memory that may not be mapped any more. Past the end, or where nothing can
 * be read, every read gives 0, sets `bad` and `pos` to `end`. */
#define VIGIL__READ_WINDOW 1024u

struct vigil__read {
  uint64_t pos;
  uint64_t end;
  bool bad;
  uint64_t window_lo;
  size_t window_len;
  uint8_t window[VIGIL__READ_WINDOW];
};

void vigil__read_init(struct vigil__read* r, uint64_t pos, uint64_t end);

/* Little-endian, `size` 1, 2, 4 or 8; or sign-extended. */
uint64_t vigil__read_u(struct vigil__read* r, unsigned size);
int64_t vigil__read_s(struct vigil__read* r, unsigned size);
uint64_t vigil__read_uleb(struct vigil__read* r);
int64_t vigil__read_sleb(struct vigil__read* r);
void vigil__read_skip(struct vigil__read* r, uint64_t n);

/* A pointer in one of the DW_EH_PE_ encodings; `data` is the base of those
 * that count from the section. Indirect ones are read, but not followed. */
uint64_t vigil__read_encoded(struct vigil__read* r,
                             uint8_t encoding,
                             uint64_t data);

#endif  /* VIGIL_UNWIND_READ_H_ */
