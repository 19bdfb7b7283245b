/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "cause.h"

#include "system.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char* vigil__cause_name(enum vigil__cause_class cause) {
  static const char* const names[VIGIL__CAUSE_CLASSES] = {
    "unknown", "js", "gc", "native", "syscall", "threadpool", "starved",
    "throttled", "suspended"
  };

  return (unsigned) cause < VIGIL__CAUSE_CLASSES ? names[cause] : names[0];
}

const char* vigil__figure_name(enum vigil__figure figure) {
  switch (figure) {
    case VIGIL__FIGURE_CPU: return "CPU time";
    case VIGIL__FIGURE_DELAY: return "run delay";
    case VIGIL__FIGURE_THROTTLED: return "throttling";
    case VIGIL__FIGURE_STOPPED: return "stops";
    case VIGIL__FIGURE_SUSPENDED: return "suspensions";
    case VIGIL__FIGURE_GC: return "GC time";
    case VIGIL__FIGURE_POOL: return "thread pool";
    case VIGIL__FIGURE_SAMPLES: return "samples";
    case VIGIL__FIGURE_SYSCALL: return "system call";
    case VIGIL__FIGURE_WATCH: return "lateness of the watch thread";
    case VIGIL__FIGURE_ALL: break;
  }
  return "?";
}

/* Appends; what does not fit is cut. */
__attribute__((format(printf, 2, 3)))
static void put(struct vigil__why* why, const char* format, ...) {
  const size_t len = strlen(why->text);
  va_list args;

  va_start(args, format);
  vsnprintf(why->text + len, sizeof(why->text) - len, format, args);
  va_end(args);
}

/* Not by %f, which depends on the locale. */
static void put_time(struct vigil__why* why, uint64_t ns) {
  if (ns >= VIGIL__SEC - 50 * VIGIL__MS) {
    const uint64_t tenths = (ns + 50 * VIGIL__MS) / (100 * VIGIL__MS);

    put(why, "%" PRIu64 ".%" PRIu64 " s", tenths / 10, tenths % 10);
  } else if (ns >= VIGIL__MS) {
    put(why, "%" PRIu64 " ms", (ns + VIGIL__MS / 2) / VIGIL__MS);
  } else {
    put(why, "%" PRIu64 " us", ns / VIGIL__US);
  }
}

static uint64_t percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : (part * 100 + whole / 2) / whole;
}

static void put_of_busy(struct vigil__why* why,
                        const struct vigil__figures* f,
                        const struct vigil__cause_parts* p) {
  put(why, " of the ");
  put_time(why, p->busy);
  put(why, f->stall ? " of the stall" : " the loop was busy");
}

static void put_syscall(struct vigil__why* why,
                        const struct vigil__figures* f) {
  const char* name;

  if ((f->valid & VIGIL__FIGURE_SYSCALL) == 0) {
    put(why, "the kernel");
  } else if (f->syscall_nr < 0) {
    put(why, "the kernel, but in no system call (page faults)");
  } else {
    name = vigil__system_syscall(f->syscall_nr);
    if (name != NULL)
      put(why, "%s()", name);
    else
      put(why, "system call %" PRId64, f->syscall_nr);
  }
}

/* "a, b or c" of the bits; `name` gives the words. */
static void put_list(struct vigil__why* why,
                     unsigned bits,
                     const char* last,
                     const char* (*name)(unsigned bit)) {
  bool first = true;

  for (; bits != 0; bits &= bits - 1) {
    if (!first)
      put(why, "%s", (bits & (bits - 1)) == 0 ? last : ", ");
    put(why, "%s", name((unsigned) __builtin_ctz(bits)));
    first = false;
  }
}

static const char* class_of_bit(unsigned bit) {
  return vigil__cause_name((enum vigil__cause_class) bit);
}

static const char* figure_of_bit(unsigned bit) {
  return vigil__figure_name((enum vigil__figure) (1u << bit));
}

static void put_unknown(struct vigil__why* why,
                        const struct vigil__figures* f,
                        const struct vigil__cause_parts* p) {
  /* The others only stand in for these. */
  const unsigned decisive = VIGIL__FIGURE_SYSCALL - 1u;

  if (why->possible == 0) {
    put(why, "the loop was not busy");
    return;
  }
  put_list(why, why->possible, " or ", class_of_bit);
  if ((f->valid & VIGIL__FIGURE_CPU) != 0) {
    put(why, ": the thread ran for ");
    put_time(why, p->cpu);
    put_of_busy(why, f, p);
  }
  put(why, "; not known: ");
  put_list(why, decisive & ~f->valid, " and ", figure_of_bit);
}

static void put_ran(struct vigil__why* why,
                    const struct vigil__figures* f,
                    const struct vigil__cause_parts* p,
                    const char* what,
                    enum vigil__sample which) {
  uint64_t all = 0;
  unsigned i;

  for (i = 0; i < VIGIL__SAMPLES; i++)
    all += f->samples[i];
  put(why, "%s ran in %" PRIu64 " %% of %" PRIu64 " samples", what,
      percent(f->samples[which], all), all);
  if ((f->valid & VIGIL__FIGURE_CPU) == 0)
    return;
  put(why, "; the thread was on a CPU for ");
  put_time(why, p->cpu);
  put_of_busy(why, f, p);
}

static void put_throttled(struct vigil__why* why,
                          const struct vigil__figures* f,
                          const struct vigil__cause_parts* p) {
  put(why, "the CPU limit of its cgroup held the thread back for ");
  put_time(why, p->throttled);
  put_of_busy(why, f, p);
  put(why, " (out of quota %" PRIu64 " times", f->throttled);
  if (f->period_ns > 0)
    put(why, ", limit %" PRIu64 ".%02" PRIu64 " CPU",
        f->quota_ns / f->period_ns,
        f->quota_ns % f->period_ns * 100 / f->period_ns);
  put(why, ")");
}

void vigil__cause_text(const struct vigil__figures* f,
                       struct vigil__why* why) {
  const unsigned off = VIGIL__FIGURE_CPU | VIGIL__FIGURE_DELAY;
  const bool known = (f->valid & off) == off;
  struct vigil__cause_parts p;

  vigil__cause_split(f, &p);
  why->text[0] = '\0';
  switch (why->cause) {
    case VIGIL__CAUSE_SUSPENDED:
      if (f->suspended_ns >= p.stopped) {
        put(why, "the system was suspended for ");
        put_time(why, f->suspended_ns);
        return;
      }
      put(why, "the process was stopped (SIGSTOP or freezer) for ");
      put_time(why, p.stopped);
      put_of_busy(why, f, &p);
      return;
    case VIGIL__CAUSE_THROTTLED:
      put_throttled(why, f, &p);
      return;
    case VIGIL__CAUSE_STARVED:
      put(why, "the thread waited for a CPU for ");
      put_time(why, p.delay);
      put_of_busy(why, f, &p);
      if (f->runnable > 0)
        put(why, "; %" PRIu64 " threads ran or waited for one", f->runnable);
      return;
    case VIGIL__CAUSE_THREADPOOL:
      put(why, "work waited up to ");
      put_time(why, f->pool_max_ns);
      put(why, " for a pool thread (p99 ");
      put_time(why, f->pool_wait_ns);
      put(why, ", %" PRIu64 " ran, %" PRIu64 " queued) while the loop was "
          "busy for %" PRIu64 " %%", f->pool_works, f->pool_queued,
          percent(p.busy, f->span_ns));
      return;
    case VIGIL__CAUSE_GC:
      put(why, "GC took %" PRIu64 " %%", percent(f->gc_ns, p.busy));
      put_of_busy(why, f, &p);
      return;
    case VIGIL__CAUSE_SYSCALL:
      put(why, "the thread was blocked in ");
      put_syscall(why, f);
      put(why, " for ");
      put_time(why, known ? p.blocked : f->syscall_ns);
      put_of_busy(why, f, &p);
      return;
    case VIGIL__CAUSE_JS:
      put_ran(why, f, &p, "JavaScript", VIGIL__SAMPLE_JS);
      return;
    case VIGIL__CAUSE_NATIVE:
      put_ran(why, f, &p, "native code", VIGIL__SAMPLE_NATIVE);
      return;
    case VIGIL__CAUSE_UNKNOWN:
    case VIGIL__CAUSE_CLASSES:
      put_unknown(why, f, &p);
      return;
  }
}
