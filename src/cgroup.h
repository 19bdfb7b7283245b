/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CGROUP_H_
#define VIGIL_CGROUP_H_

#include "procfs.h"

#include <stdint.h>
#include <sys/types.h>

/* The control groups this process is in, v1 or v2, for each controller on its
 * own. A limit of any group above ours holds for us too, so each level counts,
 * from ours up to the root of what is mounted. Sources: cgroups(7), the
 * kernel's admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst and
 * scheduler/sched-bwc.rst.
 *
 * Directories are kept open; a process that is moved to another group later
 * is not followed. Any one thread at a time. */
#define VIGIL__CGROUP_LEVELS 8

struct vigil__cgroup_level {
  int dir;
  int stat;                     /* cpu.stat; -1: no CPU limit can be there. */
  uint64_t periods;             /* As last read. */
  uint64_t throttled;
  uint64_t throttled_ns;
};

struct vigil__cgroup_chain {
  int version;                  /* 1 or 2; 0: not found. */
  unsigned levels;
  struct vigil__cgroup_level level[VIGIL__CGROUP_LEVELS];  /* Ours first. */
};

struct vigil__cgroup_cpu {
  uint64_t periods;             /* Periods of the quota with work in them... */
  uint64_t throttled;           /* ...and how many ran out of it. */
  uint64_t throttled_ns;        /* For how long; summed over CPUs, so one
                                 * thread may have lost less. */
};

struct vigil__cgroup {
  struct vigil__cgroup_chain cpu;
  struct vigil__cgroup_chain memory;
  struct vigil__cgroup_cpu total;
};

/* Finds both. Never fails: what is not found is said through `missing` (may
 * be NULL) and unknown from then on. `root` is "" and `pid` getpid() but in
 * tests. */
void vigil__cgroup_open(struct vigil__cgroup* c,
                        const char* root,
                        pid_t pid,
                        struct vigil__missing* missing);
void vigil__cgroup_close(struct vigil__cgroup* c);

/* Totals that only grow. Where several levels have limits they count with the
 * one that throttled most since the last call, because levels throttle
 * together. 0, or -ENODATA: unknown. About 1 us a level. */
int vigil__cgroup_read_cpu(struct vigil__cgroup* c,
                           struct vigil__cgroup_cpu* cpu);

/* The tightest quota: `quota_ns` of CPU time in each `period_ns`. Both 0
 * without one. 0, or -ENODATA: unknown. */
int vigil__cgroup_read_quota(const struct vigil__cgroup* c,
                             uint64_t* quota_ns,
                             uint64_t* period_ns);

struct vigil__cgroup_memory {
  uint64_t limit;               /* Bytes; UINT64_MAX: none. */
  uint64_t current;             /* Charged, page cache included... */
  uint64_t reclaimable;         /* ...of which this is file pages, which the
                                 * kernel gives up, if with some regret. */
};

/* Of the level with the least room; ours, when none has a limit; no limit and
 * 0 bytes, when none accounts for memory. 0, or -ENODATA: unknown. */
int vigil__cgroup_read_memory(const struct vigil__cgroup* c,
                              struct vigil__cgroup_memory* memory);

#endif  /* VIGIL_CGROUP_H_ */
