/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CODE_H_
#define VIGIL_CODE_H_

#include "frames.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which function an address of one isolate's compiled code belongs to. The
 * isolate writes a log of what V8 tells it; the watch thread reads the log
 * into an ordered map whenever it needs it.
 *
 * Writer: one at a time, each after the one before (the isolate's thread; V8
 * may report moves from helper threads of its collector, under its own lock).
 * It never waits for the reader: no lock, and one malloc in some hundred
 * events. Reader: one thread.
 *
 * Memory: an unread event 40 bytes and its names (a script's name only when
 * it is not that of the event before); after that 24 bytes a code object and
 * about 30 a function (frames.h), both with up to half as much in reserve. */
struct vigil__code;

#define VIGIL__CODE_UNREAD (8u * 1024 * 1024)   /* Bytes; more is dropped. */
#define VIGIL__CODE_RANGES (512u * 1024)        /* 12 MB of code objects. */

/* `frames` is the reader's, and must live as long. NULL: no memory. */
struct vigil__code* vigil__code_new(struct vigil__frames* frames);

/* When both sides are done. */
void vigil__code_free(struct vigil__code* c);

/* Writer. Compiled code, or the bytes of a BytecodeArray (kind JS, too: it is
 * the same function). `line` and `column` from 1; 0: unknown. The texts are
 * copied and need not be terminated. */
void vigil__code_add(struct vigil__code* c,
                     uint64_t start,
                     uint64_t size,
                     enum vigil__frame_kind kind,
                     const char* name, size_t name_len,
                     const char* script, size_t script_len,
                     int32_t line,
                     int32_t column);

/* Writer. What begins at `from` now begins at `to`. `size` 0: as it was. One
 * that is not known is ignored. */
void vigil__code_move(struct vigil__code* c,
                      uint64_t from,
                      uint64_t to,
                      uint64_t size);

/* Reader. Takes in what was written; about 1 us an event. */
void vigil__code_drain(struct vigil__code* c);

struct vigil__code_found {
  uint64_t start;               /* Of the code object. */
  uint32_t size;
  uint32_t frame;               /* Its number in the frame table. */
};

/* Reader. The number of the function at `pc`, or VIGIL__FRAME_NONE. `found`
 * may be NULL. */
uint32_t vigil__code_find(struct vigil__code* c,
                          uint64_t pc,
                          struct vigil__code_found* found);

struct vigil__code_stats {
  uint64_t lost;                /* Events; not 0: names may be missing, and
                                 * some may be wrong. */
  uint64_t evicted;             /* Code objects forgotten for lack of room. */
  uint32_t ranges;              /* Code objects known. */
  size_t unread_bytes;          /* The log. */
  size_t map_bytes;             /* The map, without the frame table. */
};

/* Reader. */
void vigil__code_stats(const struct vigil__code* c,
                       struct vigil__code_stats* s);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_CODE_H_ */
