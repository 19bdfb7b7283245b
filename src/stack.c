/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "stack.h"

#include "os.h"
#include "stack_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>  /* snprintf */
#include <stdlib.h>  /* strtol, strtoull */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Nine numbers in /proc/.../syscall; the name of the thread and its state at
 * the beginning of /proc/.../stat. */
#define LINE 256
#define TRIES 5

enum activity {
  RUNNING,
  BLOCKED,                      /* And we know where. */
  ASLEEP,                       /* Not running; where is not known. */
  UNKNOWN
};

static ssize_t os_pread(int fd, void* to, size_t len) {
  const ssize_t r = pread(fd, to, len, 0);

  return r < 0 ? -errno : r;
}

static int os_cpu_time(clockid_t clock, struct timespec* ts) {
  return clock_gettime(clock, ts) == 0 ? 0 : -errno;
}

static int os_tgkill(pid_t tid, int signal) {
  return syscall(SYS_tgkill, getpid(), tid, signal) == 0 ? 0 : -errno;
}

static int os_sigaction(int signal,
                        const struct sigaction* set,
                        struct sigaction* get) {
  return sigaction(signal, set, get) == 0 ? 0 : -errno;
}

struct vigil__stack_os vigil__stack_os = {
  .pread = os_pread,
  .cpu_time = os_cpu_time,
  .tgkill = os_tgkill,
  .sigaction = os_sigaction,
};

/* Reads a line of /proc, terminated. */
static int read_line(int fd, char line[LINE]) {
  ssize_t r;

  memset(line, 0, LINE);
  if (fd < 0)
    return -EBADF;
  r = vigil__stack_os.pread(fd, line, LINE - 1);
  return r > 0 ? 0 : r < 0 ? (int) r : -ENODATA;
}

static int open_proc(pid_t tid, const char* name) {
  char path[64];
  char line[LINE];
  int fd;

  snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int) tid, name);
  fd = vigil__os.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  /* Some sandboxes let it be opened, but not read. */
  if (read_line(fd, line) != 0) {
    vigil__os.close(fd);
    return -1;
  }
  return fd;
}

void vigil__stack_target_init(struct vigil__stack_target* t) {
  pthread_attr_t attr;
  void* low = NULL;
  size_t size = 0;

  memset(t, 0, sizeof(*t));
  vigil__stack_signal_join(t);
  /* On the main thread these are the bounds it may grow to. */
  if (pthread_getattr_np(pthread_self(), &attr) == 0) {
    if (pthread_attr_getstack(&attr, &low, &size) == 0) {
      t->lo = (uintptr_t) low;
      t->hi = t->lo + size;
    }
    pthread_attr_destroy(&attr);
  }
  if (pthread_getcpuclockid(pthread_self(), &t->cpu_clock) != 0)
    t->cpu_clock = -1;
  t->syscall_fd = t->stat_fd = -1;
}

/* Not before somebody looks: a program that nobody watches has no descriptors
 * of ours. */
static void open_files(struct vigil__stack_target* t) {
  t->open = true;
  t->syscall_fd = open_proc(t->tid, "syscall");
  if (t->syscall_fd < 0)
    t->stat_fd = open_proc(t->tid, "stat");
}

void vigil__stack_target_close(struct vigil__stack_target* t) {
  vigil__stack_signal_leave(t);
  if (t->syscall_fd >= 0)
    vigil__os.close(t->syscall_fd);
  if (t->stat_fd >= 0)
    vigil__os.close(t->stat_fd);
  t->syscall_fd = t->stat_fd = -1;
}

/* "running", or "NUMBER ARG*6 SP PC", or "-1 SP PC" (blocked elsewhere). */
static enum activity parse_syscall(const char* line, struct vigil__stack* to) {
  char* end;
  uint64_t value[2] = { 0, 0 };
  long number;
  int n = 0;

  if (strncmp(line, "running", 7) == 0)
    return RUNNING;
  number = strtol(line, &end, 10);
  if (end == line)
    return UNKNOWN;
  for (line = end;; line = end, n++) {
    const uint64_t v = strtoull(line, &end, 16);

    if (end == line)
      break;
    value[0] = value[1];
    value[1] = v;
  }
  if (n != (number == -1 ? 2 : 8) || value[0] == 0 || value[1] == 0)
    return UNKNOWN;
  to->syscall = (int) number;
  to->sp = value[0];
  to->pc = value[1];
  return BLOCKED;
}

/* What the thread does. `line` gets what was read, to see later whether it is
 * still the same. */
static enum activity look(const struct vigil__stack_target* t,
                          char line[LINE],
                          struct vigil__stack* to) {
  const char* name_end;

  if (read_line(t->syscall_fd, line) == 0)
    return parse_syscall(line, to);
  if (read_line(t->stat_fd, line) != 0)
    return UNKNOWN;
  name_end = strrchr(line, ')');
  if (name_end == NULL || name_end[1] != ' ')
    return UNKNOWN;
  return name_end[2] == 'R' ? RUNNING : ASLEEP;
}

/* CPU time of the thread, to the ns; it stands still as long as the thread is
 * blocked. Always 0 where it is not known. */
static uint64_t cpu_ns(const struct vigil__stack_target* t) {
  struct timespec ts = { 0, 0 };

  if (vigil__stack_os.cpu_time(t->cpu_clock, &ts) != 0)
    return 0;
  return (uint64_t) ts.tv_sec * VIGIL__SEC + (uint64_t) ts.tv_nsec;
}

int vigil__stack_take(struct vigil__stack_target* t,
                      struct vigil__stack* to,
                      uint64_t timeout_ns) {
  char line[LINE];
  char again[LINE];
  uint64_t ran;
  int i;

  if (!t->open)
    open_files(t);
  for (i = 0; i < TRIES; i++) {
    memset(to, 0, offsetof(struct vigil__stack, bytes));
    ran = cpu_ns(t);
    switch (look(t, line, to)) {
      case RUNNING:
      case UNKNOWN:
        return vigil__stack_signal_take(t, to, timeout_ns);
      case ASLEEP:
        return -ENOTSUP;
      case BLOCKED:
        break;
    }
    to->how = VIGIL__STACK_IN_SYSCALL;
    vigil__stack_slice(to, t->lo, t->hi, false);
    /* It did not move if the kernel still says the same, arguments included,
     * and it did not run: it may be back at the same call. */
    if (read_line(t->syscall_fd, again) == 0 && strcmp(line, again) == 0 &&
        cpu_ns(t) == ran)
      return 0;
  }
  return -EAGAIN;
}
