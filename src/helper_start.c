/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "helper_start.h"

#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>         /* clone */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>        /* strtol */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK (64u << 10)
#define FIRST 10           /* Above the numbers that it shall have. */
#define KEPT 4             /* Input, two outputs, lock. */
#define FULL_MASK 8        /* Bytes of the kernel's signal sets. */

struct start {
  const struct vigil__helper_order* order;
  int in;
  int out;
  int error;               /* Of the child, in memory that both share. */
};

/* ---- the child: in the memory of the parent, whose thread waits. Nothing here
 * may take a lock or allocate. It leaves its stack without a return, which
 * AddressSanitizer would hold against the next one there. */
#define IN_CHILD __attribute__((no_sanitize_address)) static

/* Blocked ones are let in last, when no handler is left that would run here. */
IN_CHILD void standard_signals(void) {
  const struct sigaction standard = { .sa_handler = SIG_DFL };
  int s;

  for (s = 1; s < NSIG; s++)
    sigaction(s, &standard, NULL);
}

/* The kernel before 5.9 has no close_range(). */
IN_CHILD void close_listed(void) {
  const int list = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
  int fd;

  while (list >= 0 &&
         (n = syscall(SYS_getdents64, list, buf, sizeof(buf))) > 0) {
    for (at = 0; at < n; at += e->len) {
      e = (struct entry*) (buf + at);
      fd = e->name[0] == '.' ? -1 : (int) strtol(e->name, NULL, 10);
      /* At exec, so that the list stays as it is. */
      if (fd >= KEPT)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  }
}

IN_CHILD int put(int fd, int as) {
  return fd < 0 ? fd : dup2(fd, as);
}

IN_CHILD int settle_descriptors(const struct start* s) {
  const int lock = s->order->lock;
  const int from[KEPT] = {
    fcntl(s->in, F_DUPFD_CLOEXEC, FIRST),
    fcntl(s->out, F_DUPFD_CLOEXEC, FIRST),
    fcntl(s->out, F_DUPFD_CLOEXEC, FIRST),
    lock < 0 ? -1 : fcntl(lock, F_DUPFD_CLOEXEC, FIRST)
  };
  int i;

  if (fchdir(s->order->dir) != 0)
    return -errno;
  for (i = 0; i < KEPT; i++)
    if (put(from[i], i) < 0 && (i != 3 || lock >= 0))
      return -errno;
  if (lock < 0)
    close(3);
  if (syscall(SYS_close_range, KEPT, ~0u, 0) != 0)
    close_listed();
  return 0;
}

IN_CHILD void settle(const struct vigil__helper_order* order) {
  struct rlimit limit = { 0, 0 };

  setsid();
  setrlimit(RLIMIT_CORE, &limit);
  if (order->data_bytes != 0 && getrlimit(RLIMIT_DATA, &limit) == 0 &&
      limit.rlim_max > order->data_bytes) {
    limit.rlim_cur = limit.rlim_max = (rlim_t) order->data_bytes;
    setrlimit(RLIMIT_DATA, &limit);
  }
  alarm(order->seconds);
}

IN_CHILD void lower_priority(void) {
  if (getpriority(PRIO_PROCESS, 0) < 10)
    setpriority(PRIO_PROCESS, 0, 10);
  syscall(SYS_ioprio_set, 1 /* process */, 0, 3 << 13 /* idle */);
}

IN_CHILD int child(void* arg) {
  struct start* s = arg;
  sigset_t none;

  standard_signals();
  settle(s->order);
  s->error = settle_descriptors(s);
  if (s->error == 0) {
    lower_priority();  /* Last, for the parent waits. */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(s->order->path, s->order->argv, s->order->env);
    s->error = -errno;
  }
  _exit(127);
}

/* ---- the parent */

static int make_input(const struct vigil__helper_order* order) {
  const int fd = memfd_create("vigil-helper", MFD_CLOEXEC);
  size_t at = 0;
  ssize_t r;

  if (fd < 0)
    return -errno;
  while (at < order->input_len) {
    r = vigil__os.write(fd, order->input + at, order->input_len - at);
    if (r <= 0) {
      vigil__os.close(fd);
      return r < 0 ? (int) r : -EIO;
    }
    at += (size_t) r;
  }
  lseek(fd, 0, SEEK_SET);
  return fd;
}

/* As posix_spawn() of the C library, which cannot set limits and priorities. */
static int spawn(struct start* s, struct vigil__helper_process* p) {
  void* stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  unsigned char all[FULL_MASK];
  unsigned char old[FULL_MASK];
  int status;
  size_t i;
  pid_t pid;
  int err = 0;

  if (stack == MAP_FAILED)
    return -errno;
  for (i = 0; i < sizeof(all); i++)
    all[i] = 0xff;
  /* Those of the C library too, which sigfillset() leaves out. */
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, all, old, FULL_MASK);
  pid = clone(child, (char*) stack + STACK,
              CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, s, &p->pidfd);
  if (pid < 0)
    err = -errno;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, old, NULL, FULL_MASK);
  munmap(stack, STACK);
  if (err != 0)
    return err;
  p->pid = pid;
  if (s->error == 0)
    return 0;
  /* It is about to be gone, or is. */
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return s->error;
}

int vigil__helper_start(const struct vigil__helper_order* order,
                        struct vigil__helper_process* p) {
  struct start s = { .order = order };
  int ends[2];
  int err;

  *p = (struct vigil__helper_process) { 0, -1, -1 };
  if (pipe2(ends, O_CLOEXEC) != 0)
    return -errno;
  p->out = ends[0];
  s.out = ends[1];
  fcntl(p->out, F_SETFL, O_NONBLOCK);  /* This end's alone. */
  s.in = make_input(order);
  err = s.in < 0 ? s.in : spawn(&s, p);
  if (s.in >= 0)
    vigil__os.close(s.in);
  vigil__os.close(s.out);
  if (err != 0)
    vigil__helper_close(p);
  return err;
}

void vigil__helper_close(struct vigil__helper_process* p) {
  if (p->pidfd >= 0)
    vigil__os.close(p->pidfd);
  if (p->out >= 0)
    vigil__os.close(p->out);
  *p = (struct vigil__helper_process) { 0, -1, -1 };
}
