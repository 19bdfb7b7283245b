/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "judge.h"

#include "figures.h"
#include "os.h"
#include "probe.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>   /* snprintf */
#include <string.h>

#define PPM UINT64_C(1000000)
#define CALM_NS (3 * VIGIL__SEC)

static const struct vigil__config* config;
static struct vigil__rule_config rules;  /* Watch thread only. */

/* A limit that somebody wants, or NONE. Each is one whole value that orders
 * nothing: relaxed. The watch thread takes it out and is the only one to use
 * it; of two that come before it looks the last one counts. */
#define NONE UINT64_MAX
static _Atomic uint64_t asked[VIGIL__RULES];

void vigil__judge_init(const struct vigil__config* c) {
  int i;

  config = c;
  vigil__rule_configure(&rules, c);
  for (i = 0; i < VIGIL__RULES; i++)
    atomic_init(&asked[i], NONE);
}

void vigil__judge_ask_limit(enum vigil__rule rule, uint64_t limit) {
  atomic_store_explicit(&asked[rule], limit, memory_order_relaxed);
}

void vigil__judge_take_limits(void) {
  uint64_t limit;
  int i;

  for (i = 0; i < VIGIL__RULES; i++) {
    limit = atomic_exchange_explicit(&asked[i], NONE, memory_order_relaxed);
    if (limit != NONE)
      rules.rule[i].limit = limit;
  }
}

static uint64_t seconds_of(const struct vigil__window_span* span) {
  return (span->end - span->begin + VIGIL__SEC / 2) / VIGIL__SEC;
}

static void heap_figure(const struct vigil__gc_copy* gc,
                        struct vigil__rule_figure* figure) {
  figure->valid = gc->heap_limit_bytes != 0;
  if (figure->valid)
    figure->value = (uint64_t) ((double) gc->used_after_bytes * (double) PPM /
                                (double) gc->heap_limit_bytes);
}

/* The thread pool is the whole process's: the main thread answers for it. */
static void pool_figure(const struct vigil__thread* t,
                        vigil__mono_t now,
                        struct vigil__rule_figure* figure) {
  struct vigil__figures f;

  if (t->kind != VIGIL__THREAD_MAIN || rules.rule[VIGIL__RULE_POOL].limit == 0)
    return;
  memset(&f, 0, sizeof(f));
  figure->valid = vigil__figures_pool(now - config->window_ns, now, &f);
  figure->value = f.pool_wait_ns;
}

struct vigil__rule_result vigil__judge(struct vigil__thread* t,
                                       bool capturing) {
  struct vigil__window_span span;
  struct vigil__rule_input in;
  struct vigil__gc_copy gc;
  struct vigil__lag lag;
  uint64_t span_ns;

  memset(&in, 0, sizeof(in));
  in.now = vigil__os.mono();
  if (t->rule.start == 0)
    t->rule.start = in.now;  /* The grace period counts from arming. */
  in.capturing = capturing;
  vigil__isolate_gc(t->iso, &gc);
  in.full_gcs = gc.count[VIGIL__GC_MARK_SWEEP_COMPACT];
  if (vigil__window_lag(t->window, config->window_ns, VIGIL__WINDOW_MASKED,
                        &lag, &span) == 0 && span.filled) {
    span_ns = span.end - span.begin;
    in.figure[VIGIL__RULE_LAG].valid = true;
    in.figure[VIGIL__RULE_LAG].value = lag.p99_ns;
    in.figure[VIGIL__RULE_GC].valid = true;
    in.figure[VIGIL__RULE_GC].value = (uint64_t) (
        (double) vigil__thread_gc(t, seconds_of(&span)) *
        (double) PPM / (double) span_ns);
  }
  if (t->probe != NULL && config->stall_ns != 0) {
    in.figure[VIGIL__RULE_STALL].valid = true;
    in.figure[VIGIL__RULE_STALL].value =
        vigil__stalls_longest(&t->probe->stalls);
  }
  if (in.full_gcs != 0)
    heap_figure(&gc, &in.figure[VIGIL__RULE_OLD_SPACE]);
  pool_figure(t, in.now, &in.figure[VIGIL__RULE_POOL]);
  memcpy(t->figure, in.figure, sizeof(t->figure));
  return vigil__rule_eval(&rules, &t->rule, &in);
}

struct vigil__rule_view vigil__judge_look(const struct vigil__thread* t,
                                          enum vigil__rule rule) {
  return vigil__rule_look(&rules, &t->rule, &t->figure[rule], rule);
}

bool vigil__judge_calm(const struct vigil__thread* t) {
  struct vigil__window_span span;
  struct vigil__lag lag;

  return vigil__window_lag(t->window, CALM_NS, VIGIL__WINDOW_MASKED, &lag,
                           &span) == 0 &&
         lag.p99_ns < rules.rule[VIGIL__RULE_LAG].limit / 2;
}

void vigil__judge_begin(const struct vigil__thread* t,
                        struct vigil__trigger* trigger) {
  memset(trigger, 0, sizeof(*trigger));
  trigger->iso = t->iso;
  trigger->probe = t->probe;
  trigger->loop = t->loop;
  trigger->thread_id = t->id;
  memcpy(trigger->thread, t->name, sizeof(trigger->thread));
  vigil__isolate_gc(t->iso, &trigger->gc);
  if (t->window != NULL &&
      vigil__window_lag(t->window, config->window_ns, VIGIL__WINDOW_MASKED,
                        &trigger->lag, &trigger->span) == 0)
    trigger->gc_window_ns = vigil__thread_gc(t, seconds_of(&trigger->span));
  vigil__isolate_ref(t->iso);
  vigil__probe_ref(t->probe);
}

/* "1234 ms", or "12.3 %". */
static const char* amount(char text[32], bool share, uint64_t value) {
  if (share)
    snprintf(text, 32, "%" PRIu64 ".%" PRIu64 " %%", value / 10000,
             value / 1000 % 10);
  else
    snprintf(text, 32, "%" PRIu64 " ms", value / VIGIL__MS);
  return text;
}

static void headline(struct vigil__trigger* t,
                     const struct vigil__rule_result* r) {
  static const struct { const char* begin; const char* end; } words[] = {
    [VIGIL__RULE_LAG] = { "event loop lag p99 is ", " over" },
    [VIGIL__RULE_STALL] = { "the event loop was blocked for ", NULL },
    [VIGIL__RULE_GC] = { "GC took ", " of" },
    [VIGIL__RULE_POOL] = { "the wait for the thread pool has a p99 of ",
                           " over" },
    [VIGIL__RULE_OLD_SPACE] = { "after a full collection the heap is at ",
                                NULL }
  };
  const uint64_t span_ms = (t->span.end - t->span.begin) / VIGIL__MS;
  const bool share = t->unit[0] == '%';
  char value[32];
  char limit[32];
  char span[64] = "";

  if (words[r->rule].end != NULL)
    snprintf(span, sizeof(span), "%s the last %" PRIu64 ".%" PRIu64 " s",
             words[r->rule].end, span_ms / 1000, span_ms % 1000 / 100);
  snprintf(t->headline, sizeof(t->headline), "%s%s%s (limit %s, %s)",
           words[r->rule].begin, amount(value, share, r->value), span,
           amount(limit, share, r->limit), t->thread);
}

void vigil__judge_why(struct vigil__trigger* t) {
  const vigil__mono_t now = vigil__os.mono();
  const uint64_t span_ns = t->span.end - t->span.begin;

  vigil__pool_read(&t->pool);
  vigil__figures_window(
      t->probe, now > span_ns ? now - span_ns : 0, now,
      vigil__gc_pauses(vigil__isolate_pauses(t->iso), now), &t->figures);
  t->figures.busy_ns = t->lag.busy_ns < t->figures.span_ns
                           ? t->lag.busy_ns : t->figures.span_ns;
  if (t->figures.gc_ns > t->figures.busy_ns)
    t->figures.gc_ns = t->figures.busy_ns;
  t->figures.lag_ns = t->lag.p99_ns;
  vigil__cause_decide(&t->figures, &t->why);
}

void vigil__judge_end(struct vigil__trigger* t,
                      const struct vigil__rule_result* rule,
                      const char* who) {
  vigil__judge_why(t);
  if (rule == NULL) {
    t->rule = who;
    t->demand = true;
    t->unit = "";
    snprintf(t->headline, sizeof(t->headline),
             "captured on request of %s (%s)", who, t->thread);
    return;
  }
  t->rule = vigil__rule_name(rule->rule);
  t->unit = rule->rule == VIGIL__RULE_GC || rule->rule == VIGIL__RULE_OLD_SPACE
                ? "%" : "ms";
  t->value = rule->value;
  t->limit = rule->limit;
  t->ratio = rule->ratio;
  t->again = rule->again;
  headline(t, rule);
}

void vigil__judge_leak(struct vigil__trigger* t, unsigned round) {
  vigil__judge_why(t);
  t->rule = "leak-hunt";
  t->demand = true;
  t->unit = "";
  t->leak = round;
  t->want = VIGIL__CAPTURE_HEAP;
  snprintf(t->headline, sizeof(t->headline), "leak hunt (%s)", t->thread);
}

void vigil__judge_limit(struct vigil__trigger* t, uint64_t limit) {
  vigil__judge_why(t);
  t->rule = "heap-limit";
  t->unit = "%";
  t->value = t->limit = 100 * 10000;
  t->ratio = VIGIL__BUDGET_LAST;
  t->last = true;
  t->want = VIGIL__CAPTURE_HEAP | (config->capture & VIGIL__CAPTURE_BEFORE);
  snprintf(t->headline, sizeof(t->headline),
           "the heap has reached its limit of %" PRIu64 " MB (%s)",
           limit >> 20, t->thread);
}

void vigil__judge_drop(struct vigil__trigger* trigger) {
  vigil__probe_unref(trigger->probe);
  vigil__isolate_unref(trigger->iso);
}
