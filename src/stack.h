/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_STACK_H_
#define VIGIL_STACK_H_

#include <signal.h>     /* struct sigaction */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>       /* clockid_t, struct timespec */

/* The stack of another thread of this process, as it is at one moment: the
 * registers an unwinder needs and a copy of the youngest 64 KiB.
 *
 * A thread that is blocked is only looked at: the kernel says where it sleeps,
 * and a signal would end sleeps and waits early. One that runs gets a signal,
 * whose handler makes the copy. x86-64 Linux. */
#define VIGIL__STACK_BYTES (64u * 1024)

enum vigil__stack_how {
  VIGIL__STACK_ON_CPU,          /* It ran: all registers are known. */
  VIGIL__STACK_IN_SYSCALL       /* It is blocked: only pc and sp are. */
};

struct vigil__stack {
  enum vigil__stack_how how;
  int syscall;                  /* Number; -1: none (ON_CPU, a page fault). */
  uint64_t pc;
  uint64_t sp;
  uint64_t fp;                  /* rbp; this and the next 0 IN_SYSCALL. */
  uint64_t rbx, r12, r13, r14, r15;
  uint64_t lo;                  /* Address of bytes[0]: sp, 8-aligned. */
  size_t len;                   /* Multiple of 8; 0: it could not be read. */
  bool foreign;                 /* sp is not in the thread's own stack. */
  bool truncated;               /* There is, or may be, more above it. */
  _Alignas(8) uint8_t bytes[VIGIL__STACK_BYTES];
};

/* One per loop thread. */
struct vigil__stack_target {
  pid_t tid;
  uint64_t lo;                  /* Bounds of its stack; 0, 0: not known. */
  uint64_t hi;
  bool open;                    /* The files were opened, or tried. */
  int syscall_fd;               /* Its /proc file; -1: not readable. */
  int stat_fd;                  /* Then this one; -1: neither is. */
  clockid_t cpu_clock;          /* Its CPU time. */
  /* The taker's own, see stack_signal.c. */
  const _Atomic uint32_t* delivered;
  uint32_t sent;
  uint32_t epoch;
};

/* On the thread itself. On the main thread it reads a file of /proc: some
 * 100 us. Cannot fail; what it does not learn only makes vigil__stack_take()
 * worse. The first of those opens a file, which stays open. */
void vigil__stack_target_init(struct vigil__stack_target* t);

/* Before the thread ends; on it, if possible. Never at the same time as a
 * vigil__stack_take() of this target: the caller's lock sees to that. */
void vigil__stack_target_close(struct vigil__stack_target* t);

/* One thread at a time (the watch thread), not the target's. Takes some 10 us
 * of a thread that is blocked; waits at most `timeout_ns`, and 100 ms when the
 * thread is stopped while it copies, for one that runs. `to` is whole only if
 * it returns 0:
 *   -ETIMEDOUT  it has the signal blocked, or does not get a CPU;
 *   -EAGAIN     it goes in and out of system calls too fast: try again;
 *   -EBUSY      an earlier request that timed out is still being served;
 *   -ENOTSUP    it is blocked, and /proc does not say where; or every
 *               real-time signal has a handler of the app's;
 *   other       what tgkill(2) said: -ESRCH, -EAGAIN.
 * The signal is the first from SIGRTMIN + 6 on that has its default action,
 * and no handler is installed before the first one is sent. A handler of the
 * app's is never replaced: if it takes our signal, another is searched. What
 * remains: a thread may enter a sleep between being seen running and the
 * signal's arrival, which then ends that sleep with EINTR. */
int vigil__stack_take(struct vigil__stack_target* t,
                      struct vigil__stack* to,
                      uint64_t timeout_ns);

/* The effects it has on the system, beside vigil__os and vigil__memory_os;
 * results or -errno. Change it only in tests. */
struct vigil__stack_os {
  ssize_t (*pread)(int fd, void* to, size_t len);
  int (*cpu_time)(clockid_t clock, struct timespec* ts);
  int (*tgkill)(pid_t tid, int signal);
  int (*sigaction)(int signal,
                   const struct sigaction* set,
                   struct sigaction* get);
};

extern struct vigil__stack_os vigil__stack_os;

#endif  /* VIGIL_STACK_H_ */
