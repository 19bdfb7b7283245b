/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "facts.h"

#include "capture.h"
#include "judge.h"
#include "log.h"
#include "os.h"
#include "probe.h"
#include "status.h"
#include "thread.h"
#include "watch.h"

#include <stdio.h>         /* snprintf */
#include <stdlib.h>        /* qsort */
#include <string.h>
#include <sys/resource.h>  /* getrusage */
#include "uv.h"

/* The budget takes a look at the disk. */
#define BUDGET_NS (10 * VIGIL__SEC)

static const struct vigil__config* config;
static uint64_t started;
static vigil__mono_t ended;       /* An incident was seen last. */

/* ---- one loop, under the lock of the threads */

/* The window's copy is that of its last successful read. */
static void collect_loop(struct vigil__facts_thread* f,
                         struct vigil__thread* t) {
  const struct vigil__loop_copy* c = &t->window->now;
  const vigil__mono_t now = c->done ? c->now : c->last_now;
  const vigil__mono_t open = c->done ? c->busy_start : c->last_start;
  const vigil__mono_t since = vigil__load(&t->loop->first_poll);
  struct vigil__counts_copy counts;

  f->open_ns = open != 0 && now > open ? now - open : 0;
  if (since != 0 && now > since)
    vigil__arrivals_update(&t->arrivals, &t->window->last_busy, f->open_ns,
                           now - since, config->lag_p99_ns);
  f->arrivals = t->arrivals;
  f->idle_ns = f->arrivals.total_ns - f->arrivals.busy_ns;
  f->own_ns = vigil__load(&t->loop->self_ns);
  f->longest_ns = vigil__load(&t->loop->longest_ns);
  if (f->open_ns > f->longest_ns)
    f->longest_ns = f->open_ns;
  f->polls = vigil__load(&t->loop->polls);
  f->events = vigil__load(&t->loop->events);
  vigil__counts_read(&t->loop->turn, &counts);
  vigil__spread_make(&f->turn, &counts);
  vigil__counts_read(&t->loop->late, &counts);
  vigil__spread_make(&f->late, &counts);
}

static void collect_lag(struct vigil__facts_thread* f,
                        const struct vigil__thread* t) {
  struct vigil__window_span span;

  f->has_lag = vigil__window_lag(t->window, config->window_ns,
                                 VIGIL__WINDOW_ALL, &f->lag, &span) == 0 &&
               f->lag.window_ns != 0;
  if (!f->has_lag)
    return;
  f->gc_window_ns = vigil__thread_gc(
      t, (span.end - span.begin + VIGIL__SEC / 2) / VIGIL__SEC);
  f->utilization_ppm = (uint64_t) ((double) f->lag.busy_ns * 1e6 /
                                   (double) f->lag.window_ns);
}

static void collect_gc(struct vigil__facts_thread* f,
                       const struct vigil__thread* t) {
  struct vigil__counts_copy counts;
  struct vigil__gc_copy gc;
  struct vigil__gc* pauses;
  int i;

  f->has_gc = t->iso != NULL;
  if (!f->has_gc)
    return;
  pauses = vigil__isolate_pauses(t->iso);
  vigil__gc_read(pauses, &gc);
  f->gc_ns = gc.pause_ns;
  f->used_after_bytes = gc.used_after_bytes;
  f->external_after_bytes = gc.external_after_bytes;
  f->heap_limit_bytes = gc.heap_limit_bytes;
  f->spaces = vigil__gc_spaces(pauses, f->space);
  for (i = 0; i < VIGIL__GC_KINDS; i++) {
    vigil__gc_counts(pauses, (enum vigil__gc_kind) i, &counts);
    vigil__spread_make(&f->gc[i], &counts);
  }
}

static void collect_judged(struct vigil__facts_thread* f,
                           const struct vigil__thread* t) {
  const struct vigil__stalls* s;
  int i;

  f->has_rules = t->probe != NULL;
  if (!f->has_rules)
    return;
  s = &t->probe->stalls;
  memcpy(f->stalls, s->ended, sizeof(f->stalls));
  memcpy(f->stalls_ns, s->ended_ns, sizeof(f->stalls_ns));
  f->stall_open = vigil__stalls_open(s);
  for (i = 0; i < VIGIL__RULES; i++)
    f->rule[i] = vigil__judge_look(t, (enum vigil__rule) i);
}

static void collect_thread(struct vigil__facts_thread* f,
                           struct vigil__thread* t) {
  memset(f, 0, sizeof(*f));
  f->is_main = t->kind == VIGIL__THREAD_MAIN;
  f->id = t->id;
  memcpy(f->name, t->name, sizeof(f->name));
  if (f->is_main)
    strcpy(f->label, "main");
  else
    snprintf(f->label, sizeof(f->label), "worker-%llu",
             (unsigned long long) t->id);
  collect_loop(f, t);
  collect_lag(f, t);
  collect_gc(f, t);
  collect_judged(f, t);
}

static bool is_told(const struct vigil__thread* t) {
  return t->loop != NULL && t->window != NULL &&
         t->kind != VIGIL__THREAD_OTHER;
}

static int compare(const void* a, const void* b) {
  const struct vigil__facts_thread* s = a;
  const struct vigil__facts_thread* t = b;

  return s->id < t->id ? -1 : s->id > t->id;
}

/* Without memory for all of them some are left out. */
static void collect_threads(struct vigil__facts* f) {
  struct vigil__thread* t;
  size_t n = 0;
  void* p;

  vigil__threads_lock();
  for (t = vigil__threads_first(); t != NULL; t = t->next)
    n += is_told(t);
  if (n > VIGIL__FACTS_THREADS)
    n = VIGIL__FACTS_THREADS;
  if (n > f->size) {
    p = vigil__os.realloc(f->thread, n * sizeof(*f->thread));
    if (p != NULL) {
      f->thread = p;
      f->size = n;
    }
  }
  f->threads = f->left_out = 0;
  for (t = vigil__threads_first(); t != NULL; t = t->next) {
    if (!is_told(t))
      continue;
    if (f->threads < f->size)
      collect_thread(&f->thread[f->threads++], t);
    else
      f->left_out++;
  }
  vigil__threads_unlock();
  if (f->threads != 0)
    qsort(f->thread, f->threads, sizeof(*f->thread), compare);
}

/* Of one thread: what an incident would say now. The lock is not held while that
 * is found out. */
static void collect_cause(struct vigil__facts_thread* f) {
  struct vigil__trigger trigger;
  struct vigil__thread* t;

  vigil__threads_lock();
  for (t = vigil__threads_first(); t != NULL; t = t->next) {
    if (t->iso != NULL && t->probe != NULL && t->id == f->id) {
      vigil__judge_begin(t, &trigger);
      break;
    }
  }
  vigil__threads_unlock();
  if (t == NULL)
    return;
  vigil__judge_why(&trigger);
  f->has_why = true;
  f->figures = trigger.figures;
  f->why = trigger.why;
  vigil__judge_drop(&trigger);
}

static void collect_causes(struct vigil__facts* f) {
  size_t i;

  for (i = 0; i < f->threads && i < VIGIL__FACTS_CAUSES; i++) {
    if (f->thread[i].has_lag && f->thread[i].has_rules)
      collect_cause(&f->thread[i]);
  }
}

/* ---- the process */

static void collect_pool(struct vigil__facts_pool* f, vigil__mono_t now) {
  struct vigil__pool_copy pool;
  int i;

  vigil__pool_read(&pool);
  f->queued = pool.queued;
  f->queued_max = pool.queued_max;
  f->oldest_ns = pool.oldest != 0 && now > pool.oldest ? now - pool.oldest : 0;
  f->running = pool.running;
  f->cancelled = pool.cancelled;
  f->unstamped = pool.unstamped;
  for (i = 0; i < VIGIL__WORK_KINDS; i++) {
    vigil__spread_make(&f->wait[i], &pool.wait[i]);
    vigil__spread_make(&f->run[i], &pool.run[i]);
  }
}

static void collect_process(struct vigil__facts* f) {
  struct rusage usage;
  size_t resident = 0;

  if (getrusage(RUSAGE_SELF, &usage) == 0)
    f->cpu_ns = ((uint64_t) usage.ru_utime.tv_sec +
                 (uint64_t) usage.ru_stime.tv_sec) * VIGIL__SEC +
                ((uint64_t) usage.ru_utime.tv_usec +
                 (uint64_t) usage.ru_stime.tv_usec) * VIGIL__US;
  uv_resident_set_memory(&resident);
  f->resident_bytes = resident;
}

/* The disk is asked rarely, and not while nobody needs the answer. */
static void collect_budget(struct vigil__facts* f) {
  static struct vigil__budget_view view;
  static uint64_t entries;
  static vigil__mono_t at;

  if (f->armed && !f->capturing &&
      (at == 0 || f->at - at >= BUDGET_NS || entries != f->ledger.entries)) {
    vigil__budget_look(config, &view);
    entries = f->ledger.entries;
    at = f->at;
  }
  f->budget = view;
  f->budget_at = at;
}

void vigil__facts_init(void) {
  started = vigil__os.wall();
}

void vigil__facts_collect(const struct vigil__config* c, bool causes) {
  struct vigil__facts* f = vigil__facts_begin();

  config = c;
  f->config = c;
  f->started_wall_ns = started;
  f->armed = vigil__watch_armed();
  f->capturing = vigil__capture_running();
  f->log_dropped = vigil__log_dropped();
  f->ledger = *vigil__ledger();
  f->helper = *vigil__helper_counts();
  collect_threads(f);
  if (causes)
    collect_causes(f);
  f->at = vigil__os.mono();
  collect_pool(&f->pool, f->at);
  collect_process(f);
  collect_budget(f);
  f->incident = vigil__status_incident(f);
  if (f->incident)
    ended = f->at;
  f->ended = ended;
  vigil__facts_publish();
}
