/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_TEXT_H_
#define VIGIL_TEXT_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Length (1 .. 4) of the valid UTF-8 sequence at `s`, which has `len` bytes
 * left; 0 when there is none. */
size_t vigil__text_utf8(const char* s, size_t len);

/* Copies `src` to `dst` (`size` bytes, at least 8) for a terminal or a log:
 * control characters (C0, DEL, C1) and bytes that are not UTF-8 become \xNN.
 * What does not fit ends in "...". Returns the length; `dst` is terminated. */
size_t vigil__text_escape(char* dst, size_t size, const char* src);

/* Unix time in ns as "2026-11-23T03:14:15.926Z", cut to the ms; returns `to`.
 * gmtime_r() reads files and takes a lock; this does not. */
#define VIGIL__TEXT_TIME 48
const char* vigil__text_time(char to[VIGIL__TEXT_TIME], uint64_t wall_ns);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_TEXT_H_ */
