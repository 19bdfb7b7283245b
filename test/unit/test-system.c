/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "clock.h"
#include "system.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct vigil__task task;
static struct vigil__task_figures f;

struct said {
  int count;
  char what[8][128];
};

static void say(void* arg, const char* what, int error) {
  struct said* s = arg;

  CHECK_EQ(error, -ENOENT);
  CHECK(s->count < 8);
  snprintf(s->what[s->count++], sizeof(s->what[0]), "%s", what);
}

/* Files of thread 7 below the test's directory. */
static void put(const char* name, const char* text) {
  static const char* const dirs[] = { "/proc", "/proc/self",
                                      "/proc/self/task",
                                      "/proc/self/task/7" };
  char path[512];
  FILE* file;
  size_t i;

  for (i = 0; i < 4; i++) {
    snprintf(path, sizeof(path), "%s%s", test_dir(), dirs[i]);
    mkdir(path, 0777);
  }
  snprintf(path, sizeof(path), "%s%s/%s", test_dir(), dirs[3], name);
  file = fopen(path, "w");
  CHECK(file != NULL);
  fputs(text, file);
  CHECK(fclose(file) == 0);
}

static void read_put(const char* name, const char* text) {
  put(name, text);
  CHECK_EQ(vigil__task_open(&task, test_dir(), 7, NULL), 0);
  CHECK_EQ(vigil__task_read(&task, VIGIL__TASK_ALL, &f), 0);
  vigil__task_close(&task);
}

TEST(system_task_as_recorded) {
  struct said said = { 0 };
  struct vigil__missing missing = { .say = say, .arg = &said };
  const int fds = test_open_fds();

  CHECK_EQ(vigil__task_open(&task, "data/v1", 77, &missing), 0);
  CHECK_EQ(said.count, 0);
  CHECK_EQ(vigil__task_read(&task, VIGIL__TASK_ALL, &f), 0);
  CHECK_EQ(f.valid, VIGIL__TASK_ALL);
  CHECK_EQ(f.cpu_ns, 181538695);
  CHECK_EQ(f.run_delay_ns, 661258141);
  CHECK_EQ(f.state, 'S');
  CHECK_EQ(f.major_faults, 0);
  CHECK_EQ(f.syscall_nr, 61);  /* wait4 of x86-64 */
  CHECK_STR(f.wchan, "do_wait");
  CHECK(f.voluntary > 0);
  CHECK(f.involuntary > 0);
  /* Only what was asked for. */
  CHECK_EQ(vigil__task_read(&task, VIGIL__TASK_DELAY, &f), 0);
  CHECK_EQ(f.valid, VIGIL__TASK_CPU | VIGIL__TASK_DELAY);
  vigil__task_close(&task);
  CHECK_EQ(test_open_fds(), fds);
  CHECK_EQ(vigil__system_runnable("data/v1"), 1);
}

TEST(system_stat_stands_in_for_schedstat) {
  read_put("stat", "7 (a) R ) b) D 1 1 1 0 -1 4 1 2 33 4 150 25 0 0 20 0 1\n");
  CHECK_EQ(f.valid,
           VIGIL__TASK_CPU | VIGIL__TASK_STATE | VIGIL__TASK_FAULTS);
  CHECK_EQ(f.state, 'D');
  CHECK_EQ(f.major_faults, 33);
  CHECK_EQ(f.cpu_ns, 175 * VIGIL__SEC / (uint64_t) sysconf(_SC_CLK_TCK));
  /* A kernel that has the file, but does not account. */
  read_put("schedstat", "0 0 0\n");
  CHECK_EQ(f.valid,
           VIGIL__TASK_CPU | VIGIL__TASK_STATE | VIGIL__TASK_FAULTS);
  read_put("schedstat", "5 6 1\n");
  CHECK_EQ(f.cpu_ns, 5);
  CHECK_EQ(f.run_delay_ns, 6);
  /* A new thread that has waited only. */
  read_put("schedstat", "0 6 1\n");
  CHECK(f.valid & VIGIL__TASK_DELAY);
}

TEST(system_syscall_forms) {
  read_put("syscall", "running\n");
  CHECK(f.valid & VIGIL__TASK_SYSCALL);
  CHECK_EQ(f.syscall_nr, VIGIL__TASK_NO_SYSCALL);
  read_put("syscall", "-1 0x7ffd 0x7f00\n");
  CHECK(f.valid & VIGIL__TASK_SYSCALL);
  CHECK_EQ(f.syscall_nr, VIGIL__TASK_NO_SYSCALL);
  read_put("syscall", "0 0x3 0x1 0x2 0x0 0x0 0x0 0x7ffd 0x7f00\n");
  CHECK(f.valid & VIGIL__TASK_SYSCALL);
  CHECK_EQ(f.syscall_nr, 0);
  read_put("syscall", "");
  CHECK_EQ(f.valid & VIGIL__TASK_SYSCALL, 0);
}

TEST(system_broken_files_are_not_valid) {
  static const char* const broken[] = {
    "", "\n", "x", "1", "1 ", "1 2", "7 (a", "7 (a)", "7 (a) ", ")))", ") ",
    "voluntary_ctxt_switches:\n", "nonvoluntary_ctxt_switches:\t4\n",
    "voluntary_ctxt_switches", "-", "- 1 2"
  };
  size_t i;

  for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
    put("schedstat", broken[i]);
    put("stat", broken[i]);
    put("syscall", i % 2 ? "run" : "");
    put("status", broken[i]);
    read_put("wchan", "0");
    CHECK_EQ(f.valid, VIGIL__TASK_WCHAN);
    CHECK_STR(f.wchan, "");
  }
  /* Cut in the middle: what is whole counts. */
  put("stat", "7 (a) S 1 1 1 0 -1 4 1 2 33 4 150");
  read_put("schedstat", "99999999999999999999999 18446744073709551615 1");
  CHECK_EQ(f.valid, VIGIL__TASK_CPU | VIGIL__TASK_DELAY | VIGIL__TASK_STATE |
                        VIGIL__TASK_FAULTS | VIGIL__TASK_WCHAN);
  CHECK(f.cpu_ns == UINT64_MAX);
  CHECK(f.run_delay_ns == UINT64_MAX);
}

TEST(system_wchan_is_cut) {
  read_put("wchan", "a_function_with_a_name_of_more_than_32_letters");
  CHECK_STR(f.wchan, "a_function_with_a_name_of_more_");
}

TEST(system_missing_files_are_said_once) {
  struct said said = { 0 };
  struct vigil__missing missing = { .say = say, .arg = &said };
  const int fds = test_open_fds();

  put("schedstat", "1 2 3\n");
  CHECK_EQ(vigil__task_open(&task, test_dir(), 7, &missing), 0);
  CHECK_EQ(said.count, 4);
  CHECK(strstr(said.what[1], "syscall") != NULL);
  vigil__task_close(&task);
  CHECK_EQ(vigil__task_open(&task, test_dir(), 7, &missing), 0);
  CHECK_EQ(said.count, 4);
  vigil__task_close(&task);
  vigil__task_close(&task);
  /* No such thread: nothing is said. */
  missing.said = 0;
  CHECK_EQ(vigil__task_open(&task, test_dir(), 8, &missing), -ESRCH);
  CHECK_EQ(said.count, 4);
  CHECK_EQ(test_open_fds(), fds);
}

TEST(system_busy_thread_uses_cpu) {
  uint64_t before;
  volatile unsigned spin = 0;

  CHECK_EQ(vigil__task_open(&task, "", (pid_t) syscall(SYS_gettid), NULL), 0);
  CHECK_EQ(vigil__task_read(&task, VIGIL__TASK_ALL, &f), 0);
  CHECK(f.valid & VIGIL__TASK_CPU);
  CHECK_EQ(f.state, 'R');
  before = f.cpu_ns;
  do {
    unsigned i;

    for (i = 0; i < 1000000; i++)
      spin = spin + 1;
    CHECK_EQ(vigil__task_read(&task, VIGIL__TASK_CPU, &f), 0);
  } while (f.cpu_ns < before + 20 * VIGIL__MS);
}

/* A thread that does one thing until it is told to end. */
struct other {
  pthread_t thread;
  atomic_int tid;
  int pipe[2];
};

static void* block(void* arg) {
  struct other* o = arg;
  char c;

  atomic_store(&o->tid, (int) syscall(SYS_gettid));
  CHECK(read(o->pipe[0], &c, 1) == 1);
  return NULL;
}

TEST(system_blocked_thread_and_its_end) {
  struct other o = { .tid = 0 };
  int r;

  CHECK(pipe(o.pipe) == 0);
  CHECK(pthread_create(&o.thread, NULL, block, &o) == 0);
  while (atomic_load(&o.tid) == 0)
    sched_yield();
  CHECK_EQ(vigil__task_open(&task, "", atomic_load(&o.tid), NULL), 0);
  do
    CHECK_EQ(vigil__task_read(&task, VIGIL__TASK_ALL, &f), 0);
  while (f.state != 'S');
  CHECK_EQ(vigil__task_read(&task, VIGIL__TASK_ALL, &f), 0);
  if ((f.valid & VIGIL__TASK_SYSCALL) != 0)
    CHECK_EQ(f.syscall_nr, SYS_read);
  else
    printf("# skipped: this kernel does not tell of system calls\n");

  /* Kept open, it can never be another thread. */
  CHECK(write(o.pipe[1], "x", 1) == 1);
  CHECK(pthread_join(o.thread, NULL) == 0);
  do
    r = vigil__task_read(&task, VIGIL__TASK_ALL, &f);
  while (r == 0);
  CHECK_EQ(r, -ESRCH);
}

/* /proc/self of the root is another process, which is stopped: it uses no CPU
 * and does not wait for one either. */
TEST(system_stopped_process) {
  char target[64];
  char path[512];
  uint64_t delay;
  int status;
  pid_t child = fork();

  CHECK(child >= 0);
  if (child == 0)
    for (;;) {
    }
  CHECK(kill(child, SIGSTOP) == 0);
  CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
  snprintf(path, sizeof(path), "%s/proc", test_dir());
  CHECK(mkdir(path, 0777) == 0);
  snprintf(target, sizeof(target), "/proc/%d", (int) child);
  snprintf(path, sizeof(path), "%s/proc/self", test_dir());
  CHECK(symlink(target, path) == 0);
  CHECK_EQ(vigil__task_open(&task, test_dir(), child, NULL), 0);
  CHECK_EQ(vigil__task_read(&task, VIGIL__TASK_ALL, &f), 0);
  CHECK_EQ(f.state, 'T');
  delay = f.run_delay_ns;
  usleep(20000);
  CHECK_EQ(vigil__task_read(&task, VIGIL__TASK_ALL, &f), 0);
  CHECK_EQ(f.run_delay_ns, delay);
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
}

static uint64_t fake[6];
static unsigned calls;
static int fail_at = -1;

static int fake_clock(clockid_t id, struct timespec* ts) {
  const uint64_t ns = fake[calls % 6];

  CHECK_EQ(id, calls % 3 == 1 ? CLOCK_BOOTTIME : CLOCK_MONOTONIC);
  if ((int) calls++ == fail_at) {
    errno = EINVAL;
    return -1;
  }
  ts->tv_sec = (time_t) (ns / VIGIL__SEC);
  ts->tv_nsec = (long) (ns % VIGIL__SEC);
  return 0;
}

TEST(system_suspended_time) {
  uint64_t ns = 1;

  /* The first reading lost the CPU on the way, and so does the third. */
  memcpy(fake, (uint64_t[]) {
    9 * VIGIL__SEC, 19 * VIGIL__SEC + 500 * VIGIL__MS, 10 * VIGIL__SEC,
    11 * VIGIL__SEC, 18 * VIGIL__SEC + 1000, 11 * VIGIL__SEC + 2000
  }, sizeof(fake));
  CHECK_EQ(vigil__system_suspended(fake_clock, &ns), 0);
  CHECK_EQ(ns, 7 * VIGIL__SEC);
  CHECK_EQ(calls, 9);

  calls = 0;
  fail_at = 1;
  CHECK_EQ(vigil__system_suspended(fake_clock, &ns), -EINVAL);
  CHECK_EQ(vigil__system_suspended(clock_gettime, &ns), 0);
}

TEST(system_syscall_names) {
  CHECK_STR(vigil__system_syscall(SYS_read), "read");
  CHECK_STR(vigil__system_syscall(SYS_wait4), "wait4");
  CHECK(vigil__system_syscall(-1) == NULL);
  CHECK(vigil__system_syscall(99999) == NULL);
}

TEST(system_runnable) {
  CHECK(vigil__system_runnable("") >= 1);
  CHECK_EQ(vigil__system_runnable(test_dir()), -ENOENT);
}
