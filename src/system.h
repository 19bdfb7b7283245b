/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SYSTEM_H_
#define VIGIL_SYSTEM_H_

#include "procfs.h"

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* What the kernel knows of one thread of this process: its files in
 * /proc/self/task/<tid>/, kept open, so that a reused id never gives another
 * thread's figures. Source: proc(5). */

/* As bits: what to read, and what was read. */
enum vigil__task_what {
  VIGIL__TASK_CPU = 1 << 0,
  VIGIL__TASK_DELAY = 1 << 1,
  VIGIL__TASK_STATE = 1 << 2,
  VIGIL__TASK_FAULTS = 1 << 3,
  VIGIL__TASK_SYSCALL = 1 << 4,
  VIGIL__TASK_WCHAN = 1 << 5,
  VIGIL__TASK_SWITCHES = 1 << 6,
  VIGIL__TASK_ALL = (1 << 7) - 1
};

enum vigil__task_file {
  VIGIL__TASK_FILE_SCHEDSTAT,
  VIGIL__TASK_FILE_STAT,
  VIGIL__TASK_FILE_SYSCALL,
  VIGIL__TASK_FILE_WCHAN,
  VIGIL__TASK_FILE_STATUS,
  VIGIL__TASK_FILES
};

struct vigil__task {
  int fd[VIGIL__TASK_FILES];    /* -1: cannot be read. */
};

#define VIGIL__TASK_NO_SYSCALL (-1)

struct vigil__task_figures {
  unsigned valid;               /* Bits of vigil__task_what. */
  char state;                   /* R, S, D, T, t, Z, X, I */
  uint64_t cpu_ns;              /* Since the thread began. From schedstat, or
                                 * in steps of 10 ms from stat. */
  uint64_t run_delay_ns;        /* Runnable, but on no CPU. */
  uint64_t major_faults;        /* That had to wait for a disk. */
  uint64_t voluntary;           /* Context switches: it waited... */
  uint64_t involuntary;         /* ...or was preempted. */
  int64_t syscall_nr;           /* Blocked in it; VIGIL__TASK_NO_SYSCALL: it
                                 * runs, is runnable or in a page fault. */
  char wchan[32];               /* Kernel function it sleeps in; "": none, or
                                 * the kernel hides it. */
};

/* Opens what there is. 0, or -ESRCH when not one file could be opened.
 * `root` is "" but in tests. `missing` may be NULL. */
int vigil__task_open(struct vigil__task* t,
                     const char* root,
                     pid_t tid,
                     struct vigil__missing* missing);
void vigil__task_close(struct vigil__task* t);

/* Reads what `want` says, and what stands beside it. 0, or -ESRCH: the thread
 * has ended. About 1 us for CPU and DELAY, 20 us for all. Any one thread at a
 * time; no allocation. */
int vigil__task_read(const struct vigil__task* t,
                     unsigned want,
                     struct vigil__task_figures* f);

/* Name of a system call that can block; NULL for others. */
const char* vigil__system_syscall(int64_t nr);

/* How long the system was suspended since it booted: CLOCK_BOOTTIME less
 * CLOCK_MONOTONIC, in ns, to about a microsecond. `clock` is clock_gettime but
 * in tests. 0, or -errno. */
int vigil__system_suspended(int (*clock)(clockid_t id, struct timespec* ts),
                            uint64_t* ns);

/* Threads of the whole system (or container, where /proc/loadavg is its own)
 * that run or wait for a CPU now, this one included; or -errno. */
int64_t vigil__system_runnable(const char* root);

#endif  /* VIGIL_SYSTEM_H_ */
