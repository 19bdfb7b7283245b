/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "serve_bind.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct vigil__listen l;
static char where[VIGIL__SERVE_WHERE];

static int bind_to(const char* s) {
  CHECK(vigil__listen_parse(&l, s));
  return vigil__serve_bind(&l, 0660, where);
}

TEST(serve_bind_tcp) {
  char text[64];
  unsigned port;
  int a;
  int b;

  a = bind_to("0");
  CHECK_OP(a, >=, 0);
  CHECK_EQ(sscanf(where, "http://127.0.0.1:%u", &port), 1);
  CHECK_OP(port, >, 0);
  snprintf(text, sizeof(text), "%u", port);
  CHECK_EQ(bind_to(text), -EADDRINUSE);
  /* The next ports of a range. Somebody else may have them, but not all. */
  snprintf(text, sizeof(text), "%u-%u", port, port < 65000 ? port + 50 : port);
  b = bind_to(text);
  CHECK(b >= 0 || port >= 65000);
  close(b);
  close(a);
  snprintf(text, sizeof(text), "127.0.0.1:%u", port);
  a = bind_to(text);
  CHECK_OP(a, >=, 0);
  close(a);
  CHECK_EQ(bind_to("192.0.2.1:0"), -EADDRNOTAVAIL);
}

TEST(serve_bind_unix) {
  const int fds = test_open_fds();
  char path[100];
  struct stat st;
  FILE* f;
  int a;

  snprintf(path, sizeof(path), "%s/s", test_dir());
  a = bind_to(path);
  CHECK_OP(a, >=, 0);
  CHECK_STR(where, path);
  CHECK_EQ(stat(path, &st), 0);
  CHECK_EQ(st.st_mode & 0777, 0660);
  /* Somebody listens; then nobody does, and it is replaced. */
  CHECK_EQ(bind_to(path), -EADDRINUSE);
  close(a);
  a = bind_to(path);
  CHECK_OP(a, >=, 0);
  close(a);
  /* What is no socket stays. */
  CHECK_EQ(unlink(path), 0);
  f = fopen(path, "w");
  CHECK(f != NULL);
  fclose(f);
  CHECK_EQ(bind_to(path), -EADDRINUSE);
  CHECK_EQ(stat(path, &st), 0);
  CHECK(S_ISREG(st.st_mode));
  snprintf(path, sizeof(path), "%s/none/s", test_dir());
  CHECK_EQ(bind_to(path), -ENOENT);
  CHECK_EQ(test_open_fds(), fds);
}
