/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "status.h"

#include "cause_json.h"
#include "vigil.h"

#include <string.h>
#include <unistd.h>  /* getpid */

static uint64_t less(uint64_t a, uint64_t b) {
  return a > b ? a - b : 0;
}

bool vigil__status_incident(const struct vigil__facts* f) {
  const struct vigil__facts_thread* t;
  int i;

  for (t = f->thread; t < f->thread + f->threads; t++) {
    for (i = 0; i < VIGIL__RULES; i++) {
      if (i != VIGIL__RULE_OLD_SPACE &&
          t->rule[i].stand == VIGIL__STAND_INCIDENT)
        return true;
    }
  }
  return false;
}

bool vigil__status_ready(const struct vigil__facts* f,
                         vigil__mono_t now,
                         uint64_t* wait_ns) {
  *wait_ns = 0;
  if (f->incident)
    *wait_ns = UINT64_MAX;
  else if (f->ended != 0)
    *wait_ns = less(f->config->ready_after_ns, less(now, f->ended));
  return *wait_ns == 0;
}

/* ---- threads */

static void put_lag(struct vigil__json* j,
                    const struct vigil__facts_thread* t) {
  if (!t->has_lag) {
    vigil__json_null(j, "lag");
    return;
  }
  vigil__json_object(j, "lag");
  vigil__json_ms(j, "windowMs", t->lag.window_ns);
  vigil__json_ms(j, "p50Ms", t->lag.p50_ns);
  vigil__json_ms(j, "p90Ms", t->lag.p90_ns);
  vigil__json_ms(j, "p99Ms", t->lag.p99_ns);
  vigil__json_ms(j, "meanMs", t->lag.mean_ns);
  vigil__json_ms(j, "maxMs", t->lag.max_ns);
  vigil__json_ms(j, "utilization", t->utilization_ppm);
  vigil__json_end(j);
}

/* ns as ms, or ppm as per cent: what the rule counts in. */
static void put_figure(struct vigil__json* j,
                       const char* key,
                       bool share,
                       uint64_t value) {
  vigil__json_ms(j, key, share ? value * 100 : value);
}

static void put_rule(struct vigil__json* j,
                     enum vigil__rule rule,
                     const struct vigil__rule_view* v) {
  const bool share = rule == VIGIL__RULE_GC || rule == VIGIL__RULE_OLD_SPACE;

  vigil__json_object(j, NULL);
  vigil__json_string(j, "name", vigil__rule_name(rule));
  vigil__json_string(j, "state", vigil__stand_name(v->stand));
  vigil__json_string(j, "reason", v->reason);
  if (v->stand != VIGIL__STAND_OFF) {
    vigil__json_string(j, "unit", share ? "%" : "ms");
    if (v->figure.valid)
      put_figure(j, "value", share, v->figure.value);
    else
      vigil__json_null(j, "value");
    put_figure(j, "limit", share, v->limit);
  }
  if (v->stand == VIGIL__STAND_PENDING)
    vigil__json_ms(j, "firesInMs", v->left_ns);
  if (v->stand == VIGIL__STAND_INCIDENT) {
    vigil__json_bool(j, "captured", v->captured);
    if (v->left_ns == UINT64_MAX)
      vigil__json_null(j, "overInMs");
    else
      vigil__json_ms(j, "overInMs", v->left_ns);
  }
  vigil__json_end(j);
}

static void put_gc(struct vigil__json* j,
                   const struct vigil__facts_thread* t) {
  int i;

  if (!t->has_gc) {
    vigil__json_null(j, "gc");
    return;
  }
  vigil__json_object(j, "gc");
  vigil__json_ms(j, "windowMs", t->gc_window_ns);
  vigil__json_ms(j, "totalMs", t->gc_ns);
  vigil__json_object(j, "kinds");
  for (i = 0; i < VIGIL__GC_KINDS; i++) {
    vigil__json_object(j, vigil__gc_name((enum vigil__gc_kind) i));
    vigil__json_uint(j, "count", t->gc[i].n);
    vigil__json_ms(j, "totalMs", t->gc[i].total_ns);
    vigil__json_end(j);
  }
  vigil__json_end(j);
  vigil__json_uint(j, "usedBytes", t->used_after_bytes);
  vigil__json_uint(j, "limitBytes", t->heap_limit_bytes);
  vigil__json_end(j);
}

/* By cause; the work of captures, which is none, is the last one. */
static void put_stalls(struct vigil__json* j,
                       const struct vigil__facts_thread* t) {
  int i;

  vigil__json_object(j, "stallsByCause");
  for (i = 0; i <= VIGIL__CAUSE_CLASSES; i++) {
    if (t->stalls[i] == 0)
      continue;
    vigil__json_object(j, i == VIGIL__STALL_OWN
                              ? "own-work"
                              : vigil__cause_name((enum vigil__cause_class) i));
    vigil__json_uint(j, "count", t->stalls[i]);
    vigil__json_ms(j, "totalMs", t->stalls_ns[i]);
    vigil__json_end(j);
  }
  vigil__json_end(j);
}

static void put_thread(struct vigil__json* j,
                       const struct vigil__facts_thread* t) {
  uint64_t stalls = 0;
  int i;

  for (i = 0; i <= VIGIL__CAUSE_CLASSES; i++)
    stalls += t->stalls[i];
  vigil__json_object(j, NULL);
  vigil__json_uint(j, "threadId", t->id);
  vigil__json_string(j, "name", t->name);
  vigil__json_string(j, "label", t->label);
  vigil__json_ms(j, "openMs", t->open_ns);
  put_lag(j, t);
  vigil__json_uint(j, "stalls", stalls);
  vigil__json_bool(j, "stalled", t->stall_open != 0);
  put_stalls(j, t);
  put_gc(j, t);
  if (t->has_why)
    vigil__cause_write(j, "cause", &t->why, &t->figures);
  vigil__json_array(j, "rules");
  for (i = 0; t->has_rules && i < VIGIL__RULES; i++)
    put_rule(j, (enum vigil__rule) i, &t->rule[i]);
  vigil__json_end(j);
  vigil__json_end(j);
}

/* ---- the process */

static void put_pool(struct vigil__json* j, const struct vigil__facts_pool* p) {
  int i;

  vigil__json_object(j, "pool");
  vigil__json_uint(j, "queued", p->queued);
  vigil__json_uint(j, "queuedMax", p->queued_max);
  vigil__json_uint(j, "running", p->running);
  vigil__json_ms(j, "oldestMs", p->oldest_ns);
  vigil__json_object(j, "kinds");
  for (i = 0; i < VIGIL__WORK_KINDS; i++) {
    vigil__json_object(j, vigil__pool_name((enum vigil__work_kind) i));
    vigil__json_uint(j, "begun", p->wait[i].n);
    vigil__json_ms(j, "waitMs", p->wait[i].total_ns);
    vigil__json_uint(j, "ended", p->run[i].n);
    vigil__json_ms(j, "runMs", p->run[i].total_ns);
    vigil__json_end(j);
  }
  vigil__json_end(j);
  vigil__json_end(j);
}

static void put_process(struct vigil__json* j, const struct vigil__facts* f) {
  vigil__json_object(j, "process");
  vigil__json_ms(j, "cpuMs", f->cpu_ns);
  vigil__json_uint(j, "residentBytes", f->resident_bytes);
  vigil__json_end(j);
}

/* ---- captures */

static void put_captures(struct vigil__json* j, const struct vigil__facts* f) {
  const struct vigil__ledger* l = &f->ledger;
  int i;

  vigil__json_object(j, "captures");
  vigil__json_bool(j, "running", f->capturing);
  vigil__json_uint(j, "attempted", l->attempted);
  vigil__json_uint(j, "written", l->written);
  vigil__json_uint(j, "failed", l->failed);
  vigil__json_object(j, "refused");
  for (i = 0; i < VIGIL__REFUSALS; i++)
    vigil__json_uint(j, vigil__refusal_name((enum vigil__refusal) i),
                     l->refused[i]);
  vigil__json_end(j);
  vigil__json_end(j);
}

static void put_helper(struct vigil__json* j,
                       const struct vigil__helper_counts* c) {
  vigil__json_object(j, "helper");
  vigil__json_uint(j, "started", c->started);
  vigil__json_uint(j, "failed", c->failed);
  vigil__json_uint(j, "late", c->late);
  vigil__json_uint(j, "errors", c->errors);
  vigil__json_uint(j, "reports", c->reports);
  vigil__json_uint(j, "shipped", c->shipped);
  vigil__json_uint(j, "shipFailed", c->ship_failed);
  vigil__json_uint(j, "unshipped", c->left);
  vigil__json_end(j);
}

static void put_budget(struct vigil__json* j,
                       const struct vigil__facts* f,
                       vigil__mono_t now) {
  const struct vigil__budget_view* b = &f->budget;
  const uint64_t age_ns = less(now, f->budget_at);

  if (f->budget_at == 0) {
    vigil__json_null(j, "budget");
    return;
  }
  vigil__json_object(j, "budget");
  vigil__json_string(j, "directory", f->config->dir);
  vigil__json_ms(j, "ageMs", age_ns);
  if (b->error != 0) {
    vigil__json_string(j, "error", strerror(-b->error));
    vigil__json_end(j);
    return;
  }
  vigil__json_ms(j, "cooldownMs", less(b->cooldown_ns, age_ns));
  vigil__json_uint(j, "perHour", f->config->per_hour);
  vigil__json_uint(j, "hourLeft", b->hour_left);
  vigil__json_ms(j, "hourMoreInMs", less(b->hour_ns, age_ns));
  vigil__json_uint(j, "diskBytes", f->config->disk_bytes);
  vigil__json_uint(j, "usedBytes", b->bytes);
  vigil__json_uint(j, "roomBytes", b->room);
  vigil__json_uint(j, "incidents", b->incidents);
  vigil__json_uint(j, "suppressed", b->suppressed);
  vigil__json_end(j);
}

static void put_entry(struct vigil__json* j,
                      const struct vigil__ledger_entry* e) {
  vigil__json_object(j, NULL);
  vigil__json_time(j, "triggered", e->wall_ns);
  vigil__json_uint(j, "threadId", e->thread_id);
  vigil__json_string(j, "rule", e->rule);
  vigil__json_string(j, "headline", e->headline);
  vigil__json_string(j, "cause", e->cause);
  vigil__json_string(j, "why", e->why);
  vigil__json_bool(j, "written", e->written);
  if (e->written)
    vigil__json_string(j, "directory", e->path);
  vigil__json_end(j);
}

/* The newest first. */
static void put_recent(struct vigil__json* j, const struct vigil__ledger* l) {
  uint64_t i;

  vigil__json_array(j, "incidents");
  for (i = 0; i < VIGIL__LEDGER_RECENT && i < l->entries; i++)
    put_entry(j, &l->recent[(l->entries - 1 - i) % VIGIL__LEDGER_RECENT]);
  vigil__json_end(j);
}

void vigil__status_write(struct vigil__json* j,
                         const struct vigil__facts* f,
                         vigil__mono_t now,
                         uint64_t wall_ns) {
  uint64_t wait_ns;
  size_t i;

  vigil__json_object(j, NULL);
  vigil__json_uint(j, "schema", 1);
  vigil__json_time(j, "time", wall_ns);
  vigil__json_uint(j, "pid", (uint64_t) getpid());
  vigil__json_string(j, "version", VIGIL_VERSION);
  vigil__json_time(j, "started", f->started_wall_ns);
  vigil__json_bool(j, "armed", f->armed);
  vigil__json_ms(j, "ageMs", less(now, f->at));
  vigil__json_bool(j, "ready", vigil__status_ready(f, now, &wait_ns));
  if (wait_ns == UINT64_MAX)
    vigil__json_null(j, "readyInMs");
  else
    vigil__json_ms(j, "readyInMs", wait_ns);
  vigil__json_array(j, "threads");
  for (i = 0; i < f->threads; i++)
    put_thread(j, &f->thread[i]);
  vigil__json_end(j);
  put_pool(j, &f->pool);
  put_process(j, f);
  put_captures(j, f);
  put_budget(j, f, now);
  put_helper(j, &f->helper);
  put_recent(j, &f->ledger);
  vigil__json_end(j);
}
