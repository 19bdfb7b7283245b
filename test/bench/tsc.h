/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef TSC_H_
#define TSC_H_

#include "bench.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <x86intrin.h>

/* What a clock on the time stamp counter would cost, and whether this machine
 * could trust it. Nothing of this is in the product. */

static uint64_t tsc_mult;       /* ns per tick, times 2^32. */
static uint64_t tsc_base;
static vigil__mono_t tsc_base_mono;

/* Both clocks at one instant: the closest of some pairs. */
static void tsc_pair(uint64_t* tsc, vigil__mono_t* mono) {
  uint64_t best = UINT64_MAX;
  uint64_t before;
  uint64_t after;
  vigil__mono_t now;
  unsigned aux;
  int i;

  for (i = 0; i < 50; i++) {
    before = __rdtscp(&aux);
    now = vigil__mono_now();
    after = __rdtscp(&aux);
    if (after - before < best) {
      best = after - before;
      *tsc = before + (after - before) / 2;
      *mono = now;
    }
  }
}

static void tsc_calibrate(void) {
  const struct timespec rest = { 0, 200 * 1000 * 1000 };
  uint64_t tsc;
  vigil__mono_t mono;

  tsc_pair(&tsc_base, &tsc_base_mono);
  nanosleep(&rest, NULL);
  tsc_pair(&tsc, &mono);
  tsc_mult = (uint64_t) (((unsigned __int128) (mono - tsc_base_mono) << 32) /
                         (tsc - tsc_base));
}

static inline uint64_t tsc_ns(uint64_t ticks) {
  return (uint64_t) (((unsigned __int128) ticks * tsc_mult) >> 32);
}

/* The clock that would stand in for vigil__mono_now(). */
static inline vigil__mono_t tsc_now(void) {
  return tsc_base_mono + tsc_ns(__rdtsc() - tsc_base);
}

/* First line of a file that begins with `prefix`, without it and its end. */
static bool tsc_line(const char* path, const char* prefix, char* to, int size) {
  FILE* f = fopen(path, "r");
  bool found = false;

  to[0] = '\0';
  while (f != NULL && !found && fgets(to, size, f) != NULL)
    found = strncmp(to, prefix, strlen(prefix)) == 0;
  if (f != NULL)
    fclose(f);
  to[strcspn(to, "\n")] = '\0';
  if (found)
    memmove(to, to + strlen(prefix), strlen(to + strlen(prefix)) + 1);
  return found;
}

static bool tsc_has(const char* flags, const char* flag) {
  const size_t length = strlen(flag);
  const char* at = flags;

  while ((at = strstr(at, flag)) != NULL) {
    if ((at == flags || at[-1] == ' ') &&
        (at[length] == ' ' || at[length] == '\0'))
      return true;
    at += length;
  }
  return false;
}

/* `gain_ns`: how much less a poll would cost. */
static void tsc_report(double gain_ns) {
  static const char* wanted[] = { "constant_tsc", "nonstop_tsc",
                                  "tsc_reliable", "tsc_known_freq",
                                  "hypervisor" };
  static const char folder[] = "/sys/devices/system/clocksource/clocksource0";
  char flags[4096];
  char current[128];
  char available[128];
  char path[128];
  uint64_t tsc;
  vigil__mono_t mono;
  int64_t drift;
  size_t i;
  bool safe;

  tsc_line("/proc/cpuinfo", "flags", flags, sizeof(flags));
  snprintf(path, sizeof(path), "%s/current_clocksource", folder);
  tsc_line(path, "", current, sizeof(current));
  snprintf(path, sizeof(path), "%s/available_clocksource", folder);
  tsc_line(path, "", available, sizeof(available));

  bench_say("TSC path: flags");
  for (i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
    printf("  %s: %s%s\n", wanted[i], tsc_has(flags, wanted[i]) ? "yes" : "no",
           bench_markdown ? "  " : "");
  bench_say("clocksource in use: %s; available: %s", current, available);

  tsc_pair(&tsc, &mono);
  drift = (int64_t) (tsc_base_mono + tsc_ns(tsc - tsc_base)) - (int64_t) mono;
  bench_say("calibrated over 200 ms at the start (%.1f MHz), it was %+lld ns "
            "off CLOCK_MONOTONIC %.1f s later (%+.2f ppm)",
            4294967296e3 / (double) tsc_mult, (long long) drift,
            (double) (mono - tsc_base_mono) / 1e9,
            1e6 * (double) drift / (double) (mono - tsc_base_mono));

  safe = tsc_has(flags, "constant_tsc") && tsc_has(flags, "nonstop_tsc") &&
         strcmp(current, "tsc") == 0;
  if (safe)
    bench_say("safe here: yes, the kernel itself tells the time by it; it "
              "would still have to be calibrated, and asked again after each "
              "suspend");
  else
    bench_say("safe here: no. %s%s",
              strcmp(current, "tsc") != 0
                  ? "The kernel does not tell the time by the bare TSC, so "
                    "nobody vouches for it across cores, migration and resume "
                    "(kvm-clock adds the host's scale and offset, which a "
                    "process cannot see)."
                  : "",
              tsc_has(flags, "constant_tsc") && tsc_has(flags, "nonstop_tsc")
                  ? "" : " Its rate depends on the core's state.");
  bench_say("a TSC path would gain %.1f ns per poll (median)", gain_ns);
}

#endif  /* TSC_H_ */
