/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CAUSE_H_
#define VIGIL_CAUSE_H_

#include "clock.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Why a loop is slow: a pure function of figures over a span of time, which is
 * the window of an incident, or one stall. Any thread, no allocation.
 *
 * The loop's busy time is split into what its thread did meanwhile:
 *
 *   busy = on a CPU + waiting for a CPU + stopped + blocked in the kernel
 *
 * The first two are the kernel's own figures; "stopped" is what the caller saw
 * of that, as far as it fits in; the rest was blocked. A thread whose group is
 * out of CPU quota is one that waits for a CPU. These rules, the first that
 * holds, give the class; shares are of the busy time:
 *
 *   suspended   the system was suspended, or the process stopped, for 40 % of
 *               the time (suspended time is not busy time: it is added first).
 *               Nothing else matters then, and all else may follow from it.
 *   threadpool  work waited for a pool thread longer than anything waited for
 *               the loop (p99), and for 50 ms, while the loop was idle for
 *               half of the span, and lack of CPU cannot be why: the thread
 *               waited less for one than the work did.
 *   throttled   the thread waited for a CPU for 40 %, and throttling accounts
 *   starved     for half of that; or does not. 40, because a single equal
 *               rival on the same CPU takes 50, give or take noise. A profile
 *               would only show who else was hit. Not starved, but gc, when
 *               that rule holds: the collector's own threads are rivals, too.
 *   threadpool  as above; there was lack of CPU, but not much of it.
 *   gc          GC pauses took 50 %: without them, half the lag is gone.
 *   syscall     the thread was blocked for longer than it ran: a system call,
 *               or page faults that wait for a disk.
 *   native, js  what most samples showed while it ran.
 */
enum vigil__cause_class {
  VIGIL__CAUSE_UNKNOWN,
  VIGIL__CAUSE_JS,
  VIGIL__CAUSE_GC,
  VIGIL__CAUSE_NATIVE,
  VIGIL__CAUSE_SYSCALL,
  VIGIL__CAUSE_THREADPOOL,
  VIGIL__CAUSE_STARVED,
  VIGIL__CAUSE_THROTTLED,
  VIGIL__CAUSE_SUSPENDED,
  VIGIL__CAUSE_CLASSES
};

#define VIGIL__CAUSE_LOST_PERCENT 40
#define VIGIL__CAUSE_GC_PERCENT 50
#define VIGIL__CAUSE_IDLE_PERCENT 50
#define VIGIL__CAUSE_POOL_NS (50 * VIGIL__MS)

/* Which members of vigil__figures hold. */
enum vigil__figure {
  VIGIL__FIGURE_CPU = 1 << 0,
  VIGIL__FIGURE_DELAY = 1 << 1,
  VIGIL__FIGURE_THROTTLED = 1 << 2,
  VIGIL__FIGURE_STOPPED = 1 << 3,
  VIGIL__FIGURE_SUSPENDED = 1 << 4,
  VIGIL__FIGURE_GC = 1 << 5,
  VIGIL__FIGURE_POOL = 1 << 6,
  VIGIL__FIGURE_SAMPLES = 1 << 7,
  VIGIL__FIGURE_SYSCALL = 1 << 8,
  VIGIL__FIGURE_WATCH = 1 << 9,
  VIGIL__FIGURE_ALL = (1 << 10) - 1
};

enum vigil__sample {
  VIGIL__SAMPLE_JS,
  VIGIL__SAMPLE_NATIVE,
  VIGIL__SAMPLE_GC,
  VIGIL__SAMPLE_SYSCALL,
  VIGIL__SAMPLES
};

/* All of the same span. Times in ns, clipped to what is possible. */
struct vigil__figures {
  unsigned valid;               /* Bits of vigil__figure. */
  bool stall;                   /* For the wording: one stall, no window. */
  uint64_t span_ns;
  uint64_t busy_ns;             /* Of the loop; a stall: all of it. */
  uint64_t lag_ns;              /* p99; 0: not known, or a stall. */

  uint64_t cpu_ns;              /* CPU: of the loop's thread. */
  uint64_t run_delay_ns;        /* DELAY: runnable, but on no CPU. */
  uint64_t throttled_ns;        /* THROTTLED: growth of its group's totals. */
  uint64_t throttled;
  uint64_t stopped_ns;          /* STOPPED: neither the loop nor the watch
                                 * thread ran, and the process used no CPU. */
  uint64_t suspended_ns;        /* SUSPENDED: growth of the clocks' gap. */
  uint64_t gc_ns;               /* GC: pauses. */
  uint64_t pool_wait_ns;        /* POOL: p99 of the wait for a pool thread. */
  uint64_t pool_max_ns;
  uint64_t pool_works;          /* That began to run... */
  uint64_t pool_queued;         /* ...and that wait now. */
  uint64_t samples[VIGIL__SAMPLES];  /* SAMPLES */
  int64_t syscall_nr;           /* SYSCALL: seen most; -1: in none. */
  uint64_t syscall_ns;          /* Seen blocked in it for at least so long. */
  uint64_t watch_late_ns;       /* WATCH: its latest wake-up. */

  /* Only for the wording; 0: not known. */
  uint64_t runnable;            /* Threads that run or wait for a CPU. */
  uint64_t quota_ns;            /* The CPU limit: of each... */
  uint64_t period_ns;           /* ...period. */
};

struct vigil__why {
  enum vigil__cause_class cause;
  unsigned possible;            /* Bit per class. One, but where missing
                                 * figures decide: then `cause` is unknown. 0:
                                 * there is nothing to explain. */
  unsigned missing;             /* Figures without which it was decided. */
  char text[256];               /* Sentence part for people, ASCII. */
};

/* A class is given only when no value of the missing figures (tried in steps
 * of a twentieth) gives another one. Some stand in for others:
 * - samples for GC, and for the time blocked in system calls;
 * - the watch thread being late by a tenth of the time off the CPU, and not
 *   stopped, for run delay: it mostly sleeps, so it is late only when there is
 *   no CPU to be had. */
void vigil__cause_decide(const struct vigil__figures* f,
                         struct vigil__why* why);

const char* vigil__cause_name(enum vigil__cause_class cause);  /* "js" ... */
const char* vigil__figure_name(enum vigil__figure figure);  /* "run delay" */

/* Busy time and its parts. */
struct vigil__cause_parts {
  uint64_t busy;
  uint64_t cpu;
  uint64_t delay;               /* Waiting for a CPU... */
  uint64_t throttled;           /* ...as far as for lack of quota. */
  uint64_t stopped;
  uint64_t blocked;
};

void vigil__cause_split(const struct vigil__figures* f,
                        struct vigil__cause_parts* p);

/* Writes why->text for the class that why->cause says. */
void vigil__cause_text(const struct vigil__figures* f, struct vigil__why* why);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_CAUSE_H_ */
