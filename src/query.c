/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "query.h"

#include <errno.h>
#include <string.h>

static int digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

static int decode(const char* s, const char* end, char* to, size_t size) {
  size_t len = 0;
  int high;
  int low;
  char c;

  while (s < end) {
    c = *s++;
    if (c == '+') {
      c = ' ';
    } else if (c == '%') {
      high = s < end ? digit(s[0]) : -1;
      low = high >= 0 && s + 1 < end ? digit(s[1]) : -1;
      if (low < 0)
        return -EINVAL;
      c = (char) (high << 4 | low);
      s += 2;
    }
    if (c == '\0' || len + 1 == size)
      return -EINVAL;
    to[len++] = c;
  }
  to[len] = '\0';
  return 0;
}

int vigil__query_next(struct vigil__query* q) {
  const char* begin;
  const char* equals;
  const char* end;
  int err;

  do {
    begin = q->rest;
    if (*begin == '\0')
      return 0;
    end = begin + strcspn(begin, "&");
    q->rest = *end == '&' ? end + 1 : end;
  } while (end == begin);
  equals = memchr(begin, '=', (size_t) (end - begin));
  q->has_value = equals != NULL;
  if (equals == NULL)
    equals = end;
  err = decode(begin, equals, q->name, sizeof(q->name));
  if (err == 0)
    err = decode(q->has_value ? equals + 1 : end, end, q->value,
                 sizeof(q->value));
  return err == 0 ? 1 : err;
}
