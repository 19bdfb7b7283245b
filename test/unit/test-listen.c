/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "listen.h"
#include "test.h"

#include <string.h>

static struct vigil__listen l;

static void check(const char* s, const char* host, int first, int last,
                  bool is_ipv6) {
  memset(&l, 0xee, sizeof(l));
  if (!vigil__listen_parse(&l, s))
    test_fail(__FILE__, __LINE__, "\"%s\" is not understood", s);
  CHECK_STR(l.path, "");
  CHECK_STR(l.host, host);
  CHECK_EQ(l.first, first);
  CHECK_EQ(l.last, last);
  CHECK_EQ(l.is_ipv6, is_ipv6);
}

TEST(listen_tcp) {
  check("9464", "127.0.0.1", 9464, 9464, false);
  check("0", "127.0.0.1", 0, 0, false);
  check("65535", "127.0.0.1", 65535, 65535, false);
  check("127.0.0.1:9464", "127.0.0.1", 9464, 9464, false);
  check("localhost:9464", "127.0.0.1", 9464, 9464, false);
  check("0.0.0.0:80", "0.0.0.0", 80, 80, false);
  check("[::1]:9464", "::1", 9464, 9464, true);
  check("[::]:0", "::", 0, 0, true);
  check("[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", 1, 1, true);
  check("9464-9479", "127.0.0.1", 9464, 9479, false);
  check("[::1]:9464-9464", "::1", 9464, 9464, true);
}

TEST(listen_unix) {
  char longest[VIGIL__LISTEN_PATH + 1];

  CHECK(vigil__listen_parse(&l, "/run/app.sock"));
  CHECK_STR(l.path, "/run/app.sock");
  CHECK(vigil__listen_parse(&l, "/a:1"));
  CHECK_STR(l.path, "/a:1");
  memset(longest, 'x', sizeof(longest));
  longest[0] = '/';
  longest[VIGIL__LISTEN_PATH - 1] = '\0';
  CHECK(vigil__listen_parse(&l, longest));
  longest[VIGIL__LISTEN_PATH - 1] = 'x';
  longest[VIGIL__LISTEN_PATH] = '\0';
  CHECK(!vigil__listen_parse(&l, longest));
}

TEST(listen_what_is_wrong) {
  static const char* const wrong[] = {
    "", "on", ":", ":9464", "9464:", "65536", "99999", "123456", "-1", "94 64",
    "+1", "0x50", "9464 ", " 9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
    "256.0.0.1:1", "127.1:1", "example.org:80", "localhost", "LOCALHOST:1",
    "::1:9464", "[::1]", "[::1]9464", "[]:1", "[127.0.0.1]:1", "[::1%lo]:1",
    "run/app.sock", "./app.sock", "9479-9464", "0-5", "1-", "-5", "1-2-3",
    "http://127.0.0.1:9464", "*:9464", "1.2.3.4:1:2",
  };
  size_t i;

  for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    strcpy(l.host, "untouched");
    if (vigil__listen_parse(&l, wrong[i]))
      test_fail(__FILE__, __LINE__, "\"%s\" is understood", wrong[i]);
    CHECK_STR(l.host, "untouched");
  }
}
