/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "manifest.h"

#include "os.h"
#include "vigil.h"

#include <stdio.h>   /* snprintf */
#include <time.h>    /* gmtime_r */
#include <unistd.h>  /* getpid, gethostname */

static void time_field(struct vigil__json* j, const char* key, uint64_t wall) {
  time_t seconds = (time_t) (wall / VIGIL__SEC);
  char day[32];
  char text[48];
  struct tm tm;

  if (gmtime_r(&seconds, &tm) == NULL ||
      strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
    vigil__json_null(j, key);
    return;
  }
  snprintf(text, sizeof(text), "%s.%03uZ", day,
           (unsigned) (wall % VIGIL__SEC / VIGIL__MS));
  vigil__json_string(j, key, text);
}

static void process(struct vigil__json* j) {
  char host[256] = "";

  gethostname(host, sizeof(host) - 1);
  vigil__json_object(j, "process");
  vigil__json_int(j, "pid", getpid());
  vigil__json_int(j, "ppid", getppid());
  vigil__json_string(j, "host", host);
  vigil__json_string(j, "vigil", VIGIL_VERSION);
  vigil__json_end(j);
}

static void rule(struct vigil__json* j, const struct vigil__config* config) {
  vigil__json_object(j, "rule");
  vigil__json_string(j, "name", "lag-p99");
  vigil__json_ms(j, "limitMs", config->lag_p99_ns);
  vigil__json_ms(j, "windowMs", config->window_ns);
  vigil__json_ms(j, "forMs", config->for_ns);
  vigil__json_end(j);
}

static void lag(struct vigil__json* j, const struct vigil__cause* c) {
  vigil__json_object(j, "lag");
  vigil__json_ms(j, "windowMs", c->lag.window_ns);
  vigil__json_ms(j, "p50Ms", c->lag.p50_ns);
  vigil__json_ms(j, "p90Ms", c->lag.p90_ns);
  vigil__json_ms(j, "p99Ms", c->lag.p99_ns);
  vigil__json_ms(j, "p999Ms", c->lag.p999_ns);
  vigil__json_ms(j, "meanMs", c->lag.mean_ns);
  vigil__json_ms(j, "maxMs", c->lag.max_ns);
  vigil__json_ms(j, "busyMs", c->lag.busy_ns);
  vigil__json_uint(j, "periods", c->lag.periods);
  vigil__json_uint(j, "polls", c->span.polls);
  vigil__json_uint(j, "events", c->span.events);
  vigil__json_end(j);
}

static void gc(struct vigil__json* j, const struct vigil__cause* c) {
  int i;

  vigil__json_object(j, "gc");
  vigil__json_ms(j, "pausesInWindowMs", c->gc_window_ns);
  vigil__json_object(j, "sinceStart");
  for (i = 0; i < VIGIL__GC_KINDS; i++) {
    if (c->gc.count[i] == 0)
      continue;
    vigil__json_object(j, vigil__gc_name((enum vigil__gc_kind) i));
    vigil__json_uint(j, "count", c->gc.count[i]);
    vigil__json_ms(j, "totalMs", c->gc.ns[i]);
    vigil__json_ms(j, "maxMs", c->gc.max_ns[i]);
    vigil__json_end(j);
  }
  vigil__json_end(j);
  vigil__json_end(j);
}

static void note(struct vigil__json* j, const char* key, const char* text) {
  if (text[0] == '\0')
    vigil__json_null(j, key);
  else
    vigil__json_string(j, key, text);
}

void vigil__manifest_write(struct vigil__json* j,
                           const struct vigil__incident* i,
                           uint64_t self_ns) {
  vigil__json_object(j, NULL);
  vigil__json_uint(j, "schema", 1);
  time_field(j, "triggered", i->trigger_wall_ns);
  time_field(j, "finished", vigil__os.wall());
  process(j);
  vigil__json_object(j, "thread");
  vigil__json_uint(j, "id", i->cause.thread_id);
  vigil__json_string(j, "name", i->cause.thread);
  vigil__json_end(j);
  rule(j, i->config);
  lag(j, &i->cause);
  gc(j, &i->cause);
  vigil__json_ms(j, "captureMs", self_ns);
  note(j, "noCpuProfile", i->cpu_note);
  note(j, "noHeapSnapshot", i->heap_note);
  vigil__artifact_describe(&i->artifact, j);
  vigil__json_end(j);
}
