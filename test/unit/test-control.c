/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "artifact.h"
#include "clock.h"
#include "control_ask.h"
#include "control_incidents.h"
#include "control_socket.h"
#include "os.h"
#include "pick.h"
#include "query.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char why[VIGIL__CONTROL_WHY];

/* ---- queries */

TEST(query_names_and_values) {
  struct vigil__query q = { .rest = "&cpu=10s&heap&&a%20b+c=%25%3d&x=&=y" };

  CHECK_EQ(vigil__query_next(&q), 1);
  CHECK_STR(q.name, "cpu");
  CHECK_STR(q.value, "10s");
  CHECK(q.has_value);
  CHECK_EQ(vigil__query_next(&q), 1);
  CHECK_STR(q.name, "heap");
  CHECK(!q.has_value);
  CHECK_STR(q.value, "");
  CHECK_EQ(vigil__query_next(&q), 1);
  CHECK_STR(q.name, "a b c");
  CHECK_STR(q.value, "%=");
  CHECK_EQ(vigil__query_next(&q), 1);
  CHECK_STR(q.name, "x");
  CHECK(q.has_value);
  CHECK_EQ(vigil__query_next(&q), 1);
  CHECK_STR(q.name, "");
  CHECK_STR(q.value, "y");
  CHECK_EQ(vigil__query_next(&q), 0);
  CHECK_EQ(vigil__query_next(&q), 0);
}

TEST(query_says_no) {
  static const char* const wrong[] = {
    "a%", "a%2", "a%2=b", "a=%zz", "a%00", "a=%00",
    "0123456789012345678901234567890123456789",
    "a=01234567890123456789012345678901234567890123456789012345678901234567"
  };
  size_t i;

  for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    struct vigil__query q = { .rest = wrong[i] };

    CHECK_EQ(vigil__query_next(&q), -EINVAL);
  }
}

/* ---- captures */

static const struct {
  const char* query;
  uint64_t want;
  uint64_t profile_ns;
  uint64_t thread_id;
} captures[] = {
  { "", 0, 0, 0 },
  { "cpu", VIGIL__CAPTURE_CPU, 0, 0 },
  { "cpu=on&heap=on", VIGIL__CAPTURE_CPU | VIGIL__CAPTURE_HEAP, 0, 0 },
  { "cpu=1500ms", VIGIL__CAPTURE_CPU, 1500 * VIGIL__MS, 0 },
  { "cpu=1", VIGIL__CAPTURE_CPU, VIGIL__SEC, 0 },
  { "alloc&for=1m", VIGIL__CAPTURE_ALLOC, 60 * VIGIL__SEC, 0 },
  { "for=2s", 0, 2 * VIGIL__SEC, 0 },
  { "heap=off", VIGIL__CAPTURE_HEAP | VIGIL__CAPTURE_WITHOUT, 0, 0 },
  { "heap=off&cpu=off&thread=3",
    VIGIL__CAPTURE_HEAP | VIGIL__CAPTURE_CPU | VIGIL__CAPTURE_WITHOUT, 0, 3 },
  /* What is wanted is all; the rest is out anyway. */
  { "before&heap=off", VIGIL__CAPTURE_BEFORE, 0, 0 },
  /* Of two the `off` counts. */
  { "heap&heap=off", VIGIL__CAPTURE_HEAP | VIGIL__CAPTURE_WITHOUT, 0, 0 },
  { "thread=4294967295", 0, 0, UINT32_MAX },
};

TEST(control_capture) {
  struct vigil__demand d;
  size_t i;

  for (i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
    CHECK_EQ(vigil__control_capture(captures[i].query, &d, why), 0);
    CHECK_EQ(d.want, captures[i].want);
    CHECK_EQ(d.profile_ns, captures[i].profile_ns);
    CHECK_EQ(d.thread_id, captures[i].thread_id);
    CHECK_EQ(d.leak, 0);
    CHECK_EQ(d.heap_limit, 0);
  }
}

TEST(control_capture_says_no) {
  static const char* const wrong[][2] = {
    { "cpu=99ms", "cpu=\"99ms\" is not understood: want on, off or a duration "
                  "from 100ms to 1m (10, 10s, 500ms, 2m)" },
    { "cpu=61s", "cpu=\"61s\" is not understood: want on, off or a duration "
                 "from 100ms to 1m (10, 10s, 500ms, 2m)" },
    { "heap=1s", "heap=\"1s\" is not understood: want on or off" },
    { "cpu=", "cpu=\"\" is not understood: want on, off or a duration from "
              "100ms to 1m (10, 10s, 500ms, 2m)" },
    { "thread=main", "thread=\"main\" is not understood: want a number from 0 "
                     "to 4294967295" },
    { "CPU", "\"CPU\" is not known: want cpu, heap, alloc, before, for or "
             "thread" },
    { "a%0ab", "\"a\\x0ab\" is not known: want cpu, heap, alloc, before, for or "
               "thread" },
    { "a%", "the query has a name or a value that is too long, or a wrong "
            "escape" },
  };
  struct vigil__demand d;
  size_t i;

  for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    CHECK_EQ(vigil__control_capture(wrong[i][0], &d, why), -EINVAL);
    CHECK_STR(why, wrong[i][1]);
  }
}

/* ---- limits */

static struct vigil__config config;

static const char* none(void* arg, const char* name) {
  (void) arg;
  (void) name;
  return NULL;
}

static void read_config(void) {
  vigil__config_read(&config, 1, none, NULL, NULL);
}

TEST(control_threshold) {
  struct vigil__control_limits l;

  read_config();
  CHECK_EQ(vigil__control_threshold(
      "lag-p99=80&gc-share=40%25&stall=2s&old-space=off&pool-wait-p99=5",
      &config, &l, why), 0);
  CHECK_EQ(l.limit[VIGIL__RULE_LAG], 80 * VIGIL__MS);
  CHECK_EQ(l.limit[VIGIL__RULE_STALL], 2 * VIGIL__SEC);
  CHECK_EQ(l.limit[VIGIL__RULE_GC], 400000);
  CHECK_EQ(l.limit[VIGIL__RULE_POOL], 5 * VIGIL__MS);
  CHECK_EQ(l.limit[VIGIL__RULE_OLD_SPACE], 0);
  CHECK(l.set[VIGIL__RULE_LAG] && l.set[VIGIL__RULE_OLD_SPACE]);
  CHECK_EQ(vigil__control_threshold("gc-share=35", &config, &l, why), 0);
  CHECK_EQ(l.limit[VIGIL__RULE_GC], 350000);
  CHECK(!l.set[VIGIL__RULE_LAG]);
}

TEST(control_threshold_says_no) {
  struct vigil__control_limits l;

  read_config();
  CHECK_EQ(vigil__control_threshold("", &config, &l, why), -EINVAL);
  CHECK_STR(why, "no limit is given: want a rule and its limit, as lag-p99=80");
  CHECK_EQ(vigil__control_threshold("lag-p99=off", &config, &l, why), -EINVAL);
  CHECK_STR(why, "lag-p99=\"off\" is not understood: want milliseconds from 1 to "
                 "60000");
  CHECK_EQ(vigil__control_threshold("gc-share=30%", &config, &l, why), -EINVAL);
  CHECK_EQ(vigil__control_threshold("gc-share", &config, &l, why), -EINVAL);
  CHECK_EQ(vigil__control_threshold("leak-hunt=1", &config, &l, why), -EINVAL);
  CHECK_STR(why, "there is no rule \"leak-hunt\": want lag-p99, stall, gc-share, "
                 "pool-wait-p99 or old-space");
  config.stall_ns = 0;
  CHECK_EQ(vigil__control_threshold("stall=2s", &config, &l, why), -EPERM);
  CHECK_EQ(vigil__control_threshold("stall=off", &config, &l, why), 0);
}

TEST(control_refusals_have_words) {
  static const int known[] = { -ESRCH, -EBUSY, -EDQUOT, -ENOSPC, -EIO };
  size_t i;

  for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
    CHECK(vigil__control_refusal(known[i], why) != why);
  CHECK_STR(vigil__control_refusal(-EROFS, why),
            "VIGIL_DIR cannot be used (Read-only file system)");
}

/* ---- the socket */

TEST(control_names) {
  CHECK_EQ(vigil__control_pid("control-21.sock"), 21);
  CHECK_EQ(vigil__control_pid("control-21-2.sock"), 21);
  CHECK_EQ(vigil__control_pid("control-021.sock"), 0);
  CHECK_EQ(vigil__control_pid("control-.sock"), 0);
  CHECK_EQ(vigil__control_pid("control-21-.sock"), 0);
  CHECK_EQ(vigil__control_pid("control-21.sock.x"), 0);
  CHECK_EQ(vigil__control_pid("control-12345678901.sock"), 0);
  CHECK_EQ(vigil__control_pid("xcontrol-1.sock"), 0);
}

static bool exists(const char* path) {
  struct stat st;

  return stat(path, &st) == 0;
}

/* The pid of a process that has ended. */
static int dead_pid(void) {
  const pid_t pid = fork();

  if (pid == 0)
    _exit(0);
  waitpid(pid, NULL, 0);
  return pid;
}

static void leave_socket(const char* path) {
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

  CHECK_OP(snprintf(a.sun_path, sizeof(a.sun_path), "%s", path), <, 108);
  CHECK_EQ(bind(fd, (struct sockaddr*) &a, sizeof(a)), 0);
  close(fd);
}

TEST(control_socket_in_the_artifact_directory) {
  const int fds = test_open_fds();
  char path[VIGIL__DIR_MAX + 64];
  struct stat st;
  int fd;

  read_config();
  snprintf(config.dir, sizeof(config.dir), "%s/v", test_dir());
  snprintf(path, sizeof(path), "%s/control-%d.sock", config.dir, getpid());
  fd = vigil__control_bind(&config);
  CHECK_OP(fd, >=, 0);
  CHECK_EQ(stat(path, &st), 0);
  CHECK(S_ISSOCK(st.st_mode));
  CHECK_EQ(st.st_mode & 0777, 0600);
  CHECK_EQ(stat(config.dir, &st), 0);
  CHECK_EQ(st.st_mode & 0777, 0700);
  /* Both were made for it, and both go. */
  vigil__control_unbind();
  CHECK(!exists(path));
  CHECK(!exists(config.dir));
  close(fd);
  CHECK_EQ(test_open_fds(), fds);
}

TEST(control_socket_cleans) {
  char own[VIGIL__DIR_MAX + 64];
  char dead[VIGIL__DIR_MAX + 64];
  char parent[VIGIL__DIR_MAX + 64];
  char file[VIGIL__DIR_MAX + 64];

  read_config();
  snprintf(config.dir, sizeof(config.dir), "%s", test_dir());
  /* As one with the same pid left it, of a dead process, of one that is there,
   * and what is no socket. */
  snprintf(own, sizeof(own), "%s/control-%d.sock", config.dir, getpid());
  snprintf(dead, sizeof(dead), "%s/control-%d-3.sock", config.dir, dead_pid());
  snprintf(parent, sizeof(parent), "%s/control-%d.sock", config.dir, getppid());
  snprintf(file, sizeof(file), "%s/control-%d.sock", config.dir, dead_pid());
  leave_socket(own);
  leave_socket(dead);
  leave_socket(parent);
  close(open(file, O_CREAT | O_WRONLY, 0600));
  CHECK_OP(vigil__control_bind(&config), >=, 0);
  CHECK(exists(own) && !exists(dead) && exists(parent) && exists(file));
  vigil__control_unbind();
  /* Not what is somebody else's, and not a folder that was there. */
  CHECK(!exists(own) && exists(parent) && exists(file));
}

TEST(control_socket_of_the_same_pid) {
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  const int other = socket(AF_UNIX, SOCK_STREAM, 0);
  char second[VIGIL__DIR_MAX + 64];

  read_config();
  snprintf(config.dir, sizeof(config.dir), "%s", test_dir());
  snprintf(a.sun_path, sizeof(a.sun_path), "%s/control-%d.sock", test_dir(),
           getpid());
  CHECK_EQ(bind(other, (struct sockaddr*) &a, sizeof(a)), 0);
  CHECK_EQ(listen(other, 1), 0);
  CHECK_OP(vigil__control_bind(&config), >=, 0);
  snprintf(second, sizeof(second), "%s/control-%d-2.sock", test_dir(), getpid());
  CHECK(exists(second));
  vigil__control_unbind();
  CHECK(!exists(second) && exists(a.sun_path));
}

TEST(control_socket_where_it_is_wanted) {
  char path[VIGIL__DIR_MAX];

  read_config();
  snprintf(config.control, sizeof(config.control), "%s/here", test_dir());
  CHECK_OP(vigil__control_bind(&config), >=, 0);
  CHECK(exists(config.control));
  /* Another one has its name meanwhile. */
  CHECK_EQ(unlink(config.control), 0);
  leave_socket(config.control);
  vigil__control_unbind();
  CHECK(exists(config.control));
  snprintf(config.control, sizeof(config.control), "%s/", test_dir());
  CHECK_OP(vigil__control_bind(&config), >=, 0);
  /* It was taken back: the process had begun to end. */
  snprintf(path, sizeof(path), "%scontrol-%d.sock", config.control, getpid());
  CHECK(!exists(path));
}

TEST(control_socket_that_cannot_be) {
  const int fds = test_open_fds();

  read_config();
  memset(config.dir, 'x', 90);
  snprintf(config.dir, 20, "%s", test_dir());
  config.dir[strlen(config.dir)] = '/';
  CHECK_OP(vigil__control_bind(&config), <, 0);
  snprintf(config.dir, sizeof(config.dir), "/proc/vigil");
  CHECK_OP(vigil__control_bind(&config), <, 0);
  snprintf(config.control, sizeof(config.control), "/proc/vigil/");
  CHECK_EQ(vigil__control_bind(&config), -ENOENT);
  CHECK_EQ(test_open_fds(), fds);
}

/* ---- pick */

static struct vigil__pick picks[] = {
  { .path = "rule.name" }, { .path = "headline" }, { .path = "lag.p99Ms" },
  { .path = "a.b.c" }, { .path = "files" }
};
#define PICKS (sizeof(picks) / sizeof(picks[0]))

static bool pick(const char* text) {
  return vigil__pick(text, strlen(text), picks, PICKS);
}

static void check_pick(size_t i, const char* want) {
  char text[64];

  snprintf(text, sizeof(text), "%.*s", (int) picks[i].len, picks[i].at);
  CHECK_STR(picks[i].len == 0 ? "" : text, want);
}

TEST(pick_members) {
  CHECK(pick("{\"headline\": \"x \\u003c\\\" y\",\n \"rule\": {\"name\":\"lag\", "
             "\"x\": [1, {\"name\": 2}]}, \"lag\" : { \"p99Ms\": -1.5e+3 }, "
             "\"files\": [], \"a\": {\"b\": {\"c\": null}, \"b.c\": 7}}"));
  check_pick(0, "\"lag\"");
  check_pick(1, "\"x \\u003c\\\" y\"");
  check_pick(2, "-1.5e+3");
  check_pick(3, "null");
  check_pick(4, "");
  /* The last one of two, and what is in a list is not meant. */
  CHECK(pick("{\"headline\": 1, \"headline\": 2, \"rule.name\": 3, "
             "\"l\": [{\"rule\": {\"name\": 4}}]}"));
  check_pick(0, "");
  check_pick(1, "2");
  CHECK(pick("{\"headline\": 1, \"headline\": {}}"));
  check_pick(1, "");
  CHECK(pick(" 7 "));
}

TEST(pick_says_no) {
  static const char* const wrong[] = {
    "", "{", "}", "{}x", "{\"headline\": 1", "{\"headline\": 1}}", "[1,]",
    "{\"headline\": 01}", "{\"headline\": 1.}", "{\"headline\": .5}",
    "{\"headline\": -}", "{\"headline\": 1e}", "{\"headline\": tru}",
    "{\"headline\": \"\n\"}", "{\"headline\": \"\\x\"}",
    "{\"headline\": \"\\u12g4\"}", "{\"headline\": \"\xff\"}", "{headline: 1}",
    "{\"headline\" 1}", "{\"headline\": 1,}", "{,}", "{\"headline\": 1 2}",
    "nul", "'a'", "{\"headline\": NaN}"
  };
  char deep[200];
  size_t i;

  for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    if (pick(wrong[i]) || picks[1].len != 0)
      test_fail(__FILE__, __LINE__, "taken: %s", wrong[i]);
  }
  memset(deep, '[', 100);
  memset(deep + 100, ']', 100);
  CHECK(!vigil__pick(deep, 200, picks, PICKS));
  CHECK(vigil__pick(deep + 40, 120, picks, PICKS));
}

/* What it takes is JSON by itself, and what it lets pass is. */
TEST(pick_fuzz) {
  static const char bytes[] = "{}[]\",:.\\0129eE+-truefalsn \n\x80u";
  static const char seed[] =
      "{\"headline\": \"x\\u00e9\\n\", \"rule\": {\"name\": \"lag\"}, \"lag\": "
      "{\"p99Ms\": 1.5e3}, \"files\": [1, true, null, {\"a\": []}]}";
  unsigned good = 0;
  int round;

  for (round = 0; round < 60000; round++) {
    const size_t len = sizeof(seed) - 1 - test_random(4) * test_random(10);
    char* text = malloc(len);
    uint64_t n;
    size_t i;

    memcpy(text, seed, len);
    for (n = test_random(4); n > 0; n--)
      text[test_random(len)] = bytes[test_random(sizeof(bytes) - 1)];
    if (vigil__pick(text, len, picks, PICKS)) {
      good++;
      if (!test_json_valid(text, len))
        test_fail(__FILE__, __LINE__, "%.*s", (int) len, text);
      for (i = 0; i < PICKS; i++)
        CHECK(picks[i].len == 0 || test_json_valid(picks[i].at, picks[i].len));
    }
    free(text);
  }
  CHECK_OP(good, >, 1000);
}

/* ---- incidents */

static char dir[VIGIL__DIR_MAX];

static void write_file(const char* name, const char* text) {
  char path[VIGIL__DIR_MAX + 128];
  FILE* f;

  snprintf(path, sizeof(path), "%s/%s", dir, name);
  f = fopen(path, "w");
  CHECK(f != NULL);
  fputs(text, f);
  fclose(f);
}

static void make_dir(const char* name) {
  char path[VIGIL__DIR_MAX + 128];

  snprintf(path, sizeof(path), "%s/%s", dir, name);
  CHECK_EQ(mkdir(path, 0700), 0);
}

#define ONE "incident-20261123T031415Z-21"
#define TWO "incident-20261123T031416Z-7-1"

static void make_incidents(void) {
  char path[VIGIL__DIR_MAX + 128];

  snprintf(dir, sizeof(dir), "%s", test_dir());
  make_dir(ONE);
  write_file(ONE "/incident.json",
             "{\"headline\": \"slow\", \"rule\": {\"name\": \"lag-p99\", "
             "\"onDemand\": false}, \"lag\": {\"p99Ms\": 257.5}}");
  write_file(ONE "/cpu-1.cpuprofile", "{}");
  write_file(ONE "/.hidden", "no");
  make_dir(TWO);
  write_file(TWO "/incident.json", "{\"headline\": ");
  make_dir(".tmp-incident-20261123T031417Z-21");
  make_dir("incident-other");
  write_file("incident-20261123T031418Z-21", "a file");
  write_file("secret", "no");
  snprintf(path, sizeof(path), "%s/" ONE "/link", dir);
  CHECK_EQ(symlink("/etc/passwd", path), 0);
  snprintf(path, sizeof(path), "%s/" ONE "/fifo", dir);
  CHECK_EQ(mkfifo(path, 0600), 0);
  snprintf(path, sizeof(path), "%s/incident-20261123T031419Z-21", dir);
  CHECK_EQ(symlink(ONE, path), 0);
}

TEST(control_list_of_incidents) {
  struct vigil__json j = { .limit = 1 << 20 };
  const int fds = test_open_fds();
  char* text;
  char* one;
  char* two;

  make_incidents();
  CHECK_EQ(vigil__control_list(&j, dir), 0);
  CHECK_EQ(vigil__json_finish(&j), 0);
  CHECK(test_json_valid(j.data, j.len));
  text = strndup(j.data, j.len);
  two = strstr(text, "\"" TWO "\"");
  one = strstr(text, "\"" ONE "\"");
  CHECK(two != NULL && one != NULL && two < one);
  CHECK(strstr(two, "\"triggered\": \"2026-11-23T03:14:16Z\"") < one);
  CHECK(strstr(two, "\"headline\": null") < one);
  CHECK(strstr(one, "\"headline\": \"slow\"") != NULL);
  CHECK(strstr(one, "\"p99Ms\": 257.5") != NULL);
  CHECK(strstr(one, "\"cause\": null") != NULL);
  CHECK(strstr(one, "\"name\": \"cpu-1.cpuprofile\"") != NULL);
  CHECK(strstr(text, "hidden") == NULL && strstr(text, "link") == NULL &&
        strstr(text, "fifo") == NULL && strstr(text, "secret") == NULL &&
        strstr(text, "31417Z") == NULL && strstr(text, "31418Z") == NULL &&
        strstr(text, "31419Z") == NULL && strstr(text, "other") == NULL);
  CHECK(strstr(text, "\"more\": 0") != NULL);
  free(text);
  vigil__json_free(&j);
  CHECK_EQ(test_open_fds(), fds);
}

TEST(control_list_of_nothing) {
  struct vigil__json j = { .limit = 1 << 20 };

  CHECK_EQ(vigil__control_list(&j, "/proc/vigil"), 0);
  CHECK_EQ(vigil__json_finish(&j), 0);
  vigil__json_free(&j);
  j = (struct vigil__json) { .limit = 1 << 20 };
  CHECK_EQ(vigil__control_list(&j, "/proc/self/exe"), -ENOTDIR);
  vigil__json_free(&j);
}

TEST(control_files) {
  static const char* const wrong[] = {
    "", "/", ONE, ONE "/", "/" ONE "/incident.json", ONE "//incident.json",
    ONE "/../secret", ONE "/..", ONE "/.hidden", ONE "/./incident.json",
    ONE "/link", ONE "/fifo", ONE "/none", "../x", "..", "./" ONE,
    "incident-20261123T031419Z-21/incident.json",
    "incident-20261123T031418Z-21/x", "incident-other/x", "secret",
    ".tmp-incident-20261123T031417Z-21/x", ONE "/incident.json/x",
    ONE "/incident.json%00", ONE "/%2e%2e/secret",
    ONE "/012345678901234567890123456789012345678901234567890123456789012345"
  };
  const int fds = test_open_fds();
  char text[8];
  uint64_t bytes;
  size_t i;
  int fd;

  make_incidents();
  fd = vigil__control_file(dir, ONE "/cpu-1.cpuprofile", &bytes);
  CHECK_OP(fd, >=, 0);
  CHECK_EQ(bytes, 2);
  CHECK_EQ(read(fd, text, sizeof(text)), 2);
  close(fd);
  for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    if (vigil__control_file(dir, wrong[i], &bytes) >= 0)
      test_fail(__FILE__, __LINE__, "opened: %s", wrong[i]);
  }
  CHECK_EQ(test_open_fds(), fds);
}

/* Whatever is asked for: no more than what is in the two incidents is opened. */
TEST(control_fuzz) {
  static const char* const words[] = {
    ONE, TWO, "/", "..", ".", "secret", "incident.json", "link", "fifo", "%2f",
    ".hidden", "cpu-1.cpuprofile", "incident-", "=", "&", "cpu", "heap", "on",
    "off", "10s", "for", "thread", "lag-p99", "stall", "gc-share", "30", "%25",
    "\x80", "x"
  };
  const int fds = test_open_fds();
  struct vigil__control_limits limits;
  struct vigil__demand demand;
  unsigned opened = 0;
  unsigned asked = 0;
  unsigned set = 0;
  uint64_t bytes;
  int round;

  read_config();
  make_incidents();
  for (round = 0; round < 300000; round++) {
    char text[512] = "";
    char* exact;
    uint64_t n;
    int fd;

    for (n = test_random(6); n > 0; n--)
      strcat(text, words[test_random(sizeof(words) / sizeof(words[0]))]);
    exact = strdup(text);
    fd = vigil__control_file(dir, exact, &bytes);
    if (fd >= 0) {
      if (strcmp(exact, ONE "/incident.json") != 0 &&
          strcmp(exact, TWO "/incident.json") != 0 &&
          strcmp(exact, ONE "/cpu-1.cpuprofile") != 0)
        test_fail(__FILE__, __LINE__, "opened: %s", exact);
      opened++;
      close(fd);
    }
    if (vigil__control_capture(exact, &demand, why) == 0) {
      asked++;
      CHECK_OP(demand.want, <=, 31);
      CHECK(demand.profile_ns == 0 ||
            (demand.profile_ns >= 100 * VIGIL__MS &&
             demand.profile_ns <= 60 * VIGIL__SEC));
      CHECK_OP(demand.thread_id, <=, UINT32_MAX);
    }
    if (vigil__control_threshold(exact, &config, &limits, why) == 0) {
      set++;
      CHECK(limits.limit[VIGIL__RULE_LAG] == 0 ||
            limits.limit[VIGIL__RULE_LAG] >= VIGIL__MS);
      CHECK_OP(limits.limit[VIGIL__RULE_GC], <=, 1000000);
    }
    free(exact);
  }
  CHECK_OP(opened, >, 3);
  CHECK_OP(asked, >, 1000);
  CHECK_OP(set, >, 10);
  CHECK_EQ(test_open_fds(), fds);
}
