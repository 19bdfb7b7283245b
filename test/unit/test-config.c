/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "clock.h"
#include "config.h"
#include "test.h"

#include <locale.h>
#include <signal.h>
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
  CHECK_EQ(c.capture, VIGIL__CAPTURE_CPU | VIGIL__CAPTURE_HEAP |
                      VIGIL__CAPTURE_ALLOC | VIGIL__CAPTURE_BEFORE);
  CHECK_EQ(c.recorder, 1);
  CHECK_EQ(c.recorder_bytes, 16 << 20);
  CHECK_EQ(c.stall_ns, 500 * VIGIL__MS);
  CHECK_EQ(c.stall_trigger_ns, 5 * VIGIL__SEC);
  CHECK_EQ(c.gc_share_ppm, 300000);
  CHECK_EQ(c.pool_wait_p99_ns, VIGIL__SEC);
  CHECK_EQ(c.old_space_ppm, 900000);
  CHECK_EQ(c.heap_mode, VIGIL__HEAP_FORK);
  CHECK_EQ(c.heap_fallback, VIGIL__HEAP_INPROCESS);
  CHECK_EQ(c.heap_time_ns, 300 * VIGIL__SEC);
  CHECK_EQ(c.near_heap_limit, 1);
  CHECK_EQ(c.redact, 0);
  CHECK_EQ(c.signal, 0);
  CHECK_EQ(c.exit_wait_ns, 3 * VIGIL__SEC);
  CHECK_EQ(c.per_hour, 3);
  CHECK_EQ(c.disk_bytes, 1 << 30);
  CHECK(c.disk_free_bytes == VIGIL__DISK_FREE_AUTO);
  CHECK_EQ(c.host_captures, 2);
  CHECK_STR(c.metrics, "");
  CHECK_EQ(c.ready_after_ns, 0);
  CHECK_EQ(c.report, 1);
  CHECK_EQ(c.upload, 0);
  CHECK_EQ(c.alert, 0);
  CHECK_EQ(c.on_incident, 0);
  CHECK_EQ(c.fleet, 0);
  CHECK_EQ(c.ship_grace_ns, 3 * VIGIL__SEC);
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
    { "VIGIL_CPU_PROFILE", "1", &c.cpu_profile_ns, VIGIL__SEC },
    { "VIGIL_CPU_PROFILE", "60s", &c.cpu_profile_ns, 60 * VIGIL__SEC },
    { "VIGIL_CAPTURE", "none", &c.capture, 0 },
    { "VIGIL_CAPTURE", "cpu", &c.capture, VIGIL__CAPTURE_CPU },
    { "VIGIL_CAPTURE", "before,heap", &c.capture,
      VIGIL__CAPTURE_BEFORE | VIGIL__CAPTURE_HEAP },
    { "VIGIL_CAPTURE", "alloc,alloc", &c.capture, VIGIL__CAPTURE_ALLOC },
    { "VIGIL_REPORT", "off", &c.report, 0 },
    { "VIGIL_SHIP_GRACE", "0", &c.ship_grace_ns, 0 },
    { "VIGIL_COOLDOWN", "1d", &c.cooldown_ns, 86400 * VIGIL__SEC },
    { "VIGIL_RECORDER", "off", &c.recorder, 0 },
    { "VIGIL_RECORDER_SIZE", "16MB", &c.recorder_bytes, 16 << 20 },
    { "VIGIL_RECORDER_SIZE", "1024KB", &c.recorder_bytes, 1 << 20 },
    { "VIGIL_HEAP_MODE", "off", &c.heap_mode, VIGIL__HEAP_OFF },
    { "VIGIL_HEAP_MODE", "inprocess", &c.heap_mode, VIGIL__HEAP_INPROCESS },
    { "VIGIL_HEAP_MODE", "fork", &c.heap_mode, VIGIL__HEAP_FORK },
    { "VIGIL_HEAP_FALLBACK", "off", &c.heap_fallback, VIGIL__HEAP_OFF },
    { "VIGIL_HEAP_TIME", "1s", &c.heap_time_ns, VIGIL__SEC },
    { "VIGIL_HEAP_TIME", "1h", &c.heap_time_ns, 3600 * VIGIL__SEC },
    { "VIGIL_NEAR_HEAP_LIMIT", "0", &c.near_heap_limit, 0 },
    { "VIGIL_NEAR_HEAP_LIMIT", "10", &c.near_heap_limit, 10 },
    { "VIGIL_REDACT", "on", &c.redact, 1 },
    { "VIGIL_RECORDER_SIZE", "1048577", &c.recorder_bytes, (1 << 20) + 1 },
    { "VIGIL_RECORDER_SIZE", "1048577B", &c.recorder_bytes, (1 << 20) + 1 },
    { "VIGIL_RECORDER_SIZE", "1.5MB", &c.recorder_bytes, 3 << 19 },
    { "VIGIL_RECORDER_SIZE", "0.123456789GB", &c.recorder_bytes, 132560717 },
    { "VIGIL_RECORDER_SIZE", "1GB", &c.recorder_bytes, 1 << 30 },
    { "VIGIL_STALL_MS", "off", &c.stall_ns, 0 },
    { "VIGIL_STALL_MS", "0", &c.stall_ns, 0 },
    { "VIGIL_STALL_MS", "20", &c.stall_ns, 20 * VIGIL__MS },
    { "VIGIL_STALL_TRIGGER", "off", &c.stall_trigger_ns, 0 },
    { "VIGIL_STALL_TRIGGER", "0s", &c.stall_trigger_ns, 0 },
    { "VIGIL_STALL_TRIGGER", "700ms", &c.stall_trigger_ns, 700 * VIGIL__MS },
    { "VIGIL_GC_SHARE", "off", &c.gc_share_ppm, 0 },
    { "VIGIL_GC_SHARE", "12.5%", &c.gc_share_ppm, 125000 },
    { "VIGIL_GC_SHARE", "1", &c.gc_share_ppm, 10000 },
    { "VIGIL_GC_SHARE", "100%", &c.gc_share_ppm, 1000000 },
    { "VIGIL_POOL_WAIT_P99_MS", "off", &c.pool_wait_p99_ns, 0 },
    { "VIGIL_POOL_WAIT_P99_MS", "2.5", &c.pool_wait_p99_ns, 2500000 },
    { "VIGIL_OLD_SPACE_SHARE", "off", &c.old_space_ppm, 0 },
    { "VIGIL_OLD_SPACE_SHARE", "80%", &c.old_space_ppm, 800000 },
    { "VIGIL_SIGNAL", "off", &c.signal, 0 },
    { "VIGIL_SIGNAL", "SIGUSR2", &c.signal, SIGUSR2 },
    { "VIGIL_SIGNAL", "SIGPOLL", &c.signal, SIGPOLL },
    { "VIGIL_EXIT_WAIT", "0", &c.exit_wait_ns, 0 },
    { "VIGIL_EXIT_WAIT", "1m", &c.exit_wait_ns, 60 * VIGIL__SEC },
    { "VIGIL_PER_HOUR", "1", &c.per_hour, 1 },
    { "VIGIL_PER_HOUR", "60", &c.per_hour, 60 },
    { "VIGIL_DISK", "16MB", &c.disk_bytes, 16 << 20 },
    { "VIGIL_DISK", "1TB", &c.disk_bytes, UINT64_C(1) << 40 },
    { "VIGIL_DISK_FREE", "0", &c.disk_free_bytes, 0 },
    { "VIGIL_DISK_FREE", "10GB", &c.disk_free_bytes, UINT64_C(10) << 30 },
    { "VIGIL_DISK_FREE", "auto", &c.disk_free_bytes, VIGIL__DISK_FREE_AUTO },
    { "VIGIL_HOST_CAPTURES", "64", &c.host_captures, 64 },
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
  check_bad("VIGIL_CPU_PROFILE", "off",
            "VIGIL_CPU_PROFILE=\"off\" is not understood: want a duration from "
            "1s to 1m (10, 10s, 500ms, 2m); using 10s");
  check_bad("VIGIL_CAPTURE", "cpu,heaps",
            "VIGIL_CAPTURE=\"cpu,heaps\" is not understood: want some of cpu, "
            "heap, alloc and before with commas between, or none; using "
            "cpu,heap,alloc,before");
  check_bad("VIGIL_RECORDER", "",
            "VIGIL_RECORDER=\"\" is not understood: want off or on; using on");
  check_bad("VIGIL_RECORDER_SIZE", "1023KB",
            "VIGIL_RECORDER_SIZE=\"1023KB\" is not understood: want a size "
            "from 1MB to 1GB (512KB, 16MB, 1GB); using 16MB");
  check_bad("VIGIL_HEAP_FALLBACK", "fork",
            "VIGIL_HEAP_FALLBACK=\"fork\" is not understood: want off or "
            "inprocess; using inprocess");
  check_bad("VIGIL_HEAP_TIME", "0s",
            "VIGIL_HEAP_TIME=\"0s\" is not understood: want a duration from 1s "
            "to 1h (10, 10s, 500ms, 2m); using 5m");
  check_bad("VIGIL_STALL_MS", "19",
            "VIGIL_STALL_MS=\"19\" is not understood: want milliseconds from "
            "20 to 60000, or off; using 500");
  check_bad("VIGIL_STALL_TRIGGER", "11m",
            "VIGIL_STALL_TRIGGER=\"11m\" is not understood: want a duration "
            "from 20ms to 10m (10, 10s, 500ms, 2m), or off; using 5s");
  check_bad("VIGIL_GC_SHARE", "101%",
            "VIGIL_GC_SHARE=\"101%\" is not understood: want a percentage from "
            "1% to 100%, or off; using 30%");
  check_bad("VIGIL_PER_HOUR", "0",
            "VIGIL_PER_HOUR=\"0\" is not understood: want a number from 1 to "
            "60; using 3");
  check_bad("VIGIL_DISK_FREE", "5%",
            "VIGIL_DISK_FREE=\"5%\" is not understood: want a size from 0 to "
            "1TB (512KB, 16MB, 1GB), or auto; using auto");
  check_bad("VIGIL_SIGNAL", "USR2",
            "VIGIL_SIGNAL=\"USR2\" is not understood: want a signal such as "
            "SIGUSR2, or off; using off");
  check_bad("VIGIL_SIGNAL", "SIGUSR1",
            "VIGIL_SIGNAL=\"SIGUSR1\" is not possible, Node starts the "
            "inspector with it: want a signal such as SIGUSR2, or off; using "
            "off");
  check_bad("VIGIL_SIGNAL", "SIGKILL",
            "VIGIL_SIGNAL=\"SIGKILL\" is not possible, it cannot be caught: "
            "want a signal such as SIGUSR2, or off; using off");
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

TEST(config_refuses_of_each_kind) {
  static const struct { const char* name; const char* bad[12]; } all[] = {
    { "VIGIL_CAPTURE", { "", ",", "cpu,", ",cpu", "cpu,,heap", "cpu heap",
      "cpu, heap", "CPU", "all", "none,cpu", "cp" } },
    { "VIGIL_RECORDER_SIZE", { "", "off", "16Mb", "16 MB", "16M", "-1MB",
      "1.5", "1.5B", "2GB", "18014398509481985KB", "16MiB", "0" } },
    { "VIGIL_OLD_SPACE_SHARE", { "", "0.9", "100.1%", "50 %", "%", "-5%",
      "50%%", "auto" } },
    { "VIGIL_HEAP_MODE", { "", "on", "none", "forks", "Fork", "fork,off" } },
    { "VIGIL_NEAR_HEAP_LIMIT", { "", "off", "11", "-1", "1.5" } },
    { "VIGIL_REDACT", { "", "1", "true", "yes" } },
    { "VIGIL_PER_HOUR", { "", "off", "1.0", "61", "-1", "3/h", "+3",
      "18446744073709551617" } },
    { "VIGIL_SIGNAL", { "", "12", "SIGUSR", "sigusr2", "SIGUSR2 ", "SIGSTOP",
      "SIGPROF", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTERM" } },
    { "VIGIL_STALL_MS", { "", "0.5", "off ", "60001", "20ms", "0x14" } },
  };
  size_t i;
  int k;

  for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
    for (k = 0; k < 12 && all[i].bad[k] != NULL; k++) {
      read_with(all[i].name, all[i].bad[k]);
      if (lines != 1)
        test_fail(__FILE__, __LINE__, "%s accepted \"%s\"", all[i].name,
                  all[i].bad[k]);
      check_defaults();
    }
  }
}

/* What is accepted is listen.c's. */
TEST(config_log) {
  CHECK_STR(c.log, "");
  read_with(NULL, NULL);
  CHECK_STR(c.log, "text");
  read_with("VIGIL_LOG", "json:/var/log/vigil.json");
  CHECK_EQ(lines, 0);
  CHECK_STR(c.log, "json:/var/log/vigil.json");
  read_with("VIGIL_LOG", "syslog");
  CHECK_EQ(lines, 1);
  CHECK_STR(c.log, "text");
  CHECK_STR(line, "VIGIL_LOG=\"syslog\" is not understood: want text or json "
                  "(on stderr), the absolute path of a file (as text), text: "
                  "or json: and such a path, or off; using text");
}

TEST(config_metrics) {
  static char text[VIGIL__LISTEN_TEXT + 1];

  read_with("VIGIL_METRICS", "[::1]:9464-9470");
  CHECK_EQ(lines, 0);
  CHECK_STR(c.metrics, "[::1]:9464-9470");
  read_with("VIGIL_METRICS", "off");
  CHECK_EQ(lines, 0);
  CHECK_STR(c.metrics, "");
  read_with("VIGIL_METRICS", ":9464");
  CHECK_EQ(lines, 1);
  CHECK_STR(c.metrics, "");
  CHECK_STR(line, "VIGIL_METRICS=\":9464\" is not understood: want a port or "
                  "ports (9464, 9464-9479), an address with them "
                  "(127.0.0.1:9464, [::1]:9464), the absolute path of a UNIX "
                  "socket, or off; using off");
  memset(text, '0', sizeof(text) - 1);
  read_with("VIGIL_METRICS", text);
  CHECK_EQ(lines, 1);
  CHECK_STR(c.metrics, "");
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

static char table[16384];

static void print(void* arg, const char* text) {
  CHECK(arg == table);
  strcat(table, text);
  strcat(table, "\n");
}

TEST(config_prints_its_table) {
  static const char* const names[] = {
    "VIGIL", "VIGIL_LAG_P99_MS", "VIGIL_WINDOW", "VIGIL_FOR",
    "VIGIL_STALL_MS", "VIGIL_STALL_TRIGGER", "VIGIL_GC_SHARE",
    "VIGIL_POOL_WAIT_P99_MS", "VIGIL_OLD_SPACE_SHARE", "VIGIL_GRACE",
    "VIGIL_CAPTURE", "VIGIL_CPU_PROFILE", "VIGIL_RECORDER",
    "VIGIL_RECORDER_SIZE", "VIGIL_HEAP_MODE", "VIGIL_HEAP_FALLBACK",
    "VIGIL_HEAP_TIME", "VIGIL_NEAR_HEAP_LIMIT", "VIGIL_LEAK",
    "VIGIL_LEAK_EVERY", "VIGIL_REDACT", "VIGIL_SIGNAL", "VIGIL_EXIT_WAIT", "VIGIL_LOG",
    "VIGIL_DIR", "VIGIL_COOLDOWN", "VIGIL_PER_HOUR", "VIGIL_DISK",
    "VIGIL_DISK_FREE", "VIGIL_HOST_CAPTURES", "VIGIL_METRICS",
    "VIGIL_READY_AFTER", "VIGIL_CONTROL",
    "VIGIL_REPORT", "VIGIL_UPLOAD",
    "VIGIL_UPLOAD_ENDPOINT", "VIGIL_UPLOAD_PATH_STYLE",
    "VIGIL_UPLOAD_COMPRESS", "VIGIL_UPLOAD_RATE", "VIGIL_LINK",
    "VIGIL_LINK_TIME", "VIGIL_ALERT", "VIGIL_ALERT_FORMAT",
    "VIGIL_ALERT_SECRET", "VIGIL_ALERT_KEY", "VIGIL_ON_INCIDENT",
    "VIGIL_SERVICE", "VIGIL_VERSION", "VIGIL_SHIP_GRACE", "VIGIL_FLEET"
  };
  char want[64];
  size_t i;
  size_t rows = 0;

  vigil__config_print(print, table);
  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    snprintf(want, sizeof(want), "\n| `%s` | `", names[i]);
    CHECK(strstr(table, want) != NULL);
    /* Every variable in it is read. Of texts an empty one is none. */
    read_with(names[i], strcmp(names[i], "VIGIL_DIR") == 0 ? "" : "\n");
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

TEST(config_control) {
  static const char* const good[] = { "auto", "/run/x.sock", "/run/" };
  static const char* const wrong[] = { "", "on", "run/x.sock", "./x", "Auto" };
  char path[VIGIL__LISTEN_PATH + 1];
  size_t i;

  for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
    read_with("VIGIL_CONTROL", good[i]);
    CHECK_EQ(lines, 0);
    CHECK_STR(c.control, good[i]);
  }
  read_with("VIGIL_CONTROL", "off");
  CHECK_EQ(lines, 0);
  CHECK_STR(c.control, "");
  for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    read_with("VIGIL_CONTROL", wrong[i]);
    CHECK_EQ(lines, 1);
    CHECK_STR(c.control, "auto");
  }
  memset(path, 'x', sizeof(path));
  path[0] = '/';
  path[sizeof(path) - 1] = '\0';
  read_with("VIGIL_CONTROL", path);
  CHECK_EQ(lines, 1);
  path[sizeof(path) - 2] = '\0';
  read_with("VIGIL_CONTROL", path);
  CHECK_EQ(lines, 0);
  CHECK_STR(c.control, path);
}

TEST(config_values_of_variables) {
  char form[VIGIL__CONFIG_FORM];
  uint64_t ns = 7;

  CHECK(vigil__config_value("VIGIL_LAG_P99_MS", "80", &ns, form));
  CHECK_EQ(ns, 80 * VIGIL__MS);
  CHECK_STR(form, "milliseconds from 1 to 60000");
  CHECK(!vigil__config_value("VIGIL_LAG_P99_MS", "off", &ns, NULL));
  CHECK_EQ(ns, 80 * VIGIL__MS);
  CHECK(vigil__config_value("VIGIL_GC_SHARE", "off", &ns, NULL));
  CHECK_EQ(ns, 0);
}
