/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "clock.h"
#include "config.h"
#include "test.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char* name;
static const char* value;
static const char* tmpdir;
static char line[4096];
static int lines;
static struct vigil__config c;

static const char* get(void* arg, const char* asked) {
  CHECK(arg == &c);
  if (strcmp(asked, "TMPDIR") == 0)
    return tmpdir;
  return name != NULL && strcmp(asked, name) == 0 ? value : NULL;
}

static void complain(void* arg, const char* text) {
  CHECK(arg == &c);
  CHECK_OP(strlen(text), <, sizeof(line));
  strcpy(line, text);
  lines++;
}

static void read_with(const char* variable, const char* text) {
  name = variable;
  value = text;
  lines = 0;
  line[0] = '\0';
  memset(&c, 0xee, sizeof(c));
  vigil__config_read(&c, 1000, get, complain, &c);
}

static void check_defaults(void) {
  CHECK_EQ(c.mode, VIGIL__MODE_AUTO);
  CHECK_EQ(c.lag_p99_ns, 50 * VIGIL__MS);
  CHECK_EQ(c.window_ns, 10 * VIGIL__SEC);
  CHECK_EQ(c.for_ns, 10 * VIGIL__SEC);
  CHECK_EQ(c.cooldown_ns, 600 * VIGIL__SEC);
  CHECK_EQ(c.grace_ns, 10 * VIGIL__SEC);
  CHECK_EQ(c.cpu_profile_ns, 10 * VIGIL__SEC);
  CHECK_EQ(c.heap_snapshot, 1);
}

TEST(config_defaults) {
  read_with(NULL, NULL);
  check_defaults();
  CHECK_STR(c.dir, "/tmp/vigil-1000");
  CHECK_EQ(lines, 0);
}

TEST(config_default_directory_follows_tmpdir) {
  static char long_path[VIGIL__DIR_MAX + 1];

  tmpdir = "/var/tmp";
  read_with(NULL, NULL);
  CHECK_STR(c.dir, "/var/tmp/vigil-1000");
  tmpdir = "";
  read_with(NULL, NULL);
  CHECK_STR(c.dir, "/tmp/vigil-1000");
  memset(long_path, 'x', VIGIL__DIR_MAX);
  tmpdir = long_path;
  read_with(NULL, NULL);
  CHECK_STR(c.dir, "/tmp/vigil-1000");
  CHECK_EQ(lines, 0);
}

struct good {
  const char* name;
  const char* value;
  uint64_t* field;
  uint64_t want;
};

static void check_good(void) {
  static const struct good good[] = {
    { "VIGIL", "auto", &c.mode, VIGIL__MODE_AUTO },
    { "VIGIL", "on", &c.mode, VIGIL__MODE_ON },
    { "VIGIL", "off", &c.mode, VIGIL__MODE_OFF },
    { "VIGIL_LAG_P99_MS", "1", &c.lag_p99_ns, VIGIL__MS },
    { "VIGIL_LAG_P99_MS", "60000", &c.lag_p99_ns, 60 * VIGIL__SEC },
    { "VIGIL_LAG_P99_MS", "12.5", &c.lag_p99_ns, 12500 * VIGIL__US },
    { "VIGIL_LAG_P99_MS", "1.0000019", &c.lag_p99_ns, 1000001 },
    { "VIGIL_LAG_P99_MS", "007", &c.lag_p99_ns, 7 * VIGIL__MS },
    { "VIGIL_WINDOW", "1", &c.window_ns, VIGIL__SEC },
    { "VIGIL_WINDOW", "30s", &c.window_ns, 30 * VIGIL__SEC },
    { "VIGIL_WINDOW", "1500ms", &c.window_ns, 1500 * VIGIL__MS },
    { "VIGIL_WINDOW", "1.5s", &c.window_ns, 1500 * VIGIL__MS },
    { "VIGIL_WINDOW", "10m", &c.window_ns, 600 * VIGIL__SEC },
    { "VIGIL_WINDOW", "0.1h", &c.window_ns, 360 * VIGIL__SEC },
    { "VIGIL_FOR", "0", &c.for_ns, 0 },
    { "VIGIL_FOR", "500ms", &c.for_ns, 500 * VIGIL__MS },
    { "VIGIL_FOR", "2m", &c.for_ns, 120 * VIGIL__SEC },
    { "VIGIL_COOLDOWN", "24h", &c.cooldown_ns, 86400 * VIGIL__SEC },
    { "VIGIL_COOLDOWN", "0ms", &c.cooldown_ns, 0 },
    { "VIGIL_GRACE", "0s", &c.grace_ns, 0 },
    { "VIGIL_CPU_PROFILE", "off", &c.cpu_profile_ns, 0 },
    { "VIGIL_CPU_PROFILE", "1", &c.cpu_profile_ns, VIGIL__SEC },
    { "VIGIL_CPU_PROFILE", "60s", &c.cpu_profile_ns, 60 * VIGIL__SEC },
    { "VIGIL_HEAP_SNAPSHOT", "off", &c.heap_snapshot, 0 },
    { "VIGIL_HEAP_SNAPSHOT", "on", &c.heap_snapshot, 1 },
  };
  size_t i;

  for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
    read_with(good[i].name, good[i].value);
    if (lines != 0)
      test_fail(__FILE__, __LINE__, "%s", line);
    CHECK_EQ(*good[i].field, good[i].want);
  }
}

TEST(config_accepts) {
  check_good();
}

TEST(config_does_not_depend_on_the_locale) {
  static const char* const names[] = {
    "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "tr_TR.UTF-8", "C.UTF-8"
  };
  size_t i;

  /* Where the machine has such a locale; the code must not ask it anyway. */
  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (setlocale(LC_ALL, names[i]) != NULL)
      check_good();
}

TEST(config_directory) {
  char path[VIGIL__DIR_MAX + 1];

  read_with("VIGIL_DIR", "rel/ative dir");
  CHECK_STR(c.dir, "rel/ative dir");
  memset(path, 'p', VIGIL__DIR_MAX);
  path[VIGIL__DIR_MAX] = '\0';
  read_with("VIGIL_DIR", path);
  CHECK_STR(c.dir, "/tmp/vigil-1000");
  CHECK_EQ(lines, 1);
  path[VIGIL__DIR_MAX - 1] = '\0';
  read_with("VIGIL_DIR", path);
  CHECK_STR(c.dir, path);
  CHECK_EQ(lines, 0);
}

static void check_bad(const char* variable, const char* text,
                      const char* want) {
  read_with(variable, text);
  CHECK_STR(line, want);
  CHECK_EQ(lines, 1);
  check_defaults();
  CHECK_STR(c.dir, "/tmp/vigil-1000");
}

TEST(config_bad_values_give_one_line_and_the_default) {
  check_bad("VIGIL_WINDOW", "abc",
            "VIGIL_WINDOW=\"abc\" is not understood: want a duration from 1s "
            "to 10m (10, 10s, 500ms, 2m); using 10s");
  check_bad("VIGIL", "yes",
            "VIGIL=\"yes\" is not understood: want auto, on or off; using "
            "auto");
  check_bad("VIGIL_LAG_P99_MS", "50ms",
            "VIGIL_LAG_P99_MS=\"50ms\" is not understood: want milliseconds "
            "from 1 to 60000; using 50");
  check_bad("VIGIL_FOR", "11m",
            "VIGIL_FOR=\"11m\" is not understood: want a duration from 0s to "
            "10m (10, 10s, 500ms, 2m); using 10s");
  check_bad("VIGIL_COOLDOWN", "25h",
            "VIGIL_COOLDOWN=\"25h\" is not understood: want a duration from "
            "0s to 24h (10, 10s, 500ms, 2m); using 10m");
  check_bad("VIGIL_CPU_PROFILE", "no",
            "VIGIL_CPU_PROFILE=\"no\" is not understood: want a duration from "
            "1s to 1m (10, 10s, 500ms, 2m), or off; using 10s");
  check_bad("VIGIL_HEAP_SNAPSHOT", "",
            "VIGIL_HEAP_SNAPSHOT=\"\" is not understood: want off or on; "
            "using on");
  check_bad("VIGIL_DIR", "",
            "VIGIL_DIR=\"\" is not understood: want a path of 1 to 1023 "
            "bytes; using /tmp/vigil-1000");
}

TEST(config_refuses) {
  static const char* const bad[] = {
    "", " ", "-1", "+1", "1 s", " 1s", "1s ", "1S", "1d", "s", ".5s", "1.s",
    "1..5s", "1,5s", "1e3", "0x10", "inf", "nan", "10m1", "999ms", "601",
    "18446744073709551616", "36028797018963978" /* 10 + 2^55 */,
    "99999999999999999999999h", "5124095576030431h", "18446744073.709551616s",
    "off", "1ms", "10\n", "\xd9\xa1s"
  };
  static const char* const bad_ms[] = {
    "", "0", "0.999999", "60000.1", "60001", "-5", "5.", "1e1",
    "18446744073709.551616", "99999999999999999999"
  };
  size_t i;

  for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    read_with("VIGIL_WINDOW", bad[i]);
    if (lines != 1 || c.window_ns != 10 * VIGIL__SEC)
      test_fail(__FILE__, __LINE__, "accepted \"%s\"", bad[i]);
  }
  for (i = 0; i < sizeof(bad_ms) / sizeof(bad_ms[0]); i++) {
    read_with("VIGIL_LAG_P99_MS", bad_ms[i]);
    if (lines != 1 || c.lag_p99_ns != 50 * VIGIL__MS)
      test_fail(__FILE__, __LINE__, "accepted \"%s\"", bad_ms[i]);
  }
}

TEST(config_message_is_printable_and_short) {
  static char text[100000];
  size_t i;

  read_with("VIGIL", "\x1b[31mred\n\x7f\xff");
  CHECK_STR(line, "VIGIL=\"\\x1b[31mred\\x0a\\x7f\\xff\" is not understood: "
                  "want auto, on or off; using auto");
  memset(text, 'a', sizeof(text) - 1);
  read_with("VIGIL_DIR", text);
  CHECK_EQ(lines, 1);
  CHECK_OP(strlen(line), <, 200);
  CHECK(strstr(line, "aaaa...\" is not") != NULL);
  tmpdir = "/t\nmp";
  read_with("VIGIL_DIR", "");
  for (i = 0; line[i] != '\0'; i++)
    CHECK_OP(line[i], >=, ' ');
  CHECK_STR(c.dir, "/t\nmp/vigil-1000");
}

static char table[8192];

static void print(void* arg, const char* text) {
  CHECK(arg == table);
  strcat(table, text);
  strcat(table, "\n");
}

TEST(config_prints_its_table) {
  static const char* const names[] = {
    "VIGIL", "VIGIL_LAG_P99_MS", "VIGIL_WINDOW", "VIGIL_FOR", "VIGIL_DIR",
    "VIGIL_COOLDOWN", "VIGIL_GRACE", "VIGIL_CPU_PROFILE",
    "VIGIL_HEAP_SNAPSHOT"
  };
  char want[64];
  size_t i;
  size_t rows = 0;

  vigil__config_print(print, table);
  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    snprintf(want, sizeof(want), "\n| `%s` | `", names[i]);
    CHECK(strstr(table, want) != NULL);
    /* Every variable in it is read. */
    read_with(names[i], "");
    CHECK_EQ(lines, 1);
  }
  for (i = 0; table[i] != '\0'; i++)
    rows += table[i] == '\n';
  CHECK_EQ(rows, 2 + sizeof(names) / sizeof(names[0]));
  CHECK(strstr(table, "| `VIGIL_WINDOW` | `10s` | a duration from 1s to 10m "
                      "(10, 10s, 500ms, 2m) | ") != NULL);
}

TEST(config_readme_has_the_very_table) {
  static char readme[64 * 1024];
  FILE* f = fopen("../../README.md", "r");
  size_t n;

  CHECK(f != NULL);
  n = fread(readme, 1, sizeof(readme) - 1, f);
  fclose(f);
  readme[n] = '\0';
  vigil__config_print(print, table);
  CHECK(strstr(readme, table) != NULL);
}
