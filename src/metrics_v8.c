/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* Families about garbage collection and the heap. V8 tells of its heap on the
 * thread of the isolate alone, so these figures are as of the end of the last
 * full collection, when our callback read them there. */

#include "metrics.h"

#include <stdio.h>   /* snprintf */
#include <string.h>

#define LABELS 160
#define AT(member) offsetof(struct vigil__gc_space, member)

/* As OpenTelemetry calls the kinds, and the bounds that it advises. */
static const char* const otel_types[] = {
  "minor", "major", "incremental", "weakcb"
};
static const unsigned otel_type[VIGIL__GC_KINDS] = {
  [VIGIL__GC_SCAVENGE] = 0,
  [VIGIL__GC_MINOR_MARK_SWEEP] = 0,
  [VIGIL__GC_MARK_SWEEP_COMPACT] = 1,
  [VIGIL__GC_INCREMENTAL_MARKING] = 2,
  [VIGIL__GC_WEAK_CALLBACKS] = 3
};
static const uint64_t otel_bounds[] = {
  10 * VIGIL__MS, 100 * VIGIL__MS, VIGIL__SEC, 10 * VIGIL__SEC
};

static void merge(struct vigil__spread* to, const struct vigil__spread* s) {
  unsigned i;

  for (i = 0; i < VIGIL__SPREAD_BOUNDS; i++)
    to->at_most[i] += s->at_most[i];
  to->n += s->n;
  to->total_ns += s->total_ns;
}

static void put_otel(struct vigil__metrics* m,
                     const struct vigil__facts_thread* t) {
  struct vigil__spread sum[4];
  char labels[LABELS];
  unsigned i;

  memset(sum, 0, sizeof(sum));
  for (i = 0; i < VIGIL__GC_KINDS; i++)
    merge(&sum[otel_type[i]], &t->gc[i]);
  for (i = 0; i < 4; i++) {
    snprintf(labels, sizeof(labels), "thread=\"%s\",v8js_gc_type=\"%s\"",
             t->label, otel_types[i]);
    vigil__metrics_spread_at(m, labels, &sum[i], otel_bounds,
                             sizeof(otel_bounds) / sizeof(otel_bounds[0]));
  }
}

static void put_pauses(struct vigil__metrics* m,
                       const struct vigil__facts_thread* t) {
  char labels[LABELS];
  unsigned i;

  for (i = 0; i < VIGIL__GC_KINDS; i++) {
    snprintf(labels, sizeof(labels), "thread=\"%s\",kind=\"%s\"", t->label,
             vigil__gc_name((enum vigil__gc_kind) i));
    vigil__metrics_spread(m, labels, &t->gc[i]);
  }
}

static void put_spaces(struct vigil__metrics* m,
                       const struct vigil__facts* f,
                       const char* name,
                       const char* help,
                       size_t at) {
  const struct vigil__facts_thread* t;
  char labels[LABELS];
  unsigned i;

  vigil__metrics_family(m, name, VIGIL__METRIC_GAUGE, VIGIL__UNIT_BYTES, help);
  for (t = f->thread; t < f->thread + f->threads; t++) {
    for (i = 0; i < t->spaces; i++) {
      snprintf(labels, sizeof(labels),
               "thread=\"%s\",v8js_heap_space_name=\"%.40s\"", t->label,
               t->space[i].name);
      vigil__metrics_put(m, labels, *(const uint64_t*)
                         ((const char*) &t->space[i] + at));
    }
  }
}

/* One of each thread that had a full collection. */
static void put_heap(struct vigil__metrics* m,
                     const struct vigil__facts* f,
                     const char* name,
                     const char* help,
                     size_t at) {
  const struct vigil__facts_thread* t;
  char labels[LABELS];

  vigil__metrics_family(m, name, VIGIL__METRIC_GAUGE, VIGIL__UNIT_BYTES, help);
  for (t = f->thread; t < f->thread + f->threads; t++) {
    if (!t->has_gc || t->heap_limit_bytes == 0)
      continue;
    snprintf(labels, sizeof(labels), "thread=\"%s\"", t->label);
    vigil__metrics_put(m, labels, *(const uint64_t*) ((const char*) t + at));
  }
}

#define AFTER ", as of the last full collection"

void vigil__metrics_v8(struct vigil__metrics* m, const struct vigil__facts* f) {
  const struct vigil__facts_thread* const end = f->thread + f->threads;
  const struct vigil__facts_thread* t;
  char labels[LABELS];

  vigil__metrics_family(m, "v8js_gc_duration_seconds",
                        VIGIL__METRIC_HISTOGRAM, VIGIL__UNIT_SECONDS,
                        "Garbage collection pauses by OpenTelemetry's types");
  for (t = f->thread; t < end; t++) {
    if (t->has_gc)
      put_otel(m, t);
  }
  put_spaces(m, f, "v8js_memory_heap_used_bytes",
             "Used size of a heap space" AFTER, AT(used_bytes));
  put_spaces(m, f, "v8js_memory_heap_limit_bytes",
             "Size of a heap space" AFTER ", under its older name",
             AT(size_bytes));
  put_spaces(m, f, "v8js_memory_heap_space_size_bytes",
             "Size of a heap space" AFTER, AT(size_bytes));
  put_spaces(m, f, "v8js_memory_heap_space_available_size_bytes",
             "Available size of a heap space" AFTER, AT(available_bytes));
  put_spaces(m, f, "v8js_memory_heap_space_physical_size_bytes",
             "Physical size of a heap space" AFTER, AT(physical_bytes));

  vigil__metrics_family(m, "vigil_gc_pause_seconds", VIGIL__METRIC_HISTOGRAM,
                        VIGIL__UNIT_SECONDS,
                        "Garbage collection pauses by kind");
  for (t = f->thread; t < end; t++) {
    if (t->has_gc)
      put_pauses(m, t);
  }
  vigil__metrics_family(m, "vigil_gc_seconds", VIGIL__METRIC_COUNTER,
                        VIGIL__UNIT_SECONDS,
                        "Time in garbage collection pauses, nested ones "
                        "counted once");
  for (t = f->thread; t < end; t++) {
    snprintf(labels, sizeof(labels), "thread=\"%s\"", t->label);
    if (t->has_gc)
      vigil__metrics_put(m, labels, t->gc_ns);
  }
  put_heap(m, f, "vigil_heap_used_bytes", "Heap in use" AFTER,
           offsetof(struct vigil__facts_thread, used_after_bytes));
  put_heap(m, f, "vigil_heap_external_bytes", "External memory" AFTER,
           offsetof(struct vigil__facts_thread, external_after_bytes));
  put_heap(m, f, "vigil_heap_limit_bytes", "Limit of the heap" AFTER,
           offsetof(struct vigil__facts_thread, heap_limit_bytes));
}
