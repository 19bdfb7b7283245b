/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "text.h"

#include "clock.h"

#include <stdio.h>   /* snprintf */
#include <string.h>

size_t vigil__text_utf8(const char* s, size_t len) {
  /* Smallest code point that needs that many bytes. */
  static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
  const unsigned char* u = (const unsigned char*) s;
  unsigned code;
  size_t need;
  size_t i;

  if (len == 0)
    return 0;
  if (u[0] < 0x80)
    return 1;
  need = u[0] >= 0xf8 ? 0 : u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3
       : u[0] >= 0xc0 ? 2 : 0;
  if (need == 0 || need > len)
    return 0;
  code = u[0] & (0x7fu >> need);
  for (i = 1; i < need; i++) {
    if ((u[i] & 0xc0) != 0x80)
      return 0;
    code = code << 6 | (u[i] & 0x3fu);
  }
  if (code < least[need] || code > 0x10ffff ||
      (code >= 0xd800 && code <= 0xdfff))
    return 0;
  return need;
}

size_t vigil__text_escape(char* dst, size_t size, const char* src) {
  const char* end = src + strlen(src);
  size_t len = 0;
  size_t cut = 0;  /* The last length that leaves room for "...". */
  char unit[8];
  size_t n;

  while (src < end) {
    const unsigned char* u = (const unsigned char*) src;

    n = vigil__text_utf8(src, (size_t) (end - src));
    if (n == 0 || u[0] < 0x20 || u[0] == 0x7f ||
        (u[0] == 0xc2 && u[1] < 0xa0)) {
      src += 1;
      n = (size_t) snprintf(unit, sizeof(unit), "\\x%02x", u[0]);
    } else {
      memcpy(unit, src, n);
      src += n;
    }
    if (len + n >= size) {
      memcpy(dst + cut, "...", 4);
      return cut + 3;
    }
    memcpy(dst + len, unit, n);
    len += n;
    if (len + 4 <= size)
      cut = len;
  }
  dst[len] = '\0';
  return len;
}

const char* vigil__text_time(char to[VIGIL__TEXT_TIME], uint64_t wall_ns) {
  const uint64_t ms = wall_ns / VIGIL__MS;
  const uint64_t second = ms / 1000 % 86400;
  /* Days since 0000-03-01, so that a leap day is the last one of its year, in
   * eras of 400 years. */
  const uint64_t days = ms / 1000 / 86400 + 719468;
  const uint64_t day = days % 146097;
  const uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  const uint64_t of_year = day - (365 * year + year / 4 - year / 100);
  const uint64_t month = (5 * of_year + 2) / 153;  /* 0: March. */

  snprintf(to, VIGIL__TEXT_TIME,
           "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
           (unsigned) (days / 146097 * 400 + year + (month >= 10)),
           (unsigned) (month < 10 ? month + 3 : month - 9),
           (unsigned) (of_year - (153 * month + 2) / 5 + 1),
           (unsigned) (second / 3600), (unsigned) (second / 60 % 60),
           (unsigned) (second % 60), (unsigned) (ms % 1000));
  return to;
}
