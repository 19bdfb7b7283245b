/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_JSON_H_
#define VIGIL_JSON_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIGIL__JSON_DEPTH 160  /* Of an allocation profile: 2 a frame. */

/* Writes one JSON text into a buffer that grows up to `limit`. Zero it, set
 * `limit` (0: 1 MB). The first error sticks (-ENOMEM, -EFBIG, -EINVAL for bad
 * nesting) and silences the rest, so check `error` once, at the end.
 *
 * `key` is NULL in arrays and at the top. Keys and strings are escaped; bytes
 * that are not UTF-8 become U+FFFD, and '<' is \u003c, so that the text can
 * stand inside of a <script>. */
struct vigil__json {
  char* data;           /* Not terminated. */
  size_t len;
  size_t size;
  size_t limit;
  int error;
  unsigned depth;
  bool compact;         /* No spaces, no new lines. Set it with `limit`. */
  struct {
    bool more;          /* A comma is due. */
    bool array;
    bool line;
  } level[VIGIL__JSON_DEPTH];
};

void vigil__json_object(struct vigil__json* j, const char* key);
void vigil__json_array(struct vigil__json* j, const char* key);
/* An array that stays on one line: of many short values. */
void vigil__json_line(struct vigil__json* j, const char* key);
void vigil__json_end(struct vigil__json* j);  /* Of either. */

void vigil__json_string(struct vigil__json* j, const char* key, const char* s);
void vigil__json_uint(struct vigil__json* j, const char* key, uint64_t v);
void vigil__json_int(struct vigil__json* j, const char* key, int64_t v);
void vigil__json_bool(struct vigil__json* j, const char* key, bool v);
void vigil__json_null(struct vigil__json* j, const char* key);
/* `v` / 10^6 with its six decimals: ns as ms. */
void vigil__json_ms(struct vigil__json* j, const char* key, uint64_t ns);
/* The same, signed, and with the decimals it needs: -1.5, 0. */
void vigil__json_short_ms(struct vigil__json* j, const char* key, int64_t ns);

/* A value that is JSON already. */
void vigil__json_raw(struct vigil__json* j, const char* key,
                     const char* text, size_t len);

/* Unix time in ns, as "2026-11-23T03:14:15.926Z". */
void vigil__json_time(struct vigil__json* j, const char* key, uint64_t wall);

/* The text is complete: 0, or the error. */
int vigil__json_finish(struct vigil__json* j);
void vigil__json_free(struct vigil__json* j);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_JSON_H_ */
