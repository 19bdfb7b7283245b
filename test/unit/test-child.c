/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "child.h"
#include "os.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MB (UINT64_C(1) << 20)

/* Its digest is nobody's business here. */
static int contexts;

static void* sha_begin(void) {
  contexts++;
  return &contexts;
}

static int sha_update(void* ctx, const void* data, size_t len) {
  (void) ctx, (void) data, (void) len;
  return 0;
}

static int sha_end(void* ctx, uint8_t digest[32]) {
  (void) ctx;
  contexts--;
  if (digest != NULL)
    memset(digest, 0xab, 32);
  return 0;
}

static const struct vigil__sha256 sha = { sha_begin, sha_update, sha_end };

static struct vigil__artifact_dir dir;
static struct vigil__artifact a;
static struct vigil__child c;
static struct vigil__child_end end;

/* A child that shall do `fill`, for at most a minute. */
static void open_child(int (*fill)(void* what, vigil__sink sink, void* arg)) {
  static struct vigil__artifact_file* f;

  if (a.dir == NULL) {
    CHECK_EQ(vigil__artifact_dir_open(&dir, test_dir(), &sha), 0);
    CHECK_EQ(vigil__artifact_begin(&a, &dir, UINT64_C(1) << 60, 42), 0);
  }
  CHECK_EQ(vigil__artifact_file_open(&a, "heap", MB, &f), 0);
  CHECK_EQ(vigil__child_open(&c, f), 0);
  c.memory = UINT64_MAX;
  c.time_ns = 60 * VIGIL__SEC;
  c.fill = fill;
  c.what = &c;
}

static void start_child(int (*fill)(void* what, vigil__sink sink, void* arg)) {
  pid_t pid;

  open_child(fill);
  pid = vigil__child_fork(&c);
  if (pid == 0)
    vigil__child_run(&c);
  CHECK_OP(pid, >, 0);
  CHECK_EQ(c.pid, pid);
}

static void wait_child(void) {
  int r;

  while ((r = vigil__child_poll(&c, vigil__os.mono(), &end)) == -EAGAIN)
    usleep(1000);
  CHECK_EQ(r, 0);
}

/* Waits for the last thing that it does to itself. */
static void wait_settled(void) {
  char path[64];
  char text[4096];
  ssize_t n;
  int fd;

  snprintf(path, sizeof(path), "/proc/%d/status", (int) c.pid);
  do {
    usleep(1000);
    fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    CHECK_OP(n, >, 0);
    text[n] = '\0';
  } while (strstr(text, "\nSeccomp:\t2\n") == NULL);
  CHECK(strncmp(text, "Name:\tvigil-heap\n", 17) == 0);
}

/* Of the folder: 1 or 0, whether the file is there. */
static int files(void) {
  DIR* d = fdopendir(dup(a.fd));
  struct dirent* e;
  int n = 0;

  CHECK(d != NULL);
  rewinddir(d);
  while ((e = readdir(d)) != NULL)
    n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

/* It is over, nothing is left of it, and `error` is why there is no file. */
static void check_end(int error, int signal) {
  CHECK_EQ(end.error, error);
  CHECK_EQ(end.signal, signal);
  CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
  CHECK_EQ(errno, ECHILD);
  CHECK_EQ(contexts, 0);
  CHECK_EQ(files(), error == 0);
  vigil__child_close(&c);
  CHECK_EQ(files(), error == 0);
  vigil__artifact_abort(&a);
  vigil__artifact_dir_close(&dir);
  a.dir = NULL;
}

static int write_some(void* what, vigil__sink sink, void* arg) {
  int r = 0;
  int i;

  (void) what;
  for (i = 0; i < 100 && r == 0; i++)
    r = sink(arg, "0123456789", 10);
  return r;
}

static int hang(void* what, vigil__sink sink, void* arg) {
  const struct timespec rest = { 60, 0 };

  (void) what;
  sink(arg, "some", 4);
  nanosleep(&rest, NULL);
  return 0;
}

TEST(child_writes_its_file) {
  const int fds = test_open_fds();
  char text[16];
  int fd;

  start_child(write_some);
  wait_child();
  CHECK_EQ(end.error, 0);
  CHECK(!end.late);
  CHECK_OP(end.ns, >, 0);
  CHECK_OP(end.own_bytes, >, 0);
  CHECK(c.file->complete);
  CHECK_EQ(c.file->bytes, 1000);
  CHECK_STR(c.file->sha256, "abababababababababababababababab"
                            "abababababababababababababababab");
  fd = openat(a.fd, "heap", O_RDONLY);
  CHECK_EQ(pread(fd, text, sizeof(text), 995), 5);
  CHECK(memcmp(text, "56789", 5) == 0);
  close(fd);
  check_end(0, 0);
  CHECK_EQ(test_open_fds(), fds);
}

static int fail(void* what, vigil__sink sink, void* arg) {
  (void) what;
  sink(arg, "some", 4);
  return -ENOMEM;
}

/* As V8 does when it cannot go on. */
static int fail_from_anywhere(void* what, vigil__sink sink, void* arg) {
  sink(arg, "some", 4);
  vigil__child_fail(what, -EFAULT);
}

/* The file has a limit. */
static int write_much(void* what, vigil__sink sink, void* arg) {
  int i;

  for (i = 0; i < 20; i++)
    write_some(what, sink, arg);
  while (i-- > 0) {
    static const char chunk[MB / 8];
    const int r = sink(arg, chunk, sizeof(chunk));

    if (r != 0)
      return r;
  }
  return 0;
}

TEST(child_says_why_it_failed) {
  const int fds = test_open_fds();

  start_child(fail);
  wait_child();
  check_end(-ENOMEM, 0);
  start_child(fail_from_anywhere);
  wait_child();
  check_end(-EFAULT, 0);
  start_child(write_much);
  wait_child();
  check_end(-EFBIG, 0);
  CHECK_EQ(test_open_fds(), fds);
}

TEST(child_that_hangs_is_ended_at_its_deadline) {
  start_child(hang);
  c.time_ns = VIGIL__SEC;
  CHECK_EQ(vigil__child_poll(&c, c.forked, &end), -EAGAIN);
  CHECK_EQ(vigil__child_poll(&c, c.forked + VIGIL__SEC, &end), -EAGAIN);
  CHECK_EQ(kill(c.pid, 0), 0);
  while (vigil__child_poll(&c, c.forked + VIGIL__SEC + 1, &end) == -EAGAIN)
    usleep(1000);
  CHECK(end.late);
  CHECK_EQ(end.ns, VIGIL__SEC + 1);
  check_end(-ECANCELED, SIGKILL);
}

/* Should nobody look: it has an alarm clock, 5 s later. */
TEST(child_has_an_alarm_of_its_own) {
  open_child(hang);
  c.time_ns = 1;
  if (vigil__child_fork(&c) == 0)
    vigil__child_run(&c);
  /* Before the parent's own clock says so. */
  while (vigil__child_poll(&c, c.forked, &end) == -EAGAIN)
    usleep(10000);
  CHECK(end.late);
  check_end(-ECANCELED, SIGALRM);
}

static int crash(void* what, vigil__sink sink, void* arg) {
  (void) what, (void) sink, (void) arg;
  __builtin_trap();
}

TEST(child_that_dies_is_told_by_its_signal) {
  static const int signals[] = { SIGKILL, SIGSEGV, SIGTERM, SIGUSR1 };
  size_t i;

  for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
    start_child(hang);
    wait_settled();
    CHECK_EQ(kill(c.pid, signals[i]), 0);
    wait_child();
    CHECK(!end.late);
    check_end(-ECANCELED, signals[i]);
  }
  start_child(crash);
  wait_child();
  CHECK(!end.late);
  CHECK(end.signal == SIGILL || end.signal == SIGTRAP);
  check_end(-ECANCELED, end.signal);
}

static void on_signal(int s) {
  (void) s;
  _exit(3);
}

/* What the program does with signals ends with the fork. */
TEST(child_has_no_handlers_and_no_mask) {
  const struct sigaction ours = { .sa_handler = on_signal };
  sigset_t set;

  sigaction(SIGTERM, &ours, NULL);
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  start_child(hang);
  /* It may be about to drop them. */
  while (vigil__child_poll(&c, c.forked, &end) == -EAGAIN) {
    kill(c.pid, SIGTERM);
    usleep(1000);
  }
  check_end(-ECANCELED, SIGTERM);
}

TEST(child_is_killed_on_demand) {
  start_child(hang);
  vigil__child_kill(&c);
  wait_child();
  CHECK(!end.late);
  check_end(-ECANCELED, SIGKILL);
  vigil__child_kill(&c);  /* Too late to do harm. */
}

/* ---- the process has its own way with children */

TEST(child_whose_status_the_kernel_drops) {
  signal(SIGCHLD, SIG_IGN);
  start_child(write_some);
  wait_child();
  check_end(0, 0);
  start_child(fail);
  wait_child();
  check_end(-ENOMEM, 0);
  /* All that can be known is that it did not say that it was done. */
  start_child(hang);
  wait_settled();
  kill(c.pid, SIGSEGV);
  wait_child();
  check_end(-ECANCELED, 0);
}

TEST(child_whose_status_somebody_took) {
  start_child(write_some);
  CHECK_EQ(waitpid(-1, NULL, 0), c.pid);
  wait_child();
  check_end(0, 0);
  start_child(hang);
  wait_settled();
  kill(c.pid, SIGSEGV);
  CHECK_EQ(waitpid(-1, NULL, 0), c.pid);
  wait_child();
  check_end(-ECANCELED, 0);
}

static void drop_pidfd(void) {
  close(c.pidfd);
  c.pidfd = -1;
}

TEST(child_without_a_pidfd) {
  start_child(write_some);
  drop_pidfd();
  wait_child();
  check_end(0, 0);
  start_child(hang);
  drop_pidfd();
  CHECK_EQ(vigil__child_poll(&c, c.forked, &end), -EAGAIN);
  vigil__child_kill(&c);
  wait_child();
  check_end(-ECANCELED, SIGKILL);
  start_child(write_some);
  drop_pidfd();
  CHECK_EQ(waitpid(-1, NULL, 0), c.pid);
  wait_child();
  check_end(0, 0);
}

TEST(child_that_was_never_forked) {
  const int fds = test_open_fds();

  open_child(hang);
  CHECK_EQ(files(), 1);
  vigil__child_close(&c);
  CHECK_EQ(files(), 0);
  CHECK_EQ(contexts, 0);
  vigil__child_close(&c);
  vigil__child_kill(&c);
  vigil__artifact_abort(&a);
  vigil__artifact_dir_close(&dir);
  CHECK_EQ(test_open_fds(), fds);
}

TEST(child_cannot_be_forked) {
  const struct rlimit none = { 0, 0 };

  open_child(hang);
  /* Root is free of the limit. */
  CHECK_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
  CHECK(geteuid() != 0 || setuid(54321) == 0);
  CHECK_EQ(vigil__child_fork(&c), -EAGAIN);
  CHECK_EQ(c.pid, 0);
  vigil__child_close(&c);
  CHECK_EQ(contexts, 0);
  /* The sanitizer cannot look for leaks in a process that was another user's. */
  _exit(0);
}

/* ---- what it is */

/* As many bytes as there are, once somebody writes or all others have closed. */
static ssize_t read_end(int fd) {
  char byte;

  return read(fd, &byte, 1);
}

TEST(child_holds_nothing_of_its_parent) {
  int pipes[2];
  int pair[2];
  int lock = open(test_dir(), O_RDONLY | O_DIRECTORY);

  CHECK_EQ(pipe(pipes), 0);
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  CHECK_EQ(flock(lock, LOCK_EX), 0);
  start_child(hang);
  close(pipes[1]);
  close(pair[1]);
  close(lock);
  CHECK_EQ(read_end(pipes[0]), 0);
  CHECK_EQ(read_end(pair[0]), 0);
  lock = open(test_dir(), O_RDONLY | O_DIRECTORY);
  CHECK_EQ(flock(lock, LOCK_EX), 0);
  /* All of that while it lives. */
  CHECK_EQ(vigil__child_poll(&c, c.forked, &end), -EAGAIN);
  CHECK_EQ(kill(c.pid, 0), 0);
  vigil__child_kill(&c);
  wait_child();
  check_end(-ECANCELED, SIGKILL);
}

/* The number of the first thing that it can do and should not, as an error. */
static int try_all(void* what, vigil__sink sink, void* arg) {
  (void) what, (void) sink, (void) arg;
  if (open("/dev/null", O_RDONLY) >= 0 || errno != EPERM)
    return -1;
  if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM)
    return -2;
  if (kill(getppid(), 0) == 0 || errno != EPERM)
    return -3;
  if (syscall(SYS_fork) >= 0 || errno != EPERM)
    return -4;
  if (unlink("/nowhere/at/all") == 0 || errno != EPERM)
    return -5;
  if (prctl(PR_SET_NAME, "other") == 0 || errno != EPERM)
    return -6;
  /* But it does what it is for. */
  return sink(arg, "done", 4);
}

TEST(child_can_do_nothing_that_others_would_see) {
  start_child(try_all);
  wait_child();
  check_end(0, 0);
}

/* A lock of a thread that is not there. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int wait_for_lock(void* what, vigil__sink sink, void* arg) {
  (void) what;
  sink(arg, "some", 4);
  pthread_mutex_lock(&lock);
  return 0;
}

static int wake_others(void* what, vigil__sink sink, void* arg) {
  static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  static uint32_t word;

  (void) what;
  pthread_cond_broadcast(&cond);
  if (syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) < 0)
    return -errno;
  return sink(arg, "done", 4);
}

TEST(child_ends_where_it_would_wait_for_ever) {
  CHECK_EQ(pthread_mutex_lock(&lock), 0);
  start_child(wait_for_lock);
  wait_child();
  check_end(-EDEADLK, 0);
  start_child(wake_others);
  wait_child();
  check_end(0, 0);
}

/* A little more than nothing, and then much. */
static int allocate(void* what, vigil__sink sink, void* arg) {
  void* at = mmap(NULL, 16 * MB, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  (void) what, (void) sink, (void) arg;
  if (at == MAP_FAILED)
    return -EINVAL;
  at = mmap(NULL, 64 * MB, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? -errno : 0;
}

TEST(child_gets_the_memory_it_may_have) {
  open_child(allocate);
  c.memory = 64 * MB;
  if (vigil__child_fork(&c) == 0)
    vigil__child_run(&c);
  wait_child();
  check_end(-ENOMEM, 0);
  start_child(allocate);
  wait_child();
  check_end(0, 0);
}

TEST(child_is_nice_but_when_its_parent_waits) {
  const int ours = getpriority(PRIO_PROCESS, 0);
  int i;

  for (i = 0; i < 2; i++) {
    open_child(hang);
    c.urgent = i == 1;
    if (vigil__child_fork(&c) == 0)
      vigil__child_run(&c);
    wait_settled();
    CHECK_EQ(getpriority(PRIO_PROCESS, (id_t) c.pid), c.urgent ? ours : 10);
    CHECK_EQ(syscall(SYS_ioprio_get, 1, c.pid) >> 13 == 3, !c.urgent);
    vigil__child_kill(&c);
    wait_child();
    check_end(-ECANCELED, SIGKILL);
  }
}

/* A parent that is gone is no reason to go on. */
TEST(child_ends_with_its_parent) {
  int pipes[2];
  int status;
  pid_t parent;
  pid_t pid;

  /* So that it becomes ours to wait for. */
  CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  CHECK_EQ(pipe(pipes), 0);
  parent = fork();
  CHECK(parent >= 0);
  if (parent == 0) {
    start_child(hang);
    wait_settled();
    _exit(write(pipes[1], &c.pid, sizeof(c.pid)) != sizeof(c.pid));
  }
  CHECK_EQ(waitpid(parent, &status, 0), parent);
  CHECK_EQ(status, 0);
  CHECK_EQ(read(pipes[0], &pid, sizeof(pid)), sizeof(pid));
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFSIGNALED(status));
  CHECK_EQ(WTERMSIG(status), SIGKILL);
}
