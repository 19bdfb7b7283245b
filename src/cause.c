/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "cause.h"

#include <string.h>

/* Two years: far from an overflow of any product here. */
#define MOST (UINT64_C(1) << 56)
#define STEPS 20u

static uint64_t least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* `part` is at least `percent` of `whole`. */
static bool share(uint64_t part, uint64_t whole, uint64_t percent) {
  return part * 100 >= whole * percent;
}

/* What is more certain is taken off first. */
void vigil__cause_split(const struct vigil__figures* f,
                        struct vigil__cause_parts* p) {
  uint64_t rest;

  p->busy = least(f->busy_ns, f->span_ns);
  p->cpu = least(f->cpu_ns, p->busy);
  rest = p->busy - p->cpu;
  p->delay = least(f->run_delay_ns, rest);
  rest -= p->delay;
  p->stopped = least(f->stopped_ns, rest);
  p->blocked = rest - p->stopped;
  p->throttled = least(f->throttled_ns, p->delay);
}

/* With all figures. */
static enum vigil__cause_class decide(const struct vigil__figures* f) {
  const uint64_t gap = f->suspended_ns;
  struct vigil__cause_parts p;
  bool pool;

  vigil__cause_split(f, &p);
  if (gap + p.stopped > 0 &&
      share(gap + p.stopped, gap + p.busy, VIGIL__CAUSE_LOST_PERCENT))
    return VIGIL__CAUSE_SUSPENDED;

  pool = f->pool_wait_ns >= VIGIL__CAUSE_POOL_NS &&
         f->pool_wait_ns > f->lag_ns &&
         share(f->span_ns - p.busy, f->span_ns, VIGIL__CAUSE_IDLE_PERCENT);
  if (pool && p.delay < f->pool_wait_ns)
    return VIGIL__CAUSE_THREADPOOL;
  if (p.busy == 0)
    return VIGIL__CAUSE_UNKNOWN;
  if (share(p.delay, p.busy, VIGIL__CAUSE_LOST_PERCENT)) {
    if (p.throttled * 2 >= p.delay)
      return VIGIL__CAUSE_THROTTLED;
    return share(f->gc_ns, p.busy, VIGIL__CAUSE_GC_PERCENT)
        ? VIGIL__CAUSE_GC : VIGIL__CAUSE_STARVED;
  }
  if (pool)
    return VIGIL__CAUSE_THREADPOOL;
  if (share(f->gc_ns, p.busy, VIGIL__CAUSE_GC_PERCENT))
    return VIGIL__CAUSE_GC;
  if (p.blocked > p.cpu)
    return VIGIL__CAUSE_SYSCALL;
  return f->samples[VIGIL__SAMPLE_NATIVE] > f->samples[VIGIL__SAMPLE_JS]
      ? VIGIL__CAUSE_NATIVE : VIGIL__CAUSE_JS;
}

/* Bit per class that `f` can give: tries values for the missing figures, one
 * after another. Ends show all classes, but for the parts of the busy time,
 * which have several thresholds. With every figure missing that is 296,352
 * decisions, some milliseconds; with one or two a handful. */
static unsigned explore(const struct vigil__figures* f) {
  struct vigil__figures g = *f;
  uint64_t* value = NULL;
  uint64_t most = f->busy_ns;
  unsigned steps = 1;
  unsigned possible = 0;
  unsigned i;

  if ((f->valid & VIGIL__FIGURE_CPU) == 0) {
    g.valid |= VIGIL__FIGURE_CPU;
    value = &g.cpu_ns;
    most -= f->syscall_ns;
    steps = STEPS;
  } else if ((f->valid & VIGIL__FIGURE_DELAY) == 0) {
    g.valid |= VIGIL__FIGURE_DELAY;
    value = &g.run_delay_ns;
    most -= least(most, f->cpu_ns + f->syscall_ns);
    steps = STEPS;
  } else if ((f->valid & VIGIL__FIGURE_THROTTLED) == 0) {
    g.valid |= VIGIL__FIGURE_THROTTLED;
    value = &g.throttled_ns;
  } else if ((f->valid & VIGIL__FIGURE_STOPPED) == 0) {
    g.valid |= VIGIL__FIGURE_STOPPED;
    value = &g.stopped_ns;
    most -= f->syscall_ns;
    steps = STEPS;
  } else if ((f->valid & VIGIL__FIGURE_SUSPENDED) == 0) {
    g.valid |= VIGIL__FIGURE_SUSPENDED;
    value = &g.suspended_ns;
    most = MOST;
  } else if ((f->valid & VIGIL__FIGURE_GC) == 0) {
    g.valid |= VIGIL__FIGURE_GC;
    value = &g.gc_ns;
  } else if ((f->valid & VIGIL__FIGURE_POOL) == 0) {
    g.valid |= VIGIL__FIGURE_POOL;
    value = &g.pool_wait_ns;
    most = MOST;
  } else if ((f->valid & VIGIL__FIGURE_SAMPLES) == 0) {
    g.valid |= VIGIL__FIGURE_SAMPLES;
    g.samples[VIGIL__SAMPLE_JS] = 0;
    value = &g.samples[VIGIL__SAMPLE_NATIVE];
  } else {
    return 1u << decide(f);
  }
  for (i = 0; i <= steps; i++) {
    *value = i == steps ? most : least(most, f->busy_ns / STEPS * i);
    possible |= explore(&g);
  }
  return possible;
}

static uint64_t sampled(const struct vigil__figures* f,
                        enum vigil__sample which,
                        uint64_t all) {
  return (uint64_t) ((double) f->busy_ns * (double) f->samples[which] /
                     (double) all);
}

/* Clips the figures, forgets those that do not hold, and puts in what others
 * tell of them. `syscall_ns` becomes how long the thread was certainly
 * blocked. */
static void prepare(struct vigil__figures* f) {
  const struct { uint64_t* ns; unsigned needs; } times[] = {
    { &f->span_ns, 0 },
    { &f->lag_ns, 0 },
    { &f->cpu_ns, VIGIL__FIGURE_CPU },
    { &f->run_delay_ns, VIGIL__FIGURE_DELAY },
    { &f->throttled_ns, VIGIL__FIGURE_THROTTLED },
    { &f->stopped_ns, VIGIL__FIGURE_STOPPED },
    { &f->suspended_ns, VIGIL__FIGURE_SUSPENDED },
    { &f->gc_ns, VIGIL__FIGURE_GC },
    { &f->pool_wait_ns, VIGIL__FIGURE_POOL },
    { &f->pool_max_ns, VIGIL__FIGURE_POOL },
    { &f->syscall_ns, VIGIL__FIGURE_SYSCALL },
    { &f->watch_late_ns, VIGIL__FIGURE_WATCH },
    { &f->quota_ns, 0 }
  };
  uint64_t all = 0;
  uint64_t off;
  size_t i;

  for (i = 0; i < sizeof(times) / sizeof(times[0]); i++)
    *times[i].ns = (f->valid & times[i].needs) == times[i].needs
        ? least(*times[i].ns, MOST) : 0;
  f->busy_ns = least(f->busy_ns, f->span_ns);

  if ((f->valid & VIGIL__FIGURE_SAMPLES) != 0)
    for (i = 0; i < VIGIL__SAMPLES; i++)
      all += f->samples[i] = least(f->samples[i], MOST);
  if (all > 0 && (f->valid & VIGIL__FIGURE_GC) == 0) {
    f->gc_ns = sampled(f, VIGIL__SAMPLE_GC, all);
    f->valid |= VIGIL__FIGURE_GC;
  }
  if (all > 0 && (f->valid & VIGIL__FIGURE_SYSCALL) == 0)
    f->syscall_ns = sampled(f, VIGIL__SAMPLE_SYSCALL, all);
  f->syscall_ns = least(f->syscall_ns, f->busy_ns);
  /* They tell nothing of what ran. */
  if (all == 0 || (f->samples[VIGIL__SAMPLE_JS] == 0 &&
                   f->samples[VIGIL__SAMPLE_NATIVE] == 0))
    f->valid &= ~(unsigned) VIGIL__FIGURE_SAMPLES;

  off = f->busy_ns - least(f->busy_ns, f->cpu_ns);
  if ((f->valid & VIGIL__FIGURE_DELAY) == 0 &&
      (f->valid & VIGIL__FIGURE_CPU) != 0 &&
      (f->valid & VIGIL__FIGURE_WATCH) != 0 &&
      (f->valid & VIGIL__FIGURE_STOPPED) != 0 && f->watch_late_ns > 0 &&
      f->watch_late_ns * 10 >= off &&
      !share(f->stopped_ns, f->busy_ns, VIGIL__CAUSE_LOST_PERCENT)) {
    f->run_delay_ns = off - least(off, f->stopped_ns + f->syscall_ns);
    f->valid |= VIGIL__FIGURE_DELAY;
  }
}

void vigil__cause_decide(const struct vigil__figures* figures,
                         struct vigil__why* why) {
  struct vigil__figures f = *figures;
  unsigned i;

  prepare(&f);
  memset(why, 0, sizeof(*why));
  why->missing = VIGIL__FIGURE_ALL & ~figures->valid;
  why->possible = explore(&f);
  for (i = 0; i < VIGIL__CAUSE_CLASSES; i++)
    if (why->possible == 1u << i)
      why->cause = (enum vigil__cause_class) i;
  why->possible &= ~(1u << VIGIL__CAUSE_UNKNOWN);
  vigil__cause_text(&f, why);
}
