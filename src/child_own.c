/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "child_own.h"

#include "os.h"
#include "procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>        /* offsetof */
#include <stdlib.h>        /* strtol */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int rollup = -1;

static void put(const char* path, const char* text, size_t len) {
  const int fd = vigil__os.openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);

  if (fd < 0)
    return;
  vigil__os.write(fd, text, len);
  vigil__os.close(fd);
}

/* Handlers are the program's, and some write to pipes that both share. */
static void drop_signals(void) {
  const struct sigaction standard = { .sa_handler = SIG_DFL };
  const struct sigaction ignore = { .sa_handler = SIG_IGN };
  sigset_t none;
  int s;

  for (s = 1; s < NSIG; s++)
    sigaction(s, s == SIGPIPE || s == SIGXFSZ ? &ignore : &standard, NULL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A crash of the parent must free its ports, files and locks at once. The
 * numbers stay taken, by /dev/null: destructors of native objects that a
 * collection runs here may write, and libuv aborts when that fails. */
static void drop_descriptors(int file) {
  const int null = vigil__os.openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC,
                                    0);
  const int list = vigil__os.openat(AT_FDCWD, "/proc/self/fd",
                                    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  _Alignas(8) char buf[4096];
  struct entry {
    uint64_t ino;
    int64_t off;
    unsigned short len;
    unsigned char type;
    char name[];
  }* e;
  long n;
  long at;

  if (list < 0 || null < 0) {
    close_range(0, (unsigned) file - 1, 0);
    close_range((unsigned) file + 1, ~0u, 0);
    return;
  }
  /* Not readdir(): no allocation before it is known to be safe. */
  while ((n = syscall(SYS_getdents64, list, buf, sizeof(buf))) > 0) {
    for (at = 0; at < n; at += e->len) {
      e = (struct entry*) (buf + at);
      const int fd = (int) strtol(e->name, NULL, 10);

      if (e->name[0] == '.' || fd == file || fd == null || fd == list ||
          fd == rollup)
        continue;
      if (dup2(null, fd) < 0)
        vigil__os.close(fd);
    }
  }
  vigil__os.close(list);
}

static struct vigil__child* self;

/* To wait for a lock is to wait for ever: who holds it is not here. */
static void on_wait(int signal) {
  (void) signal;
  vigil__child_fail(self, -EDEADLK);
}

/* What a snapshot needs of the kernel, and nothing by which the rest of the
 * world could tell that the child exists. Anything else fails with EPERM. */
static void drop_abilities(void) {
#define ALLOW(name)                                                           \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                    \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
  static struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(read), ALLOW(write), ALLOW(pread64), ALLOW(lseek), ALLOW(fsync),
    ALLOW(close), ALLOW(fstat), ALLOW(mmap), ALLOW(munmap), ALLOW(mremap),
    ALLOW(mprotect), ALLOW(madvise), ALLOW(brk),
    ALLOW(sched_yield), ALLOW(sched_getaffinity), ALLOW(clock_gettime),
    ALLOW(clock_nanosleep), ALLOW(nanosleep), ALLOW(gettimeofday),
    ALLOW(getpid), ALLOW(getppid), ALLOW(gettid), ALLOW(getrandom),
    ALLOW(getrusage), ALLOW(sysinfo), ALLOW(rt_sigaction),
    ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn), ALLOW(sigaltstack),
    ALLOW(restart_syscall),
    ALLOW(exit), ALLOW(exit_group),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
             offsetof(struct seccomp_data, args[1])),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (unsigned) FUTEX_CMD_MASK),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE_BITSET, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
  };
  const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
  const struct sigaction action = { .sa_handler = on_wait };

  sigaction(SIGSYS, &action, NULL);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* Lets it take `more` bytes beside what it has, so that a wrong estimate ends
 * the child, and not whom the kernel likes. */
static void limit_memory(uint64_t more) {
  struct rlimit limit = { 0, 0 };
  uint64_t kb = 0;
  char buf[4096];
  int fd;

  setrlimit(RLIMIT_CORE, &limit);
  if (more == UINT64_MAX)
    return;
  fd = vigil__procfs_open("", "/proc/self/status");
  if (fd < 0)
    return;
  if (vigil__procfs_read(fd, buf, sizeof(buf)) > 0 &&
      vigil__procfs_key(buf, "VmData", &kb)) {
    limit.rlim_cur = limit.rlim_max = (rlim_t) (kb * 1024 + more);
    setrlimit(RLIMIT_DATA, &limit);
  }
  vigil__os.close(fd);
}

void vigil__child_settle(struct vigil__child* c,
                         pid_t parent,
                         bool main_thread) {
  self = c;
  drop_signals();
  /* It comes when the thread that forked ends, so not for that of a Worker. */
  if (main_thread)
    prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent)
    _exit(1);
  /* The parent watches too; this is for when it cannot. */
  alarm((unsigned) (c->time_ns / VIGIL__SEC) + 5);
  prctl(PR_SET_NAME, "vigil-heap");
  if (!c->urgent) {
    if (getpriority(PRIO_PROCESS, 0) < 10)
      setpriority(PRIO_PROCESS, 0, 10);
    syscall(SYS_ioprio_set, 1 /* process */, 0, 3 << 13 /* idle */);
  }
  put("/proc/self/oom_score_adj", "1000", 4);
  limit_memory(c->memory);
  rollup = vigil__procfs_open("", "/proc/self/smaps_rollup");
  drop_descriptors(c->file->fd);
  drop_abilities();
}

uint64_t vigil__child_own_bytes(void) {
  char buf[4096];
  uint64_t clean = 0;
  uint64_t dirty = 0;

  if (rollup < 0 || vigil__procfs_read(rollup, buf, sizeof(buf)) <= 0)
    return 0;
  vigil__procfs_key(buf, "Private_Clean", &clean);
  vigil__procfs_key(buf, "Private_Dirty", &dirty);
  return (clean + dirty) * 1024;
}
