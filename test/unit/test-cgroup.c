/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "cgroup.h"
#include "clock.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PID 4242

#define V2_STAT(n, usec)                                                      \
  "usage_usec 36000000\nuser_usec 30000000\nsystem_usec 6000000\n"            \
  "core_sched.force_idle_usec 0\nnr_periods 900\nnr_throttled " n "\n"        \
  "throttled_usec " usec "\nnr_bursts 0\nburst_usec 0\n"
#define V2_MOUNT(root, point)                                                 \
  "29 23 0:26 " root " " point " rw,nosuid,nodev,noexec,relatime shared:4 "   \
  "- cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
#define V1_MOUNT(root, point, what)                                           \
  "33 24 0:28 " root " " point " rw,nosuid,nodev,noexec,relatime "            \
  "master:11 - cgroup cgroup rw," what "\n"

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

static void put_paths(const char* groups, const char* mounts) {
  put("/proc/self/cgroup", groups);
  put("/proc/self/mountinfo", mounts);
}

struct said {
  int count;
  int error;
  char what[128];
};

static void say(void* arg, const char* what, int error) {
  struct said* s = arg;

  s->count++;
  s->error = error;
  snprintf(s->what, sizeof(s->what), "%s", what);
}

static struct vigil__cgroup group;
static struct vigil__cgroup_cpu cpu;
static struct vigil__cgroup_memory memory;
static uint64_t quota;
static uint64_t period;

static void open_test(void) {
  vigil__cgroup_open(&group, test_dir(), PID, NULL);
}

TEST(cgroup_v1_as_recorded) {
  const int fds = test_open_fds();

  vigil__cgroup_open(&group, "data/v1", PID, NULL);
  CHECK_EQ(group.cpu.version, 1);
  CHECK_EQ(group.cpu.levels, 3);
  CHECK_EQ(group.memory.levels, 2);
  /* The group it is in has no limit; the one above has. */
  CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), 0);
  CHECK_EQ(cpu.periods, 9);
  CHECK_EQ(cpu.throttled, 9);
  CHECK_EQ(cpu.throttled_ns, 612312759);
  CHECK_EQ(vigil__cgroup_read_quota(&group, &quota, &period), 0);
  CHECK_EQ(quota, 20 * VIGIL__MS);
  CHECK_EQ(period, 100 * VIGIL__MS);
  CHECK_EQ(vigil__cgroup_read_memory(&group, &memory), 0);
  CHECK_EQ(memory.limit, 268435456);
  CHECK_EQ(memory.current, 811008);
  CHECK_EQ(memory.reclaimable, 61440 + 32768);
  vigil__cgroup_close(&group);
  CHECK_EQ(test_open_fds(), fds);
  CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), -ENODATA);
}

/* A service of systemd, whose slice has the tighter limits. */
TEST(cgroup_v2_host) {
  put_paths("0::/system.slice/web.service\n", V2_MOUNT("/", "/sys/fs/cgroup"));
  put("/sys/fs/cgroup/cpu.stat", "usage_usec 1\nuser_usec 1\n");
  put("/sys/fs/cgroup/system.slice/cpu.stat", V2_STAT("30", "5000000"));
  put("/sys/fs/cgroup/system.slice/cpu.max", "50000 100000\n");
  put("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
  put("/sys/fs/cgroup/system.slice/memory.current", "1000000000\n");
  put("/sys/fs/cgroup/system.slice/memory.stat",
      "anon 1\nfile 2\ninactive_anon 7\ninactive_file 3000\nactive_file 40\n");
  put("/sys/fs/cgroup/system.slice/web.service/cpu.stat",
      V2_STAT("7", "1234567"));
  put("/sys/fs/cgroup/system.slice/web.service/cpu.max", "max 100000\n");
  put("/sys/fs/cgroup/system.slice/web.service/memory.max", "1073741824\n");
  put("/sys/fs/cgroup/system.slice/web.service/memory.current", "400000\n");
  open_test();
  CHECK_EQ(group.cpu.version, 2);
  CHECK_EQ(group.cpu.levels, 3);
  CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), 0);
  CHECK_EQ(cpu.throttled, 30);
  CHECK_EQ(cpu.throttled_ns, 5 * VIGIL__SEC);
  CHECK_EQ(vigil__cgroup_read_quota(&group, &quota, &period), 0);
  CHECK_EQ(quota, 50 * VIGIL__MS);
  CHECK_EQ(period, 100 * VIGIL__MS);
  CHECK_EQ(vigil__cgroup_read_memory(&group, &memory), 0);
  CHECK_EQ(memory.limit, 1073741824);
  CHECK_EQ(memory.current, 1000000000);
  CHECK_EQ(memory.reclaimable, 3040);

  /* Both grow at once: counted once, as the larger. */
  put("/sys/fs/cgroup/system.slice/cpu.stat", V2_STAT("31", "5100000"));
  put("/sys/fs/cgroup/system.slice/web.service/cpu.stat",
      V2_STAT("10", "1294567"));
  CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), 0);
  CHECK_EQ(cpu.throttled, 33);
  CHECK_EQ(cpu.throttled_ns, 5 * VIGIL__SEC + 100 * VIGIL__MS);
  /* Never back. */
  put("/sys/fs/cgroup/system.slice/cpu.stat", V2_STAT("1", "1"));
  CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), 0);
  CHECK_EQ(cpu.throttled, 33);
  CHECK_EQ(cpu.throttled_ns, 5 * VIGIL__SEC + 100 * VIGIL__MS);
}

TEST(cgroup_tightest_quota) {
  put_paths("0::/a/b\n", V2_MOUNT("/", "/g"));
  put("/g/a/cpu.max", "50000 100000\n");
  put("/g/a/b/cpu.max", "20000 50000\n");
  open_test();
  CHECK_EQ(vigil__cgroup_read_quota(&group, &quota, &period), 0);
  CHECK_EQ(quota, 20 * VIGIL__MS);
  CHECK_EQ(period, 50 * VIGIL__MS);
  put("/g/a/b/cpu.max", "400000 100000\n");
  CHECK_EQ(vigil__cgroup_read_quota(&group, &quota, &period), 0);
  CHECK_EQ(quota, 50 * VIGIL__MS);
  CHECK_EQ(period, 100 * VIGIL__MS);
}

/* A row: where the group of the CPU controller is found, or not. */
struct place {
  const char* groups;
  const char* mounts;
  const char* ours;             /* Gets the throttled time of a second... */
  bool member;                  /* ...and lists this process. */
  unsigned levels;              /* 0: not found. */
};

static void check_place(const struct place* p) {
  const bool v2 = strstr(p->mounts, "cgroup2") != NULL;
  struct said said = { 0 };
  struct vigil__missing missing = { .say = say, .arg = &said };
  char path[256];

  put_paths(p->groups, p->mounts);
  snprintf(path, sizeof(path), "%s/cpu.stat", p->ours);
  put(path, v2 ? V2_STAT("3", "1000000")
               : "nr_periods 9\nnr_throttled 3\nthrottled_time 1000000000\n");
  snprintf(path, sizeof(path), "%s/cgroup.procs", p->ours);
  put(path, p->member ? "1\n4242\n" : "1\n42421\n");
  vigil__cgroup_open(&group, test_dir(), PID, &missing);
  CHECK_EQ(group.cpu.levels, p->levels);
  if (p->levels > 0) {
    CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), 0);
    CHECK_EQ(cpu.throttled_ns, VIGIL__SEC);
    CHECK_EQ(cpu.throttled, 3);
  } else {
    CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), -ENODATA);
    CHECK(said.count >= 1);
  }
  vigil__cgroup_close(&group);
}

#define TEST_PLACE(name, ...)                                                 \
  TEST(cgroup_##name) {                                                       \
    static const struct place p = { __VA_ARGS__ };                            \
    check_place(&p);                                                          \
  }

/* A container with a namespace of its own. */
TEST_PLACE(v2_namespace,
  "0::/\n", V2_MOUNT("/", "/sys/fs/cgroup"), "/sys/fs/cgroup", false, 1)
/* Docker with v1: no namespace, and both files show the host's path. */
TEST_PLACE(v1_container,
  "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n",
  V1_MOUNT("/docker/abc", "/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct"),
  "/sys/fs/cgroup/cpu,cpuacct", false, 1)
/* A group inside of such a container. */
TEST_PLACE(v1_group_in_container,
  "4:cpu,cpuacct:/docker/abc/in/ner\n",
  V1_MOUNT("/docker/abc", "/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct"),
  "/sys/fs/cgroup/cpu,cpuacct/in/ner", false, 3)
/* Moved out of the namespace's root, to a group beside it. */
TEST_PLACE(v2_beside_the_namespace,
  "0::/../other\n", V2_MOUNT("/..", "/sys/fs/cgroup"),
  "/sys/fs/cgroup/other", false, 2)
/* The host's mount in a namespace: only that it lies above us is known. */
TEST_PLACE(v2_mount_above_the_namespace,
  "0::/\n", V2_MOUNT("/../..", "/sys/fs/cgroup"),
  "/sys/fs/cgroup", false, 1)
/* Out of the namespace, whose root is mounted: must not leave the mount. */
TEST_PLACE(v2_not_out_of_the_mount,
  "0::/../other\n", V2_MOUNT("/", "/sys/fs/cgroup"),
  "/sys/fs/cgroup/../other", true, 0)
/* The mount does not say that it is of a part: found by who is listed. */
TEST_PLACE(v1_mount_of_unknown_part,
  "4:cpu:/kubepods/pod1/abc\n", V1_MOUNT("/", "/sys/fs/cgroup/cpu", "cpu"),
  "/sys/fs/cgroup/cpu/abc", true, 2)
TEST_PLACE(v1_mount_of_unknown_part_root,
  "4:cpu:/kubepods/pod1/abc\n", V1_MOUNT("/", "/sys/fs/cgroup/cpu", "cpu"),
  "/sys/fs/cgroup/cpu", true, 1)
/* Someone else's is worse than none. */
TEST_PLACE(v1_mount_of_others,
  "4:cpu:/kubepods/pod1/abc\n", V1_MOUNT("/", "/sys/fs/cgroup/cpu", "cpu"),
  "/sys/fs/cgroup/cpu/abc", false, 0)
TEST_PLACE(v1_prefix_is_of_whole_names,
  "4:cpu:/docker/abcdef\n",
  V1_MOUNT("/docker/abc", "/sys/fs/cgroup/cpu", "cpu"),
  "/sys/fs/cgroup/cpu/def", false, 0)
/* v1 has the CPU controller, v2 is there without. */
TEST_PLACE(hybrid,
  "3:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/b\n",
  V1_MOUNT("/", "/sys/fs/cgroup/systemd", "xattr,name=systemd")
  V1_MOUNT("/", "/sys/fs/cgroup/cpuacct", "cpuacct")
  V1_MOUNT("/", "/sys/fs/cgroup/cpu", "cpu"),
  "/sys/fs/cgroup/cpu/a", false, 2)
/* v2 has it, v1 is there for names only. */
TEST_PLACE(hybrid_v2,
  "1:name=systemd:/b\n0::/b\n",
  V1_MOUNT("/", "/sys/fs/cgroup/systemd", "xattr,name=systemd")
  V2_MOUNT("/", "/sys/fs/cgroup/unified"),
  "/sys/fs/cgroup/unified/b", false, 2)
TEST_PLACE(spaces_in_paths,
  "0::/my group\n", V2_MOUNT("/", "/sys/my\\040mount"),
  "/sys/my mount/my group", false, 2)
TEST_PLACE(mounted_twice_and_the_first_is_hidden,
  "0::/a\n",
  V2_MOUNT("/", "/old") V2_MOUNT("/", "/new"), "/new/a", false, 2)
TEST_PLACE(not_mounted, "0::/a\n", "22 1 8:1 / / rw - ext4 /dev/sda rw\n",
           "/x", false, 0)
TEST_PLACE(no_groups_at_all, "", V2_MOUNT("/", "/sys/fs/cgroup"),
           "/sys/fs/cgroup", true, 0)
TEST_PLACE(broken_lines,
  "\n:\n0\n0:\n0::\n0::x\n", "\n - \nx - cgroup2\n1 2 3 / /a rw - \n"
  "1 2 3 / /a rw - cgroup2\n", "/a", true, 0)

TEST(cgroup_very_long_mount_lines_are_passed_over) {
  static char mounts[40000];
  size_t len;

  strcpy(mounts, "40 1 0:50 / /big rw - overlay overlay rw,lowerdir=");
  len = strlen(mounts);
  memset(mounts + len, 'x', 30000);
  strcpy(mounts + len + 30000, "\n" V2_MOUNT("/", "/sys/fs/cgroup"));
  put_paths("0::/\n", mounts);
  put("/sys/fs/cgroup/cpu.stat", V2_STAT("3", "7"));
  open_test();
  CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), 0);
  CHECK_EQ(cpu.throttled_ns, 7000);
}

TEST(cgroup_more_levels_than_kept) {
  put_paths("0::/1/2/3/4/5/6/7/8/9\n", V2_MOUNT("/", "/sys/fs/cgroup"));
  put("/sys/fs/cgroup/1/2/3/4/5/6/7/8/9/cpu.stat", V2_STAT("3", "7"));
  open_test();
  CHECK_EQ(group.cpu.levels, VIGIL__CGROUP_LEVELS);
  CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), 0);
  CHECK_EQ(cpu.throttled_ns, 7000);
}

TEST(cgroup_kernel_without_limits) {
  put_paths("4:cpu:/\n5:memory:/\n",
            V1_MOUNT("/", "/c", "cpu") V1_MOUNT("/", "/m", "memory"));
  put("/c/cpu.shares", "1024\n");
  put("/m/memory.limit_in_bytes", "9223372036854771712\n");
  put("/m/memory.usage_in_bytes", "5000\n");
  put("/m/memory.stat", "inactive_file 1\ntotal_inactive_file 6000\n");
  open_test();
  CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), 0);
  CHECK_EQ(cpu.throttled_ns, 0);
  CHECK_EQ(vigil__cgroup_read_quota(&group, &quota, &period), 0);
  CHECK_EQ(quota, 0);
  CHECK_EQ(period, 0);
  CHECK_EQ(vigil__cgroup_read_memory(&group, &memory), 0);
  CHECK(memory.limit == UINT64_MAX);
  CHECK_EQ(memory.current, 5000);
  CHECK_EQ(memory.reclaimable, 5000);  /* Never more than there is. */
}

TEST(cgroup_missing_is_said_once) {
  struct said said = { 0 };
  struct vigil__missing missing = { .say = say, .arg = &said };
  const int fds = test_open_fds();

  vigil__cgroup_open(&group, test_dir(), PID, &missing);
  CHECK_EQ(said.count, 2);
  CHECK_EQ(said.error, -ENOENT);
  CHECK(strstr(said.what, "memory") != NULL);
  vigil__cgroup_open(&group, test_dir(), PID, &missing);
  CHECK_EQ(said.count, 2);
  CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), -ENODATA);
  CHECK_EQ(vigil__cgroup_read_quota(&group, &quota, &period), -ENODATA);
  CHECK_EQ(vigil__cgroup_read_memory(&group, &memory), -ENODATA);
  CHECK_EQ(test_open_fds(), fds);
}

/* Unlike a file that is missing, one that cannot be read may hide a limit. */
TEST(cgroup_files_that_cannot_be_read) {
  char path[512];

  put_paths("0::/\n", V2_MOUNT("/", "/g"));
  put("/g/cpu.stat/x", "");
  put("/g/cpu.max/x", "");
  put("/g/memory.max", "junk\n");
  open_test();
  CHECK_EQ(vigil__cgroup_read_cpu(&group, &cpu), -ENODATA);
  CHECK_EQ(vigil__cgroup_read_quota(&group, &quota, &period), -ENODATA);
  CHECK_EQ(vigil__cgroup_read_memory(&group, &memory), -ENODATA);
  vigil__cgroup_close(&group);

  snprintf(path, sizeof(path), "%s/g/memory.max", test_dir());
  CHECK(unlink(path) == 0);
  open_test();
  CHECK_EQ(vigil__cgroup_read_memory(&group, &memory), 0);
  CHECK(memory.limit == UINT64_MAX);
}

static void write_to(const char* dir, const char* file, const char* text) {
  char path[256];
  int fd;

  snprintf(path, sizeof(path), "%s/%s", dir, file);
  fd = open(path, O_WRONLY);
  CHECK(fd >= 0);
  CHECK(write(fd, text, strlen(text)) == (ssize_t) strlen(text));
  close(fd);
}

/* For real: a quota of a tenth of a CPU, and a child that wants all of one. */
TEST(cgroup_real_quota) {
  const char* top = "/sys/fs/cgroup/cpu";
  char dir[128];
  char pid[16];
  pid_t child;
  int status;
  int ready[2];
  char c;

  snprintf(dir, sizeof(dir), "%s/vigil-test-%d", top, (int) getpid());
  if (mkdir(dir, 0755) != 0) {
    printf("# skipped: no writable cgroup v1 in %s: %s\n", top,
           strerror(errno));
    return;
  }
  write_to(dir, "cpu.cfs_quota_us", "10000");
  CHECK(pipe(ready) == 0);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    snprintf(pid, sizeof(pid), "%d", (int) getpid());
    write_to(dir, "cgroup.procs", pid);
    vigil__cgroup_open(&group, "", getpid(), NULL);
    if (group.cpu.version != 1 ||
        vigil__cgroup_read_quota(&group, &quota, &period) != 0 ||
        quota != 10 * VIGIL__MS || write(ready[1], "x", 1) != 1)
      _exit(1);
    /* Ends by the runner's alarm at the latest. */
    while (vigil__cgroup_read_cpu(&group, &cpu) == 0 &&
           cpu.throttled_ns < 150 * VIGIL__MS) {
    }
    _exit(cpu.throttled >= 1 && cpu.periods >= cpu.throttled ? 0 : 1);
  }
  CHECK(read(ready[0], &c, 1) == 1);
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(rmdir(dir) == 0);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 0);
}
