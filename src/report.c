/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "report.h"

#include "clock.h"
#include "counts.h"
#include "gc.h"
#include "hist.h"
#include "lag.h"
#include "loop.h"
#include "os.h"
#include "pool.h"
#include "report_loops.h"
#include "snapshot.h"
#include "thread.h"
#include "vigil.h"
#include "watch.h"
#include "window.h"

#include <stdbool.h>

static const struct vigil__config* config;

void vigil__report_init(const struct vigil__config* c) {
  config = c;
}

void vigil__report_measure(void) {
  if (vigil__on())
    vigil__watch_start();
}

static const char* mode(void) {
  if (!vigil__on())
    return "off";
  return config != NULL && config->mode == VIGIL__MODE_ON ? "on" : "auto";
}

/* 0 .. 1 with six decimals. */
static void put_share(struct vigil__json* j,
                      const char* key,
                      uint64_t part,
                      uint64_t whole) {
  double share = whole == 0 ? 0 : (double) part / (double) whole;

  if (share > 1)
    share = 1;
  vigil__json_ms(j, key, (uint64_t) (share * 1e6 + 0.5));
}

/* ---- lag */

static void put_lag(struct vigil__json* j,
                    const struct vigil__thread* t,
                    uint64_t window_ns) {
  struct vigil__window_span span = { .filled = false };
  struct vigil__lag lag = { .window_ns = 0 };
  uint64_t gc_ns;
  vigil__mono_t now;

  if (t->window != NULL)
    vigil__window_lag(t->window, window_ns, VIGIL__WINDOW_ALL, &lag, &span);
  now = vigil__os.mono();
  gc_ns = vigil__thread_gc(t, span.slices);

  vigil__json_ms(j, "windowMs", lag.window_ns);
  vigil__json_bool(j, "filled", span.filled);
  vigil__json_ms(j, "ageMs", span.end != 0 && now > span.end ? now - span.end
                                                             : 0);
  vigil__json_ms(j, "p50Ms", lag.p50_ns);
  vigil__json_ms(j, "p90Ms", lag.p90_ns);
  vigil__json_ms(j, "p99Ms", lag.p99_ns);
  vigil__json_ms(j, "p999Ms", lag.p999_ns);
  vigil__json_ms(j, "meanMs", lag.mean_ns);
  vigil__json_ms(j, "maxMs", lag.max_ns);
  vigil__json_ms(j, "busyMs", lag.busy_ns);
  put_share(j, "utilization", lag.busy_ns, lag.window_ns);
  vigil__json_ms(j, "gcMs", gc_ns);
  vigil__json_uint(j, "periods", lag.periods);
  vigil__json_uint(j, "polls", span.polls);
  vigil__json_uint(j, "events", span.events);
}

void vigil__report_lag(struct vigil__json* j, uint64_t window_ns) {
  vigil__json_object(j, NULL);
  vigil__json_bool(j, "off", !vigil__on());
  vigil__json_ms(j, "windowMs", window_ns);
  vigil__report_loops(j, true, put_lag, window_ns);
  vigil__json_end(j);
}

/* ---- status */

/* The watch thread has looked at a loop. */
static bool watching(void) {
  struct vigil__thread* t;

  if (!vigil__on())
    return false;
  vigil__threads_lock();
  for (t = vigil__threads_first(); t != NULL && t->window == NULL;)
    t = t->next;
  vigil__threads_unlock();
  return t != NULL;
}

static void put_status(struct vigil__json* j) {
  vigil__json_bool(j, "off", !vigil__on());
  vigil__json_string(j, "version", VIGIL_VERSION);
  vigil__json_string(j, "mode", mode());
  vigil__json_bool(j, "armed", vigil__on() && vigil__watch_armed());
  vigil__json_bool(j, "watching", watching());
}

void vigil__report_status(struct vigil__json* j) {
  vigil__json_object(j, NULL);
  put_status(j);
  vigil__json_end(j);
}

/* ---- snapshot */

/* Since the first poll. Read word by word, so figures that the loop's thread
 * changes together may be one period apart. */
static void put_totals(struct vigil__json* j, const struct vigil__loop* l) {
  const uint64_t startup_ns = vigil__load(&l->startup_ns);
  const vigil__mono_t since = vigil__load(&l->first_poll);
  const vigil__mono_t open = vigil__load(&l->busy_start);
  uint64_t busy_ns = vigil__load(&l->busy_ns);
  const vigil__mono_t now = vigil__os.mono();
  const uint64_t open_ns = open != 0 && now > open ? now - open : 0;
  const uint64_t total_ns = since != 0 && now > since ? now - since : 0;

  busy_ns += open_ns;
  if (busy_ns > total_ns)
    busy_ns = total_ns;
  vigil__json_object(j, "sinceStart");
  if (startup_ns == 0)
    vigil__json_null(j, "startupMs");
  else
    vigil__json_ms(j, "startupMs", startup_ns);
  vigil__json_ms(j, "observedMs", total_ns);
  vigil__json_ms(j, "activeMs", busy_ns);
  vigil__json_ms(j, "idleMs", total_ns - busy_ns);
  put_share(j, "utilization", busy_ns, total_ns);
  vigil__json_ms(j, "openMs", open_ns);
  vigil__json_ms(j, "longestMs", vigil__load(&l->longest_ns));
  vigil__json_ms(j, "selfMs", vigil__load(&l->self_ns));
  vigil__json_uint(j, "iterations", vigil__load(&l->turns));
  vigil__json_uint(j, "polls", vigil__load(&l->polls));
  vigil__json_uint(j, "events", vigil__load(&l->events));
  vigil__json_end(j);
}

static void put_lags(struct vigil__json* j, const struct vigil__thread* t) {
  static const struct { const char* key; uint64_t ns; } windows[] = {
    { "last1s", VIGIL__SEC },
    { "last10s", 10 * VIGIL__SEC },
    { "last60s", 60 * VIGIL__SEC }
  };
  size_t i;

  vigil__json_object(j, "lag");
  for (i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
    vigil__json_object(j, windows[i].key);
    put_lag(j, t, windows[i].ns);
    vigil__json_end(j);
  }
  vigil__json_end(j);
}

static void put_counts(struct vigil__json* j,
                       const char* key,
                       const struct vigil__counts_copy* c) {
  vigil__json_object(j, key);
  vigil__json_uint(j, "count", c->n);
  vigil__json_ms(j, "totalMs", c->total_ns);
  vigil__json_ms(j, "maxMs", c->max_ns);
  vigil__json_ms(j, "p50Ms", vigil__counts_quantile(c, 0.5));
  vigil__json_ms(j, "p90Ms", vigil__counts_quantile(c, 0.9));
  vigil__json_ms(j, "p99Ms", vigil__counts_quantile(c, 0.99));
  vigil__json_end(j);
}

static void put_gc(struct vigil__json* j, struct vigil__isolate* iso) {
  struct vigil__gc_copy gc;
  int i;

  if (iso == NULL) {
    vigil__json_null(j, "gc");
    return;
  }
  vigil__isolate_gc(iso, &gc);
  vigil__json_object(j, "gc");
  vigil__json_ms(j, "totalMs", gc.pause_ns);
  vigil__json_uint(j, "heapUsedAfterBytes", gc.used_after_bytes);
  vigil__json_uint(j, "externalAfterBytes", gc.external_after_bytes);
  vigil__json_array(j, "kinds");
  for (i = 0; i < VIGIL__GC_KINDS; i++) {
    vigil__json_object(j, NULL);
    vigil__json_string(j, "kind", vigil__gc_name((enum vigil__gc_kind) i));
    vigil__json_uint(j, "count", gc.count[i]);
    vigil__json_ms(j, "totalMs", gc.ns[i]);
    vigil__json_ms(j, "maxMs", gc.max_ns[i]);
    vigil__json_ms(j, "p50Ms", gc.p50_ns[i]);
    vigil__json_ms(j, "p99Ms", gc.p99_ns[i]);
    vigil__json_end(j);
  }
  vigil__json_end(j);
  vigil__json_end(j);
}

static void put_all(struct vigil__json* j,
                    const struct vigil__thread* t,
                    uint64_t arg) {
  struct vigil__counts_copy counts;

  (void) arg;
  put_lags(j, t);
  if (t->loop == NULL) {
    vigil__json_null(j, "sinceStart");
    vigil__json_null(j, "turns");
    vigil__json_null(j, "timers");
    vigil__json_null(j, "gc");
    return;
  }
  put_totals(j, t->loop);
  vigil__counts_read(&t->loop->turn, &counts);
  put_counts(j, "turns", &counts);
  vigil__counts_read(&t->loop->late, &counts);
  put_counts(j, "timers", &counts);
  put_gc(j, t->iso);
}

static void put_pool(struct vigil__json* j) {
  struct vigil__pool_copy pool;
  vigil__mono_t now;
  int i;

  vigil__pool_read(&pool);
  now = vigil__os.mono();
  vigil__json_object(j, "threadPool");
  vigil__json_uint(j, "queued", pool.queued);
  vigil__json_uint(j, "queuedMax", pool.queued_max);
  vigil__json_ms(j, "oldestWaitMs",
                 pool.oldest != 0 && now > pool.oldest ? now - pool.oldest : 0);
  vigil__json_uint(j, "running", pool.running);
  vigil__json_uint(j, "cancelled", pool.cancelled);
  vigil__json_uint(j, "unmeasured", pool.unstamped);
  vigil__json_array(j, "kinds");
  for (i = 0; i < VIGIL__WORK_KINDS; i++) {
    vigil__json_object(j, NULL);
    vigil__json_string(j, "kind", vigil__pool_name((enum vigil__work_kind) i));
    put_counts(j, "wait", &pool.wait[i]);
    put_counts(j, "run", &pool.run[i]);
    vigil__json_end(j);
  }
  vigil__json_end(j);
  vigil__json_end(j);
}

static void put_snapshots(struct vigil__json* j) {
  const struct vigil__snapshot_counts* c = &vigil__snapshot_counts;

  vigil__json_object(j, "heapSnapshots");
  vigil__json_uint(j, "taken", vigil__load(&c->taken));
  vigil__json_uint(j, "late", vigil__load(&c->late));
  vigil__json_uint(j, "failed", vigil__load(&c->failed));
  vigil__json_uint(j, "refused", vigil__load(&c->refused));
  vigil__json_end(j);
}

void vigil__report_snapshot(struct vigil__json* j) {
  vigil__json_object(j, NULL);
  put_status(j);
  put_snapshots(j);
  put_pool(j);
  vigil__report_loops(j, true, put_all, 0);
  vigil__json_end(j);
}
