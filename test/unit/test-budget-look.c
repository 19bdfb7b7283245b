/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "budget_ask.h"
#include "budget_file.h"
#include "budget_look.h"
#include "os.h"
#include "test.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEC VIGIL__SEC
#define MB (UINT64_C(1) << 20)
#define WALL (UINT64_C(1795317255) * SEC)

static uint64_t wall_now = WALL;
static vigil__mono_t mono_now = UINT64_C(5000000) * SEC;
static struct vigil__budget_view view;

static struct vigil__config config = {
  .cooldown_ns = 600 * SEC, .per_hour = 3, .disk_bytes = 1024 * MB,
  .disk_free_bytes = 0, .host_captures = 2
};

static uint64_t fake_wall(void) {
  return wall_now;
}

static vigil__mono_t fake_mono(void) {
  return mono_now;
}

static int fake_space(int fd, uint64_t* free_bytes, uint64_t* total_bytes) {
  CHECK_OP(fd, >=, 0);
  *free_bytes = 100 * MB;
  *total_bytes = 200 * MB;
  return 0;
}

static void setup(const char* path) {
  snprintf(config.dir, sizeof(config.dir), "%s/%s", test_dir(), path);
  vigil__os.wall = fake_wall;
  vigil__os.mono = fake_mono;
  vigil__budget_os.space = fake_space;
}

/* One incident, as far as the budget sees it. */
static void capture(void) {
  const struct vigil__budget_request request = { .ratio = 2000,
                                                 .expect_bytes = MB };
  static const char data[3 * MB];
  char name[VIGIL__ARTIFACT_NAME];
  char path[PATH_MAX];
  struct vigil__artifact_dir dir;
  struct vigil__budget_grant grant;
  FILE* f;

  CHECK_EQ(vigil__artifact_dir_open(&dir, config.dir, NULL), 0);
  CHECK_EQ(vigil__budget_ask(&dir, &config, &request, &grant),
           VIGIL__BUDGET_ALLOW);
  vigil__artifact_name(name, grant.wall_ns, getpid(), 0);
  snprintf(path, sizeof(path), "%.1000s/%s", config.dir, name);
  CHECK_EQ(mkdir(path, 0700), 0);
  snprintf(path, sizeof(path), "%.1000s/%s/a", config.dir, name);
  f = fopen(path, "w");
  CHECK(f != NULL);
  CHECK_EQ(fwrite(data, 1, sizeof(data), f), sizeof(data));
  fclose(f);
  CHECK_EQ(vigil__budget_end(&dir, &config, &grant, true), 0);
  vigil__artifact_dir_close(&dir);
}

static void pass(uint64_t seconds) {
  wall_now += seconds * SEC;
  mono_now += seconds * SEC;
}

TEST(budget_look_creates_nothing) {
  const int fds = test_open_fds();

  setup("a/b/c");
  vigil__budget_look(&config, &view);
  CHECK_EQ(view.error, 0);
  CHECK_EQ(view.hour_left, 3);
  CHECK_EQ(view.cooldown_ns, 0);
  CHECK_EQ(view.bytes, 0);
  CHECK_EQ(view.room, 100 * MB);
  CHECK_EQ(access(config.dir, F_OK), -1);
  CHECK_EQ(test_open_fds(), fds);
}

TEST(budget_look_tells_what_is_left) {
  struct vigil__artifact_dir dir;
  const struct vigil__budget_request request = { .ratio = 1000 };
  struct vigil__budget_grant grant;
  int fds;

  setup("v");
  capture();
  fds = test_open_fds();
  pass(100);
  vigil__budget_look(&config, &view);
  CHECK_EQ(view.error, 0);
  CHECK_EQ(view.incidents, 1);
  CHECK_EQ(view.cooldown_ns, 500 * SEC);
  CHECK_EQ(view.hour_left, 2);
  CHECK_EQ(view.hour_ns, 3500 * SEC);
  CHECK_OP(view.bytes, >=, 3 * MB);
  CHECK_OP(view.bytes, <, 4 * MB);
  CHECK_EQ(test_open_fds(), fds);

  CHECK_EQ(vigil__artifact_dir_open(&dir, config.dir, NULL), 0);
  CHECK_EQ(vigil__budget_ask(&dir, &config, &request, &grant),
           VIGIL__BUDGET_COOLDOWN);
  vigil__artifact_dir_close(&dir);
  vigil__budget_look(&config, &view);
  CHECK_EQ(view.suppressed, 1);

  pass(600);
  capture();
  vigil__budget_look(&config, &view);
  CHECK_EQ(view.hour_left, 1);
  CHECK_EQ(view.hour_ns, 2900 * SEC);
  CHECK_EQ(view.cooldown_ns, 600 * SEC);
  pass(3600);
  vigil__budget_look(&config, &view);
  CHECK_EQ(view.hour_left, 3);
  CHECK_EQ(view.hour_ns, 0);
  CHECK_EQ(view.cooldown_ns, 0);
  CHECK_EQ(view.incidents, 2);
}

TEST(budget_look_that_fails_says_so) {
  FILE* f;

  setup("file");
  f = fopen(config.dir, "w");
  CHECK(f != NULL);
  fclose(f);
  vigil__budget_look(&config, &view);
  CHECK_EQ(view.error, -ENOTDIR);
}
