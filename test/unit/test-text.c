/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "clock.h"
#include "test.h"
#include "text.h"

#include <string.h>
#include <time.h>

TEST(text_utf8) {
  CHECK_EQ(vigil__text_utf8("", 0), 0);
  CHECK_EQ(vigil__text_utf8("a", 1), 1);
  CHECK_EQ(vigil__text_utf8("\xc3\xa9", 2), 2);
  CHECK_EQ(vigil__text_utf8("\xe2\x82\xac", 3), 3);
  CHECK_EQ(vigil__text_utf8("\xf0\x9f\x98\x80", 4), 4);
  CHECK_EQ(vigil__text_utf8("\xf4\x8f\xbf\xbf", 4), 4);
  CHECK_EQ(vigil__text_utf8("\xc3", 1), 0);          /* Cut off. */
  CHECK_EQ(vigil__text_utf8("\xe2\x82", 2), 0);
  CHECK_EQ(vigil__text_utf8("\x80", 1), 0);          /* Out of place. */
  CHECK_EQ(vigil__text_utf8("\xc3(", 2), 0);
  CHECK_EQ(vigil__text_utf8("\xc0\xaf", 2), 0);      /* Too long. */
  CHECK_EQ(vigil__text_utf8("\xe0\x80\xaf", 3), 0);
  CHECK_EQ(vigil__text_utf8("\xf0\x80\x80\xaf", 4), 0);
  CHECK_EQ(vigil__text_utf8("\xed\xa0\x80", 3), 0);  /* Surrogate. */
  CHECK_EQ(vigil__text_utf8("\xf4\x90\x80\x80", 4), 0);
  CHECK_EQ(vigil__text_utf8("\xff", 1), 0);
}

static void check(size_t size, const char* from, const char* want) {
  char to[64];

  memset(to, '#', sizeof(to));
  CHECK_EQ(vigil__text_escape(to, size, from), strlen(want));
  CHECK_STR(to, want);
  CHECK_EQ(to[size], '#');
}

TEST(text_escape) {
  check(60, "", "");
  check(60, "plain \"text\" \\ /", "plain \"text\" \\ /");
  check(60, "a\tb\r\n\x01\x7f", "a\\x09b\\x0d\\x0a\\x01\\x7f");
  check(60, "caf\xc3\xa9 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xf0\x9f\x98\x80");
  check(60, "\xff\xc3", "\\xff\\xc3");
  check(60, "\xc2\x9b[2J", "\\xc2\\x9b[2J");  /* CSI as UTF-8. */
  check(60, "\xc2\xa0", "\xc2\xa0");
}

TEST(text_escape_shortens_at_a_character) {
  check(10, "123456789", "123456789");
  check(10, "1234567890", "123456...");
  check(10, "123456789\n", "123456...");
  check(10, "12345\n\n", "12345...");
  check(10, "12345\xc3\xa9" "89a", "12345...");
  check(10, "1234\xc3\xa9" "89ab", "1234\xc3\xa9...");
  check(8, "\n\n\n", "\\x0a...");
}

TEST(text_time) {
  static const struct { uint64_t seconds; const char* want; } times[] = {
    { 0, "1970-01-01T00:00:00.000Z" },
    { 951782399, "2000-02-28T23:59:59.000Z" },
    { 951782400, "2000-02-29T00:00:00.000Z" },
    { 951868800, "2000-03-01T00:00:00.000Z" },
    { 1709164800, "2024-02-29T00:00:00.000Z" },
    { 1735689599, "2024-12-31T23:59:59.000Z" },
    { 1795441359, "2026-11-23T13:42:39.000Z" },
    { 4107542399, "2100-02-28T23:59:59.000Z" },
    { 4107542400, "2100-03-01T00:00:00.000Z" }
  };
  char text[VIGIL__TEXT_TIME];
  char want[VIGIL__TEXT_TIME];
  struct tm tm;
  time_t t;
  size_t i;

  for (i = 0; i < sizeof(times) / sizeof(times[0]); i++)
    CHECK_STR(vigil__text_time(text, times[i].seconds * VIGIL__SEC),
              times[i].want);
  CHECK_STR(vigil__text_time(text, 1795441359926 * VIGIL__MS + 999999),
            "2026-11-23T13:42:39.926Z");
  for (i = 0; i < 20000; i++) {
    t = (time_t) test_random(UINT64_MAX / VIGIL__SEC);
    gmtime_r(&t, &tm);
    strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
    CHECK_STR(vigil__text_time(text, (uint64_t) t * VIGIL__SEC), want);
  }
}
