/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "manifest.h"

#include "cause_json.h"
#include "os.h"
#include "vigil.h"

#include <unistd.h>  /* getpid, gethostname */

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

static void rule(struct vigil__json* j,
                 const struct vigil__config* config,
                 const struct vigil__trigger* t) {
  vigil__json_object(j, "rule");
  vigil__json_string(j, "name", t->rule);
  vigil__json_bool(j, "onDemand", t->demand);
  if (!t->demand) {
    vigil__json_string(j, "unit", t->unit);
    /* ns as ms, or parts per million as percent with its decimals: 1e6, 1e4. */
    vigil__json_ms(j, "value", t->unit[0] == '%' ? t->value * 100 : t->value);
    vigil__json_ms(j, "limit", t->unit[0] == '%' ? t->limit * 100 : t->limit);
  }
  vigil__json_ms(j, "windowMs", config->window_ns);
  vigil__json_ms(j, "forMs", config->for_ns);
  vigil__json_end(j);
}

static void lag(struct vigil__json* j, const struct vigil__trigger* c) {
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

static void gc(struct vigil__json* j, const struct vigil__trigger* c) {
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

static void pool(struct vigil__json* j, const struct vigil__pool_copy* p) {
  int i;

  vigil__json_object(j, "pool");
  vigil__json_uint(j, "queued", p->queued);
  vigil__json_uint(j, "running", p->running);
  vigil__json_object(j, "sinceStart");
  for (i = 0; i < VIGIL__WORK_KINDS; i++) {
    if (p->wait[i].n == 0)
      continue;
    vigil__json_object(j, vigil__pool_name((enum vigil__work_kind) i));
    vigil__json_uint(j, "count", p->wait[i].n);
    vigil__json_ms(j, "waitP99Ms", vigil__counts_quantile(&p->wait[i], 0.99));
    vigil__json_ms(j, "waitMaxMs", p->wait[i].max_ns);
    vigil__json_ms(j, "runP99Ms", vigil__counts_quantile(&p->run[i], 0.99));
    vigil__json_ms(j, "runMaxMs", p->run[i].max_ns);
    vigil__json_end(j);
  }
  vigil__json_end(j);
  vigil__json_end(j);
}

static void snapshot(struct vigil__json* j,
                     const struct vigil__snapshot_figures* s) {
  if (s->mode == NULL) {
    vigil__json_null(j, "heapSnapshot");
    return;
  }
  vigil__json_object(j, "heapSnapshot");
  vigil__json_string(j, "mode", s->mode);
  vigil__json_uint(j, "tries", s->tries);
  vigil__json_uint(j, "heapBytes", s->heap_bytes);
  vigil__json_ms(j, "restMs", s->rest_ns);
  vigil__json_ms(j, "forkMs", s->fork_ns);
  vigil__json_ms(j, "childMs", s->child_ns);
  vigil__json_uint(j, "childBytes", s->child_bytes);
  vigil__json_end(j);
}

/* Why a piece is missing; nothing for one that is there or was not wanted. */
static void note(struct vigil__json* j, const char* key, const char* text) {
  if (text[0] == '\0')
    vigil__json_null(j, key);
  else
    vigil__json_string(j, key, text);
}

void vigil__manifest_write(struct vigil__json* j,
                           const struct vigil__incident* i,
                           const struct vigil__self* self) {
  static const char* const missing[VIGIL__PIECES] = {
    [VIGIL__PIECE_CPU] = "noCpuProfile",
    [VIGIL__PIECE_HEAP] = "noHeapSnapshot",
    [VIGIL__PIECE_ALLOC] = "noAllocProfile",
    [VIGIL__PIECE_BEFORE] = "noProfileBefore",
    [VIGIL__PIECE_STALLS] = "noStalls",
    [VIGIL__PIECE_LEAK] = "noLeakHunt"
  };
  int k;

  vigil__json_object(j, NULL);
  vigil__json_uint(j, "schema", 1);
  vigil__json_time(j, "triggered", i->trigger_wall_ns);
  vigil__json_time(j, "finished", vigil__os.wall());
  vigil__json_string(j, "headline", i->trigger.headline);
  process(j);
  vigil__json_object(j, "thread");
  vigil__json_uint(j, "id", i->trigger.thread_id);
  vigil__json_string(j, "name", i->trigger.thread);
  vigil__json_end(j);
  rule(j, i->config, &i->trigger);
  vigil__cause_write(j, "cause", &i->trigger.why, &i->trigger.figures);
  lag(j, &i->trigger);
  gc(j, &i->trigger);
  pool(j, &i->trigger.pool);
  vigil__timeline_write(j, "timeline", &i->timeline, i->trigger_mono);
  vigil__json_uint(j, "suppressedBefore", i->grant.suppressed);
  vigil__json_ms(j, "captureMs",
                 self->start_ns + self->stop_ns + self->snapshot_ns);
  vigil__json_ms(j, "startMs", self->start_ns);
  vigil__json_ms(j, "stopMs", self->stop_ns);
  vigil__json_ms(j, "snapshotMs", self->snapshot_ns);
  snapshot(j, &i->snapshot);
  for (k = 0; k < VIGIL__PIECE_LEAK_TEXT; k++)
    note(j, missing[k], i->piece[k].note);
  vigil__artifact_describe(&i->artifact, j);
  vigil__json_end(j);
}
