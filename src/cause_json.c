/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "cause_json.h"

#include "system.h"

/* Names of set bits of `bits`. */
static void names(struct vigil__json* j, const char* key, unsigned bits,
                  const char* (*name)(unsigned bit)) {
  unsigned bit;

  vigil__json_array(j, key);
  for (bit = 0; bit < 32; bit++) {
    if (bits >> bit & 1)
      vigil__json_string(j, NULL, name(bit));
  }
  vigil__json_end(j);
}

static const char* class_of(unsigned bit) {
  return vigil__cause_name((enum vigil__cause_class) bit);
}

static const char* figure_of(unsigned bit) {
  return vigil__figure_name((enum vigil__figure) (1u << bit));
}

/* Figures that are not known are not written. */
static void figures(struct vigil__json* j, const struct vigil__figures* f) {
  const char* name;

  vigil__json_object(j, "figures");
  vigil__json_ms(j, "spanMs", f->span_ns);
  vigil__json_ms(j, "busyMs", f->busy_ns);
  if (f->valid & VIGIL__FIGURE_CPU)
    vigil__json_ms(j, "cpuMs", f->cpu_ns);
  if (f->valid & VIGIL__FIGURE_DELAY)
    vigil__json_ms(j, "runDelayMs", f->run_delay_ns);
  if (f->valid & VIGIL__FIGURE_THROTTLED) {
    vigil__json_ms(j, "throttledMs", f->throttled_ns);
    vigil__json_uint(j, "throttledPeriods", f->throttled);
  }
  if (f->quota_ns != 0) {
    vigil__json_ms(j, "quotaMs", f->quota_ns);
    vigil__json_ms(j, "quotaPeriodMs", f->period_ns);
  }
  if (f->valid & VIGIL__FIGURE_STOPPED)
    vigil__json_ms(j, "stoppedMs", f->stopped_ns);
  if (f->valid & VIGIL__FIGURE_SUSPENDED)
    vigil__json_ms(j, "suspendedMs", f->suspended_ns);
  if (f->valid & VIGIL__FIGURE_GC)
    vigil__json_ms(j, "gcMs", f->gc_ns);
  if (f->valid & VIGIL__FIGURE_POOL) {
    vigil__json_ms(j, "poolWaitMs", f->pool_wait_ns);
    vigil__json_ms(j, "poolWaitMaxMs", f->pool_max_ns);
    vigil__json_uint(j, "poolWorks", f->pool_works);
    vigil__json_uint(j, "poolQueued", f->pool_queued);
  }
  if (f->valid & VIGIL__FIGURE_SAMPLES) {
    vigil__json_uint(j, "samplesJs", f->samples[VIGIL__SAMPLE_JS]);
    vigil__json_uint(j, "samplesNative", f->samples[VIGIL__SAMPLE_NATIVE]);
    vigil__json_uint(j, "samplesGc", f->samples[VIGIL__SAMPLE_GC]);
    vigil__json_uint(j, "samplesSyscall", f->samples[VIGIL__SAMPLE_SYSCALL]);
  }
  if (f->valid & VIGIL__FIGURE_SYSCALL) {
    name = vigil__system_syscall(f->syscall_nr);
    if (name != NULL)
      vigil__json_string(j, "syscall", name);
    vigil__json_ms(j, "syscallMs", f->syscall_ns);
  }
  if (f->valid & VIGIL__FIGURE_WATCH)
    vigil__json_ms(j, "watchLateMs", f->watch_late_ns);
  if (f->runnable != 0)
    vigil__json_uint(j, "runnableThreads", f->runnable);
  vigil__json_end(j);
}

void vigil__cause_write(struct vigil__json* j,
                        const char* key,
                        const struct vigil__why* why,
                        const struct vigil__figures* f) {
  vigil__json_object(j, key);
  vigil__json_string(j, "class", vigil__cause_name(why->cause));
  vigil__json_string(j, "text", why->text);
  if (why->cause == VIGIL__CAUSE_UNKNOWN)
    names(j, "possible", why->possible, class_of);
  names(j, "missing", why->missing, figure_of);
  figures(j, f);
  vigil__json_end(j);
}
