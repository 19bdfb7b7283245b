/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "json.h"

#include "os.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>  /* PRIu64 */
#include <stdio.h>     /* snprintf */
#include <stdlib.h>    /* free */
#include <string.h>

static void fail(struct vigil__json* j, int error) {
  if (j->error == 0)
    j->error = error;
}

static void put(struct vigil__json* j, const char* s, size_t len) {
  const size_t limit = j->limit == 0 ? 1 << 20 : j->limit;
  size_t size = j->size == 0 ? 4096 : j->size;
  char* data;

  if (j->error != 0)
    return;
  if (len > limit - j->len) {
    fail(j, -EFBIG);
    return;
  }
  if (j->len + len > j->size) {
    while (size < j->len + len)
      size *= 2;
    data = vigil__os.realloc(j->data, size);
    if (data == NULL) {
      fail(j, -ENOMEM);
      return;
    }
    j->data = data;
    j->size = size;
  }
  memcpy(j->data + j->len, s, len);
  j->len += len;
}

static void put_string(struct vigil__json* j, const char* s) {
  size_t left = strlen(s);
  char code[8];
  size_t n;

  put(j, "\"", 1);
  for (; left != 0; s += n, left -= n) {
    const unsigned char c = (unsigned char) *s;

    n = vigil__text_utf8(s, left);
    if (n == 0) {
      n = 1;
      put(j, "\\ufffd", 6);
    } else if (c < 0x20 || c == '"' || c == '\\' || c == '<' || c == 0x7f) {
      put(j, code, (size_t) snprintf(code, sizeof(code), "\\u%04x", c));
    } else {
      put(j, s, n);
    }
  }
  put(j, "\"", 1);
}

static void new_line(struct vigil__json* j) {
  unsigned i;

  if (j->compact)
    return;
  if (j->level[j->depth].line) {
    put(j, " ", 1);
    return;
  }
  put(j, "\n", 1);
  for (i = 0; i < j->depth; i++)
    put(j, "  ", 2);
}

/* What comes before any value: the comma, the line, the key. */
static void begin(struct vigil__json* j, const char* key) {
  const bool in_object = j->depth != 0 && !j->level[j->depth].array;

  if (in_object != (key != NULL) || (j->depth == 0 && j->level[0].more)) {
    fail(j, -EINVAL);
    return;
  }
  if (j->level[j->depth].more)
    put(j, ",", 1);
  if (j->depth != 0 && (j->level[j->depth].more || !j->level[j->depth].line))
    new_line(j);
  j->level[j->depth].more = true;
  if (key != NULL) {
    put_string(j, key);
    put(j, ": ", j->compact ? 1 : 2);
  }
}

static void nest(struct vigil__json* j, const char* key, bool array) {
  begin(j, key);
  put(j, array ? "[" : "{", 1);
  if (j->depth + 1 == VIGIL__JSON_DEPTH)
    fail(j, -EINVAL);
  if (j->error != 0)
    return;
  j->level[++j->depth].more = false;
  j->level[j->depth].array = array;
  j->level[j->depth].line = false;
}

void vigil__json_object(struct vigil__json* j, const char* key) {
  nest(j, key, false);
}

void vigil__json_array(struct vigil__json* j, const char* key) {
  nest(j, key, true);
}

void vigil__json_line(struct vigil__json* j, const char* key) {
  nest(j, key, true);
  if (j->error == 0)
    j->level[j->depth].line = true;
}

void vigil__json_end(struct vigil__json* j) {
  const unsigned from = j->depth;

  if (j->depth == 0)
    fail(j, -EINVAL);
  if (j->error != 0)
    return;
  j->depth--;
  if (j->level[from].more && !j->level[from].line)
    new_line(j);
  put(j, j->level[from].array ? "]" : "}", 1);
}

void vigil__json_string(struct vigil__json* j,
                        const char* key,
                        const char* s) {
  begin(j, key);
  put_string(j, s);
}

void vigil__json_raw(struct vigil__json* j, const char* key,
                     const char* text, size_t len) {
  begin(j, key);
  put(j, text, len);
}

static void put_text(struct vigil__json* j, const char* key, const char* text) {
  vigil__json_raw(j, key, text, strlen(text));
}

void vigil__json_uint(struct vigil__json* j, const char* key, uint64_t v) {
  char text[24];

  snprintf(text, sizeof(text), "%" PRIu64, v);
  put_text(j, key, text);
}

void vigil__json_int(struct vigil__json* j, const char* key, int64_t v) {
  char text[24];

  snprintf(text, sizeof(text), "%" PRId64, v);
  put_text(j, key, text);
}

void vigil__json_bool(struct vigil__json* j, const char* key, bool v) {
  put_text(j, key, v ? "true" : "false");
}

void vigil__json_null(struct vigil__json* j, const char* key) {
  put_text(j, key, "null");
}

void vigil__json_ms(struct vigil__json* j, const char* key, uint64_t ns) {
  char text[32];

  snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64, ns / 1000000,
           ns % 1000000);
  put_text(j, key, text);
}

void vigil__json_short_ms(struct vigil__json* j, const char* key, int64_t ns) {
  const uint64_t size = ns < 0 ? -(uint64_t) ns : (uint64_t) ns;
  char text[32];
  int len = snprintf(text, sizeof(text), "%s%" PRIu64 ".%06" PRIu64,
                     ns < 0 ? "-" : "", size / 1000000, size % 1000000);

  while (text[len - 1] == '0')
    len--;
  if (text[len - 1] == '.')
    len--;
  text[len] = '\0';
  put_text(j, key, text);
}

void vigil__json_time(struct vigil__json* j, const char* key, uint64_t wall) {
  char text[VIGIL__TEXT_TIME];

  vigil__json_string(j, key, vigil__text_time(text, wall));
}

int vigil__json_finish(struct vigil__json* j) {
  if (j->depth != 0 || !j->level[0].more)
    fail(j, -EINVAL);
  put(j, "\n", 1);
  return j->error;
}

void vigil__json_free(struct vigil__json* j) {
  free(j->data);
  *j = (struct vigil__json) { .limit = j->limit, .compact = j->compact };
}
