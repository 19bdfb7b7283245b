/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "room.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KB UINT64_C(1024)
#define MB (UINT64_C(1) << 20)
#define GB (UINT64_C(1) << 30)

/* What even a small heap's snapshot takes. */
#define FIXED (48 * MB)

/* Writes a file below the test's directory, with the folders it is in. */
static void put(const char* path, const char* text) {
  char full[512];
  char* at;
  FILE* f;

  snprintf(full, sizeof(full), "%s%s", test_dir(), path);
  for (at = strchr(full + strlen(test_dir()) + 1, '/'); at != NULL;
       at = strchr(at + 1, '/')) {
    *at = '\0';
    mkdir(full, 0777);
    *at = '/';
  }
  f = fopen(full, "w");
  CHECK(f != NULL);
  fputs(text, f);
  CHECK(fclose(f) == 0);
}

static struct vigil__cgroup group;
static struct vigil__room room;

static void read_room(const char* root) {
  vigil__cgroup_open(&group, root, 77, NULL);
  vigil__room_read(&room, &group, root);
  vigil__cgroup_close(&group);
}

/* A machine of `total` with `available`, as /proc/meminfo begins. */
static void put_machine(uint64_t total, uint64_t available) {
  char text[256];

  snprintf(text, sizeof(text),
           "MemTotal:       %8" PRIu64 " kB\nMemFree:        %8" PRIu64 " kB\n"
           "MemAvailable:   %8" PRIu64 " kB\nBuffers:             584 kB\n",
           total / KB, available / KB / 2, available / KB);
  put("/proc/meminfo", text);
}

/* One group of v2 below the root, `file` of it, or no more such file. */
static void put_group(const char* dir, const char* file, const char* text) {
  char path[256];

  put("/proc/self/cgroup", "0::/web/one\n");
  put("/proc/self/mountinfo",
      "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n");
  snprintf(path, sizeof(path), "/sys/fs/cgroup/web%s/%s", dir, file);
  put(path, text);
}

TEST(room_of_a_machine_without_limits) {
  const int fds = test_open_fds();

  put_machine(16 * GB, 4 * GB);
  put_group("/one", "memory.max", "max\n");
  put_group("/one", "memory.current", "1073741824\n");
  read_room(test_dir());
  /* Less 5 % of all that it has. */
  CHECK_EQ(room.bytes, 4 * GB - 16 * GB / KB / 20 * KB - (16 * GB / 20) % KB);
  CHECK_STR(room.of, "the machine");
  CHECK_EQ(test_open_fds(), fds);
}

TEST(room_keeps_a_reserve_of_a_small_machine) {
  /* 32 MB is more than 5 % of it. */
  put_machine(512 * MB, 200 * MB);
  read_room(test_dir());
  CHECK_EQ(room.bytes, 168 * MB);
  /* There is no less than nothing. */
  put_machine(512 * MB, 32 * MB);
  read_room(test_dir());
  CHECK_EQ(room.bytes, 0);
  put_machine(512 * MB, 5 * MB);
  read_room(test_dir());
  CHECK_EQ(room.bytes, 0);
}

/* 256 MB, of which 811008 bytes are charged and 61440 of those can go. */
TEST(room_of_cgroup_v1_as_recorded) {
  vigil__cgroup_open(&group, "data/v1", 77, NULL);
  put_machine(16 * GB, 4 * GB);
  vigil__room_read(&room, &group, test_dir());
  vigil__cgroup_close(&group);
  CHECK_EQ(room.bytes, 256 * MB - (811008 - 61440 - 32768) - 32 * MB);
  CHECK_STR(room.of, "its cgroup");
}

TEST(room_of_cgroup_v2) {
  put_machine(64 * GB, 32 * GB);
  put_group("/one", "memory.max", "1073741824\n");
  put_group("/one", "memory.current", "700000000\n");
  put_group("/one", "memory.stat", "anon 600000000\ninactive_file 90000000\n");
  read_room(test_dir());
  CHECK_EQ(room.bytes, GB - 610000000 - GB / 20);
  CHECK_STR(room.of, "its cgroup");
  /* The one above has less. */
  put_group("", "memory.max", "2147483648\n");
  put_group("", "memory.current", "2100000000\n");
  put_group("", "memory.stat", "anon 2000000000\ninactive_file 70000000\n");
  read_room(test_dir());
  CHECK_EQ(room.bytes, 2 * GB - 2030000000 - 2 * GB / 20);
  /* Or none at all: over its limit, for the kernel is still at it. */
  put_group("", "memory.current", "2247483648\n");
  read_room(test_dir());
  CHECK_EQ(room.bytes, 0);
  CHECK_STR(room.of, "its cgroup");
}

TEST(room_is_the_least_of_machine_and_cgroup) {
  put_machine(64 * GB, 4 * GB);
  put_group("/one", "memory.max", "34359738368\n");
  put_group("/one", "memory.current", "1000000000\n");
  read_room(test_dir());
  CHECK_STR(room.of, "the machine");
  CHECK_OP(room.bytes, <, GB);
  put_machine(64 * GB, 60 * GB);
  read_room(test_dir());
  CHECK_STR(room.of, "its cgroup");
  CHECK_EQ(room.bytes, 32 * GB - 1000000000 - 32 * GB / 20);
}

/* Nothing to read is no reason to take no snapshot. */
TEST(room_unknown) {
  read_room(test_dir());
  CHECK(room.bytes == UINT64_MAX);
  CHECK(room.of != NULL);
  put("/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 10 kB\n");
  read_room(test_dir());
  CHECK(room.bytes == UINT64_MAX);
  put("/proc/meminfo", "");
  read_room(test_dir());
  CHECK(room.bytes == UINT64_MAX);
  /* But the one that is known counts. */
  put_group("/one", "memory.max", "1073741824\n");
  put_group("/one", "memory.current", "0\n");
  read_room(test_dir());
  CHECK_EQ(room.bytes, GB - GB / 20);
}

/* ---- how much it takes */

static struct vigil__room_learnt l;

TEST(room_need_before_anything_is_known) {
  CHECK_EQ(vigil__room_need(&l, 0), FIXED);
  CHECK_EQ(vigil__room_need(&l, 500 * MB),
           FIXED + 500 * MB / 1000 * VIGIL__ROOM_FIRST_PERMILLE);
}

/* A bit more than the last one of the same heap took, whatever that was. */
TEST(room_need_is_what_was_seen_and_some) {
  const uint64_t heaps[] = { 10 * MB, 300 * MB, 3 * GB };
  uint64_t factor;
  uint64_t own;
  uint64_t need;
  size_t i;

  for (i = 0; i < 3; i++) {
    for (factor = 1; factor <= 16; factor *= 2) {
      memset(&l, 0, sizeof(l));
      own = FIXED + heaps[i] * factor;
      vigil__room_learn(&l, heaps[i], own);
      need = vigil__room_need(&l, heaps[i]);
      CHECK_OP(need, >, own);
      CHECK_OP(need, <, own + heaps[i] * factor / 3 + heaps[i] / 5);
      /* And in proportion. */
      CHECK_NEAR(vigil__room_need(&l, 2 * heaps[i]) - FIXED,
                 2 * (need - FIXED), MB);
    }
  }
}

TEST(room_need_goes_up_at_once_and_down_slowly) {
  const uint64_t heap = 100 * MB;
  uint64_t before;
  uint64_t low;
  uint64_t now;
  int i;

  vigil__room_learn(&l, heap, FIXED + heap);
  low = vigil__room_need(&l, heap);
  vigil__room_learn(&l, heap, FIXED + 14 * heap);
  before = vigil__room_need(&l, heap);
  CHECK_OP(before, >, FIXED + 14 * heap);
  vigil__room_learn(&l, heap, FIXED + heap);
  now = vigil__room_need(&l, heap);
  CHECK_OP(now, <, before);
  CHECK_OP(now, >, low + (before - low) / 2);
  /* But it gets there. */
  for (i = 0; i < 100; i++) {
    before = now;
    vigil__room_learn(&l, heap, FIXED + heap);
    now = vigil__room_need(&l, heap);
    CHECK_OP(now, <=, before);
    CHECK_OP(now, >=, low);
  }
  CHECK_NEAR(now, low, MB);
}

TEST(room_learns_nothing_from_nothing) {
  const uint64_t heap = 100 * MB;
  const uint64_t need = vigil__room_need(&l, heap);

  vigil__room_learn(&l, heap, 0);        /* It could not read what it took. */
  vigil__room_learn(&l, MB - 1, 2 * GB); /* Too small to be a measure. */
  vigil__room_learn(&l, 0, 2 * GB);
  vigil__room_too_little(&l, 0, 2 * GB);
  CHECK_EQ(vigil__room_need(&l, heap), need);
  /* The fixed part alone is something: less is needed than was feared. */
  vigil__room_learn(&l, heap, MB);
  CHECK_OP(vigil__room_need(&l, heap), <, need);
  CHECK_OP(vigil__room_need(&l, heap), >=, FIXED);
}

/* So the next one is not tried with the same. */
TEST(room_learns_from_one_that_had_too_little) {
  const uint64_t heap = 100 * MB;
  uint64_t need;

  vigil__room_too_little(&l, heap, GB);
  need = vigil__room_need(&l, heap);
  CHECK_OP(need, >, GB);
  CHECK_OP(need, <, 2 * GB);
  /* Never less than what is known to be needed. */
  vigil__room_too_little(&l, heap, GB / 2);
  CHECK_EQ(vigil__room_need(&l, heap), need);
  vigil__room_too_little(&l, heap, need);
  CHECK_OP(vigil__room_need(&l, heap), >, need);
}

TEST(room_need_of_a_huge_heap_is_no_small_number) {
  vigil__room_learn(&l, 2 * MB, GB);
  CHECK(vigil__room_need(&l, UINT64_C(1) << 44) > (UINT64_C(1) << 44));
}
