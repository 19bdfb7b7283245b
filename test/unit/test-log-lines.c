/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* VIGIL_LOG: forms, JSON, files, how many lines. test-log.c is about stderr. */

#include "json.h"
#include "log.h"
#include "log_write.h"
#include "os.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALL (UINT64_C(1795441359) * VIGIL__SEC + 170 * VIGIL__MS)
#define TIME "2026-11-23T13:42:39.170Z"

static char path[PATH_MAX];
static vigil__mono_t now = 7 * VIGIL__SEC;
static int error_pipe;

static vigil__mono_t fake_mono(void) {
  return now;
}

static uint64_t fake_wall(void) {
  return WALL;
}

/* `value` as it is, or with the path of a file where it has a %s; stderr is a
 * pipe that read_error() reads. */
static void setup(const char* value) {
  char text[PATH_MAX + 16];
  int fds[2];

  vigil__os.mono = fake_mono;
  vigil__os.wall = fake_wall;
  snprintf(path, sizeof(path), "%s/log", test_dir());
  snprintf(text, sizeof(text), value, path);
  vigil__log_init(text);
  CHECK_EQ(pipe(fds), 0);
  CHECK_EQ(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
  error_pipe = fds[0];
  dup2(fds[1], 2);
  close(fds[1]);
}

static char content[64 * VIGIL__LOG_LINE];

static const char* read_fd(int fd) {
  ssize_t n;
  size_t len = 0;

  while ((n = read(fd, content + len, sizeof(content) - 1 - len)) > 0)
    len += (size_t) n;
  content[len] = '\0';
  return content;
}

static const char* read_error(void) {
  return read_fd(error_pipe);
}

static const char* read_file(const char* name) {
  const int fd = open(name, O_RDONLY);
  const char* text = fd < 0 ? "(none)" : read_fd(fd);

  if (fd >= 0)
    close(fd);
  return text;
}

TEST(log_forms) {
  static const struct {
    const char* value;
    bool ok, off, json;
    const char* path;
  } forms[] = {
    { "text", true, false, false, "" },
    { "json", true, false, true, "" },
    { "off", true, true, false, "" },
    { "/var/log/a b", true, false, false, "/var/log/a b" },
    { "text:/a:b", true, false, false, "/a:b" },
    { "json:/a", true, false, true, "/a" },
    { "", false, false, false, "" },
    { "JSON", false, false, false, "" },
    { "on", false, false, false, "" },
    { "file", false, false, false, "" },
    { "./file", false, false, false, "" },
    { "json:", false, false, false, "" },
    { "json:file", false, false, false, "" },
    { "jsonx", false, false, false, "" },
    { "text/a", false, false, false, "" },
    { "off:/a", false, false, false, "" },
    { "json,/a", false, false, false, "" }
  };
  static char path_of[VIGIL__LOG_TO + 1];
  struct vigil__log_to to;
  size_t i;

  for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
    CHECK_EQ(vigil__log_parse(forms[i].value, &to), forms[i].ok);
    if (!forms[i].ok)
      continue;
    CHECK_EQ(to.off, forms[i].off);
    CHECK_EQ(to.json, forms[i].json);
    CHECK_STR(to.path, forms[i].path);
  }
  memset(path_of, '/', sizeof(path_of) - 1);
  CHECK(!vigil__log_parse(path_of, &to));
  path_of[VIGIL__LOG_TO - 1] = '\0';
  CHECK(vigil__log_parse(path_of, &to));
}

TEST(log_wrong_value_is_text) {
  setup("nonsense");
  vigil__log("hello");
  CHECK_STR(read_error(), "vigil: hello\n");
}

static void members(struct vigil__json* j, const void* arg) {
  vigil__json_string(j, "thread", arg);
  vigil__json_ms(j, "p99Ms", 257 * VIGIL__MS);
}

TEST(log_json_line) {
  char want[512];

  setup("json");
  vigil__log_event(VIGIL__LOG_INCIDENT, members, "main \"thread\"", "%s",
                   "a\n\"b\"");
  snprintf(want, sizeof(want),
           "{\"time\":\"" TIME "\",\"level\":\"warn\",\"logger\":\"vigil\","
           "\"event\":\"incident\",\"message\":\"a\\u000a\\u0022b\\u0022\","
           "\"pid\":%d,\"thread\":\"main \\u0022thread\\u0022\","
           "\"p99Ms\":257.000000}\n", (int) getpid());
  CHECK_STR(read_error(), want);
  vigil__log_event(VIGIL__LOG_NOTE, NULL, NULL, "well");
  CHECK(strstr(read_error(), "\"level\":\"info\",\"logger\":\"vigil\","
               "\"event\":\"note\"") != NULL);
  vigil__log_event(VIGIL__LOG_FAILED, NULL, NULL, "bad");
  CHECK(strstr(read_error(), "\"level\":\"error\",\"logger\":\"vigil\","
               "\"event\":\"failed\"") != NULL);
  vigil__log("hm");
  CHECK(strstr(read_error(), "\"event\":\"problem\"") != NULL);
}

static void* no_realloc(void* p, size_t size) {
  (void) p;
  test_fail(__FILE__, __LINE__, "%zu bytes were allocated", size);
}

static void long_members(struct vigil__json* j, const void* arg) {
  int i;

  for (i = 0; i < *(const int*) arg; i++)
    vigil__json_string(j, "file", "a name of some length");
}

/* However long it is, or longer through escaping: one JSON, one line. */
TEST(log_json_fits_without_memory) {
  static char text[3 * VIGIL__LOG_LINE];
  const char* line;
  int many;
  size_t len;

  setup("json");
  vigil__os.realloc = no_realloc;
  for (many = 0; many < 200; many += 13) {
    for (len = 0; len < sizeof(text) - 3; len = len * 2 + 1) {
      memset(text, 0, sizeof(text));
      memset(text, len % 2 ? '\n' : 'x', len);
      strcat(text, "\xc3\xa9");
      now += VIGIL__LOG_EVERY_NS;
      vigil__log_event(VIGIL__LOG_INCIDENT, long_members, &many, "%s", text);
      line = read_error();
      CHECK_OP(strlen(line), <=, VIGIL__LOG_LINE);
      CHECK(test_json_valid(line, strlen(line)));
      CHECK(strchr(line, '\n') == line + strlen(line) - 1);
      CHECK(strstr(line, "\\ufffd") == NULL);
      if (len > VIGIL__LOG_LINE)
        CHECK(strstr(line, "...\",\"pid\":") != NULL);
    }
  }
  CHECK_EQ(vigil__log_dropped(), 0);
}

TEST(log_off_says_only_what_is_not_understood) {
  setup("off");
  vigil__log("a");
  vigil__log_event(VIGIL__LOG_INCIDENT, members, "", "b");
  vigil__log_check();
  CHECK_STR(read_error(), "");
  vigil__log_event(VIGIL__LOG_CONFIG, NULL, NULL, "VIGIL_X=\"y\"");
  CHECK_STR(read_error(), "vigil: VIGIL_X=\"y\"\n");
  CHECK_EQ(vigil__log_dropped(), 0);
}

TEST(log_file_as_text) {
  char want[512];
  struct stat st;
  int fds;

  setup("%s");
  fds = test_open_fds();
  vigil__log("one");
  vigil__log_event(VIGIL__LOG_CONFIG, NULL, NULL, "two\nlines");
  snprintf(want, sizeof(want), TIME " %d vigil: one\n"
           TIME " %d vigil: two\\x0alines\n", (int) getpid(), (int) getpid());
  CHECK_STR(read_file(path), want);
  CHECK_STR(read_error(), "");
  CHECK_EQ(stat(path, &st), 0);
  CHECK_EQ(st.st_mode & 07777, 0600);
  CHECK_EQ(test_open_fds(), fds);
}

TEST(log_file_that_is_rotated) {
  char old[PATH_MAX + 8];

  setup("json:%s");
  snprintf(old, sizeof(old), "%s.1", path);
  vigil__log("one");
  CHECK_EQ(rename(path, old), 0);
  vigil__log("two");
  CHECK(strstr(read_file(old), "\"message\":\"one\"") != NULL);
  CHECK(strstr(content, "two") == NULL);
  CHECK(strstr(read_file(path), "\"message\":\"two\"") != NULL);
  CHECK_EQ(unlink(path), 0);
  vigil__log("three");
  CHECK(strstr(read_file(path), "\"message\":\"three\"") != NULL);
  /* Truncated in its place. */
  CHECK_EQ(truncate(path, 0), 0);
  vigil__log("four");
  CHECK(strncmp(read_file(path), "{\"time\"", 7) == 0);
  CHECK_STR(read_error(), "");
}

/* One line of trouble, the others as text; then the file again. */
TEST(log_file_that_cannot_be_written) {
  char want[PATH_MAX + 256];

  setup("json:%s/in/it");
  vigil__log_check();
  vigil__log("one");
  vigil__log("two");
  snprintf(want, sizeof(want), "vigil: %s/in/it cannot be written (No such "
           "file or directory): lines go to stderr\nvigil: one\nvigil: two\n",
           path);
  CHECK_STR(read_error(), want);
  CHECK_EQ(mkdir(path, 0700), 0);
  CHECK_EQ(mkdir(strcat(path, "/in"), 0700), 0);
  vigil__log("three");
  CHECK(strstr(read_file(strcat(path, "/it")), "three") != NULL);
  CHECK_STR(read_error(), "");
  CHECK_EQ(vigil__log_dropped(), 0);
}

TEST(log_file_that_is_a_directory) {
  setup("%s");
  CHECK_EQ(mkdir(path, 0700), 0);
  vigil__log("one");
  CHECK(strstr(read_error(), " cannot be written (Is a directory)") != NULL);
  CHECK(strstr(content, "\nvigil: one\n") != NULL);
}

/* Neither hangs. */
TEST(log_file_that_is_a_fifo) {
  int fd;

  setup("%s");
  CHECK_EQ(mkfifo(path, 0600), 0);
  vigil__log("nobody reads");
  CHECK(strstr(read_error(), "vigil: nobody reads\n") != NULL);
  fd = open(path, O_RDONLY | O_NONBLOCK);
  vigil__log("somebody does");
  CHECK(strstr(read_fd(fd), "vigil: somebody does\n") != NULL);
  close(fd);
}

/* A full disk tears a line: the next one begins on a line of its own. */
TEST(log_file_on_a_full_disk) {
  struct rlimit limit = { .rlim_cur = 100, .rlim_max = RLIM_INFINITY };
  const char* second;

  setup("json:%s");
  signal(SIGXFSZ, SIG_IGN);
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  vigil__log("one");
  CHECK(strstr(read_error(), " cannot be written (File too large)") != NULL);
  CHECK(strstr(content, "vigil: one\n") != NULL);
  limit.rlim_cur = RLIM_INFINITY;
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  vigil__log("two");
  vigil__log("three");
  second = strchr(read_file(path), '\n') + 1;
  CHECK_EQ(second - content, 101);
  CHECK(strncmp(second, "{\"time\"", 7) == 0);
  CHECK(strstr(second, "\n\n") == NULL);
}

/* ---- how many */

static int lines(const char* text) {
  int n = 0;

  for (; *text != '\0'; text++)
    n += *text == '\n';
  return n;
}

TEST(log_is_limited_and_says_how_many_it_left_out) {
  unsigned i;

  setup("text");
  for (i = 0; i < 100; i++)
    vigil__log("line %u", i);
  CHECK_EQ(lines(read_error()), VIGIL__LOG_BURST);
  CHECK_EQ(vigil__log_dropped(), 100 - VIGIL__LOG_BURST);
  now += VIGIL__LOG_EVERY_NS - 1;
  vigil__log("too early");
  CHECK_STR(read_error(), "");
  now += 1;
  vigil__log("the next");
  CHECK_STR(read_error(), "vigil: the next; lines left out before it: 81\n");
  vigil__log("and no more");
  CHECK_STR(read_error(), "");
  /* What is wrong with the configuration is always said. */
  vigil__log_event(VIGIL__LOG_CONFIG, NULL, NULL, "wrong");
  CHECK_STR(read_error(), "vigil: wrong; lines left out before it: 1\n");
  now += 3600 * VIGIL__SEC;
  for (i = 0; i < 100; i++)
    vigil__log("line %u", i);
  CHECK_EQ(lines(read_error()), VIGIL__LOG_BURST);
}

TEST(log_says_what_it_left_out_as_json) {
  unsigned i;

  setup("json");
  for (i = 0; i < VIGIL__LOG_BURST + 3; i++)
    vigil__log("line %u", i);
  CHECK(strstr(read_error(), "linesLeftOut") == NULL);
  now += VIGIL__LOG_EVERY_NS;
  vigil__log("the next");
  CHECK(strstr(read_error(), "\"linesLeftOut\":3}\n") != NULL);
}

#define THREADS 4
#define EACH 200

static void* write_lines(void* arg) {
  int i;

  for (i = 0; i < EACH; i++)
    vigil__log_event(VIGIL__LOG_CONFIG, NULL, NULL, "%s %d", (char*) arg, i);
  for (i = 0; i < EACH; i++)
    vigil__log("limited");
  return NULL;
}

TEST(log_of_many_threads) {
  pthread_t thread[THREADS];
  const char* line;
  const char* end;
  int i;

  setup("json:%s");
  for (i = 0; i < THREADS; i++)
    CHECK_EQ(pthread_create(&thread[i], NULL, write_lines, "x"), 0);
  for (i = 0; i < THREADS; i++)
    CHECK_EQ(pthread_join(thread[i], NULL), 0);
  CHECK_EQ(lines(read_file(path)), THREADS * EACH + VIGIL__LOG_BURST);
  for (line = content; *line != '\0'; line = end + 1) {
    end = strchr(line, '\n');
    CHECK(test_json_valid(line, (size_t) (end - line)));
  }
  CHECK_EQ(vigil__log_dropped(), THREADS * EACH - VIGIL__LOG_BURST);
}
