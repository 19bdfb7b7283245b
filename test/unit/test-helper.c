/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "config.h"
#include "helper_env.h"
#include "helper_line.h"
#include "helper_lock.h"
#include "os.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- lines */

static struct vigil__helper_said said;

static void parse(const char* line) {
  vigil__helper_line_parse(line, &said);
}

TEST(helper_line_words) {
  parse("log a text  with blanks");
  CHECK_EQ(said.word, VIGIL__HELPER_LOG);
  CHECK_STR(said.text, "a text  with blanks");
  parse("fail x");
  CHECK_EQ(said.word, VIGIL__HELPER_FAIL);
  CHECK_STR(said.text, "x");
  parse("done 12");
  CHECK_EQ(said.word, VIGIL__HELPER_DONE);
  CHECK_EQ(said.n, 12);
  parse("total ship-failed 3");
  CHECK_EQ(said.word, VIGIL__HELPER_TOTAL);
  CHECK_EQ(said.total, VIGIL__HELPER_SHIP_FAILED);
  CHECK_EQ(said.n, 3);
  parse("total shipped 999999999999999");
  CHECK_EQ(said.total, VIGIL__HELPER_SHIPPED);
  CHECK_EQ(said.n, 999999999999999);
}

TEST(helper_line_others) {
  static const char* const others[] = {
    "", "log", "logs x", "done", "done ", "done -1", "done 1x", "done 1 2",
    "total", "total shipped", "total shipped x", "total other 1",
    "total left 1000000000000000", "FATAL ERROR: heap", "(node:1) Warning"
  };
  size_t i;

  for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
    parse(others[i]);
    CHECK_EQ(said.word, VIGIL__HELPER_OTHER);
    CHECK_STR(said.text, others[i]);
  }
}

static struct vigil__helper_lines lines;

static bool take(const char** data, size_t* len) {
  return vigil__helper_lines_take(&lines, data, len);
}

TEST(helper_lines_from_bytes) {
  const char* data = "one\n\ntw";
  size_t len = strlen(data);

  CHECK(take(&data, &len));
  CHECK_STR(lines.line, "one");
  CHECK(take(&data, &len));
  CHECK_STR(lines.line, "");
  CHECK(!take(&data, &len));
  CHECK_EQ(len, 0);
  data = "o\nx";
  len = 3;
  CHECK(take(&data, &len));
  CHECK_STR(lines.line, "two");
  CHECK(!take(&data, &len));
}

TEST(helper_lines_are_cut) {
  static char text[3 * VIGIL__HELPER_LINE];
  const char* data = text;
  size_t len = sizeof(text);

  memset(text, 'x', sizeof(text));
  text[10] = '\0';  /* Is left out. */
  text[sizeof(text) - 1] = '\n';
  CHECK(take(&data, &len));
  CHECK_EQ(strlen(lines.line), VIGIL__HELPER_LINE - 1);
  CHECK_EQ(len, 0);
}

/* ---- environment */

static const char* get(void* arg, const char* name) {
  (void) arg;
  return strcmp(name, "VIGIL_ALERT") == 0 ? "nonsense" : NULL;
}

static void ignore(void* arg, const char* line) {
  (void) arg;
  (void) line;
}

TEST(helper_env_is_what_it_needs) {
  static char* in[] = {
    "PATH=/bin", "NODE_OPTIONS=--inspect", "LD_PRELOAD=x.so", "HOME=",
    "AWS_REGION=eu", "AWS_=x", "VIGIL=on", "VIGIL_UPLOAD=s3://bucket",
    "VIGIL_ALERT=nonsense", "VIGIL_NO_SUCH=1", "DATABASE_URL=secret",
    "https_proxy=http://p", "PATHS=1", "novalue", "=x", "OTEL_SERVICE_NAME=s",
    "OTEL_EXPORTER_OTLP_HEADERS=secret", NULL
  };
  static const char* const want[] = {
    "PATH=/bin", "HOME=", "AWS_REGION=eu", "AWS_=x", "VIGIL_UPLOAD=s3://bucket",
    "https_proxy=http://p", "OTEL_SERVICE_NAME=s", "VIGIL=off"
  };
  static struct vigil__config config;
  size_t i;
  char** out;

  vigil__config_read(&config, 1, get, ignore, NULL);
  out = vigil__helper_env(in, &config);
  for (i = 0; i < sizeof(want) / sizeof(want[0]); i++)
    CHECK_STR(out[i], want[i]);
  CHECK(out[i] == NULL);
  free(out);
}

/* ---- the directory */

static char path[] = "/tmp/vigil-unit-XXXXXX";
static char other[256];

static void make(const char* name) {
  snprintf(other, sizeof(other), "%s/%s", path, name);
  CHECK_EQ(mkdir(other, 0700), 0);
}

static void mark(const char* name, const char* text) {
  FILE* f;

  snprintf(other, sizeof(other), "%s/%s/shipped.json", path, name);
  f = fopen(other, "w");
  fputs(text, f);
  fclose(f);
}

static void remove_all(void) {
  snprintf(other, sizeof(other), "rm -rf %s", path);
  CHECK_EQ(system(other), 0);
}

TEST(helper_lock_is_one) {
  struct vigil__artifact_dir dir;
  int first;
  int fds;

  CHECK(mkdtemp(path) != NULL);
  CHECK_EQ(vigil__artifact_dir_open(&dir, path, NULL), 0);
  fds = test_open_fds();
  first = vigil__helper_lock(&dir);
  CHECK_OP(first, >=, 0);
  CHECK_EQ(fcntl(first, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(vigil__helper_lock(&dir), -EWOULDBLOCK);
  vigil__os.close(first);
  first = vigil__helper_lock(&dir);
  CHECK_OP(first, >=, 0);
  vigil__os.close(first);
  CHECK_EQ(test_open_fds(), fds);
  remove_all();
}

TEST(helper_has_work) {
  int fds;

  CHECK(!vigil__helper_has_work("/tmp/vigil-unit-not-there"));
  CHECK(mkdtemp(path) != NULL);
  fds = test_open_fds();
  CHECK(!vigil__helper_has_work(path));
  make(".tmp-incident-20260101T000000Z-1");
  make("others");
  CHECK(!vigil__helper_has_work(path));
  make("incident-20260101T000000Z-1");
  CHECK(vigil__helper_has_work(path));
  mark("incident-20260101T000000Z-1", "{\n  \"done\": true\n}\n");
  CHECK(!vigil__helper_has_work(path));
  mark("incident-20260101T000000Z-1", "{\"id\":\"x\",\"done\":false}");
  CHECK(vigil__helper_has_work(path));
  mark("incident-20260101T000000Z-1", "");
  CHECK(vigil__helper_has_work(path));
  CHECK_EQ(test_open_fds(), fds);
  remove_all();
}
