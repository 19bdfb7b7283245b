/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "system.h"

#include "clock.h"
#include "os.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>        /* snprintf */
#include <stdlib.h>       /* strtoll */
#include <string.h>
#include <sys/syscall.h>  /* SYS_* */
#include <unistd.h>       /* sysconf */

static const struct {
  const char* name;
  enum vigil__missing_kind kind;
  const char* what;
} files[VIGIL__TASK_FILES] = {
  { "schedstat", VIGIL__MISSING_SCHEDSTAT,
    "schedstat: how long threads wait for a CPU" },
  { "stat", VIGIL__MISSING_STAT, "stat: state and page faults of threads" },
  { "syscall", VIGIL__MISSING_SYSCALL,
    "syscall: which one a thread is blocked in" },
  { "wchan", VIGIL__MISSING_WCHAN, "wchan: where in the kernel it sleeps" },
  { "status", VIGIL__MISSING_STATUS, "status: context switches of threads" }
};

int vigil__task_open(struct vigil__task* t,
                     const char* root,
                     pid_t tid,
                     struct vigil__missing* missing) {
  char path[64];
  bool any = false;
  int i;

  for (i = 0; i < VIGIL__TASK_FILES; i++) {
    snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int) tid,
             files[i].name);
    t->fd[i] = vigil__procfs_open(root, path);
    any |= t->fd[i] >= 0;
  }
  if (!any)
    return -ESRCH;
  for (i = 0; i < VIGIL__TASK_FILES; i++) {
    if (t->fd[i] >= 0)
      continue;
    vigil__missing_say(missing, files[i].kind, files[i].what, t->fd[i]);
    t->fd[i] = -1;
  }
  return 0;
}

void vigil__task_close(struct vigil__task* t) {
  int i;

  for (i = 0; i < VIGIL__TASK_FILES; i++) {
    if (t->fd[i] >= 0)
      vigil__os.close(t->fd[i]);
    t->fd[i] = -1;
  }
}

/* "<ns on a CPU> <ns runnable> <time slices>". A kernel that does not account
 * them gives zeros, also for a thread that has run. */
static void parse_schedstat(const char* s, struct vigil__task_figures* f) {
  uint64_t cpu;
  uint64_t delay;
  uint64_t slices;

  if (!vigil__procfs_u64(&s, &cpu) || !vigil__procfs_u64(&s, &delay) ||
      !vigil__procfs_u64(&s, &slices) || (cpu == 0 && slices == 0))
    return;
  f->cpu_ns = cpu;
  f->run_delay_ns = delay;
  f->valid |= VIGIL__TASK_CPU | VIGIL__TASK_DELAY;
}

/* Field 1 of `s` is the state, which is number 3 of the file. */
static bool stat_field(const char* s, unsigned number, uint64_t* value) {
  for (; number > 1; number--) {
    s = strchr(s, ' ');
    if (s == NULL)
      return false;
    s++;
  }
  return vigil__procfs_u64(&s, value);
}

static void parse_stat(const char* s, struct vigil__task_figures* f) {
  const long hertz = sysconf(_SC_CLK_TCK);
  uint64_t user;
  uint64_t kernel;

  s = strrchr(s, ')');  /* The name before it may hold anything. */
  if (s == NULL || s[1] != ' ' || s[2] == '\0')
    return;
  s += 2;
  f->state = *s;
  f->valid |= VIGIL__TASK_STATE;
  if (stat_field(s, 10, &f->major_faults))
    f->valid |= VIGIL__TASK_FAULTS;
  if ((f->valid & VIGIL__TASK_CPU) != 0 || hertz <= 0 ||
      !stat_field(s, 12, &user) || !stat_field(s, 13, &kernel))
    return;
  f->cpu_ns = (user + kernel) * (VIGIL__SEC / (uint64_t) hertz);
  f->valid |= VIGIL__TASK_CPU;
}

/* "running", or "-1 <sp> <pc>", or "<nr> <six arguments> <sp> <pc>". */
static void parse_syscall(const char* s, struct vigil__task_figures* f) {
  char* end;

  f->syscall_nr = strtoll(s, &end, 10);
  if (end == s) {
    if (strncmp(s, "running", 7) != 0)
      return;
    f->syscall_nr = VIGIL__TASK_NO_SYSCALL;
  }
  f->valid |= VIGIL__TASK_SYSCALL;
}

static void parse_wchan(const char* s, struct vigil__task_figures* f) {
  size_t len = strcspn(s, "\n");

  if (len == 1 && *s == '0')
    len = 0;
  if (len >= sizeof(f->wchan))
    len = sizeof(f->wchan) - 1;
  memcpy(f->wchan, s, len);
  f->wchan[len] = '\0';
  f->valid |= VIGIL__TASK_WCHAN;
}

static void parse_status(const char* s, struct vigil__task_figures* f) {
  if (vigil__procfs_key(s, "voluntary_ctxt_switches", &f->voluntary) &&
      vigil__procfs_key(s, "nonvoluntary_ctxt_switches", &f->involuntary))
    f->valid |= VIGIL__TASK_SWITCHES;
}

int vigil__task_read(const struct vigil__task* t,
                     unsigned want,
                     struct vigil__task_figures* f) {
  /* In the order of the files. Not const: stat stands in for schedstat. */
  unsigned gives[VIGIL__TASK_FILES] = {
    VIGIL__TASK_CPU | VIGIL__TASK_DELAY,
    VIGIL__TASK_STATE | VIGIL__TASK_FAULTS,
    VIGIL__TASK_SYSCALL,
    VIGIL__TASK_WCHAN,
    VIGIL__TASK_SWITCHES
  };
  static void (*const parse[VIGIL__TASK_FILES])(
      const char* s, struct vigil__task_figures* f) = {
    parse_schedstat, parse_stat, parse_syscall, parse_wchan, parse_status
  };
  char buf[8192];
  int i;

  memset(f, 0, sizeof(*f));
  f->syscall_nr = VIGIL__TASK_NO_SYSCALL;
  for (i = 0; i < VIGIL__TASK_FILES; i++) {
    ssize_t n = -1;

    if ((want & gives[i]) != 0 && t->fd[i] >= 0) {
      n = vigil__procfs_read(t->fd[i], buf, sizeof(buf));
      if (n == -ESRCH)
        return -ESRCH;
      if (n >= 0)
        parse[i](buf, f);
    }
    if (i == VIGIL__TASK_FILE_SCHEDSTAT && (f->valid & VIGIL__TASK_CPU) == 0)
      gives[VIGIL__TASK_FILE_STAT] |= VIGIL__TASK_CPU;
  }
  return 0;
}

const char* vigil__system_syscall(int64_t nr) {
  static const struct { long nr; const char* name; } names[] = {
    { SYS_read, "read" }, { SYS_write, "write" },
    { SYS_readv, "readv" }, { SYS_writev, "writev" },
    { SYS_pread64, "pread64" }, { SYS_pwrite64, "pwrite64" },
    { SYS_openat, "openat" }, { SYS_close, "close" },
    { SYS_fsync, "fsync" }, { SYS_fdatasync, "fdatasync" },
    { SYS_flock, "flock" }, { SYS_fcntl, "fcntl" }, { SYS_ioctl, "ioctl" },
    { SYS_ftruncate, "ftruncate" }, { SYS_fallocate, "fallocate" },
    { SYS_sendfile, "sendfile" }, { SYS_splice, "splice" },
    { SYS_copy_file_range, "copy_file_range" },
    { SYS_getdents64, "getdents64" }, { SYS_statx, "statx" },
    { SYS_unlinkat, "unlinkat" }, { SYS_mkdirat, "mkdirat" },
    { SYS_connect, "connect" }, { SYS_accept, "accept" },
    { SYS_accept4, "accept4" }, { SYS_sendto, "sendto" },
    { SYS_recvfrom, "recvfrom" }, { SYS_sendmsg, "sendmsg" },
    { SYS_recvmsg, "recvmsg" }, { SYS_recvmmsg, "recvmmsg" },
    { SYS_ppoll, "ppoll" }, { SYS_pselect6, "pselect6" },
    { SYS_epoll_pwait, "epoll_pwait" }, { SYS_futex, "futex" },
    { SYS_nanosleep, "nanosleep" },
    { SYS_clock_nanosleep, "clock_nanosleep" },
    { SYS_wait4, "wait4" }, { SYS_waitid, "waitid" },
    { SYS_clone, "clone" }, { SYS_execve, "execve" },
    { SYS_mmap, "mmap" }, { SYS_munmap, "munmap" },
    { SYS_mprotect, "mprotect" }, { SYS_madvise, "madvise" },
    { SYS_msync, "msync" }, { SYS_restart_syscall, "restart_syscall" },
#ifdef SYS_open  /* Older architectures only, like the rest of these. */
    { SYS_open, "open" }, { SYS_stat, "stat" }, { SYS_poll, "poll" },
    { SYS_select, "select" }, { SYS_epoll_wait, "epoll_wait" },
    { SYS_unlink, "unlink" }, { SYS_fork, "fork" }, { SYS_vfork, "vfork" }
#endif
  };
  size_t i;

  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (names[i].nr == nr)
      return names[i].name;
  return NULL;
}

int vigil__system_suspended(int (*clock)(clockid_t id, struct timespec* ts),
                            uint64_t* ns) {
  uint64_t best = UINT64_MAX;
  int tries;

  /* We may lose the CPU between two calls: keep the reading that the least
   * time passed around. */
  for (tries = 0; tries < 3 && best > VIGIL__US; tries++) {
    struct timespec before;
    struct timespec boot;
    struct timespec after;
    int64_t gap;
    int64_t width;

    if (clock(CLOCK_MONOTONIC, &before) != 0 ||
        clock(CLOCK_BOOTTIME, &boot) != 0 ||
        clock(CLOCK_MONOTONIC, &after) != 0)
      return -errno;
    width = (int64_t) (after.tv_sec - before.tv_sec) * (int64_t) VIGIL__SEC +
            (after.tv_nsec - before.tv_nsec);
    gap = (int64_t) (boot.tv_sec - before.tv_sec) * (int64_t) VIGIL__SEC +
          (boot.tv_nsec - before.tv_nsec) - width / 2;
    if (width < 0 || (uint64_t) width >= best)
      continue;
    best = (uint64_t) width;
    *ns = gap > 0 ? (uint64_t) gap : 0;
  }
  return best == UINT64_MAX ? -EAGAIN : 0;
}

int64_t vigil__system_runnable(const char* root) {
  const int fd = vigil__procfs_open(root, "/proc/loadavg");
  char buf[128];
  const char* s;
  uint64_t running;
  ssize_t n;
  int i;

  if (fd < 0)
    return fd;
  n = vigil__procfs_read(fd, buf, sizeof(buf));
  vigil__os.close(fd);
  if (n < 0)
    return n;
  s = buf;  /* "<1 min> <5 min> <15 min> <runnable>/<all> <newest pid>" */
  for (i = 0; i < 3; i++) {
    s = strchr(s, ' ');
    if (s == NULL)
      return -EINVAL;
    s++;
  }
  if (!vigil__procfs_u64(&s, &running) || *s != '/')
    return -EINVAL;
  return (int64_t) (running < INT64_MAX ? running : INT64_MAX);
}
