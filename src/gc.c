/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "gc.h"

#include "counts.h"

#include <stdlib.h>  /* calloc */

/* Single writer: the isolate's thread. Readers take each word by itself, so
 * relaxed accesses are enough (see atomic.h). */
struct vigil__gc {
  vigil__word_t pause_ns;
  vigil__word_t used_after;
  vigil__word_t external_after;
  vigil__word_t heap_limit;
  vigil__word_t open_since;     /* Start of the outermost pause; 0: none. */
  struct vigil__counts pause[VIGIL__GC_KINDS];
  /* The writer's own. */
  vigil__mono_t since[VIGIL__GC_KINDS];
  unsigned depth;
};

struct vigil__gc* vigil__gc_new(void) {
  return calloc(1, sizeof(struct vigil__gc));
}

void vigil__gc_free(struct vigil__gc* gc) {
  free(gc);
}

void vigil__gc_begin(struct vigil__gc* gc,
                     enum vigil__gc_kind kind,
                     vigil__mono_t now) {
  gc->since[kind] = now;
  if (gc->depth++ == 0)
    vigil__store(&gc->open_since, now);
}

void vigil__gc_end(struct vigil__gc* gc,
                   enum vigil__gc_kind kind,
                   vigil__mono_t now) {
  /* Attached inside of a collection: its beginning was not seen. */
  if (gc->depth == 0 || gc->since[kind] == 0)
    return;
  vigil__counts_record(&gc->pause[kind], now - gc->since[kind]);
  gc->since[kind] = 0;
  if (--gc->depth == 0) {
    vigil__add(&gc->pause_ns, now - vigil__load(&gc->open_since));
    vigil__store(&gc->open_since, 0);
  }
}

void vigil__gc_heap(struct vigil__gc* gc,
                    uint64_t used,
                    uint64_t external,
                    uint64_t limit) {
  vigil__store(&gc->heap_limit, limit);
  vigil__store(&gc->used_after, used);
  vigil__store(&gc->external_after, external);
}

vigil__mono_t vigil__gc_open(struct vigil__gc* gc) {
  return vigil__load(&gc->open_since);
}

uint64_t vigil__gc_pauses(struct vigil__gc* gc, vigil__mono_t now) {
  const vigil__mono_t open = vigil__gc_open(gc);

  return vigil__load(&gc->pause_ns) + (open != 0 && now > open ? now - open : 0);
}

void vigil__gc_read(struct vigil__gc* gc, struct vigil__gc_copy* copy) {
  struct vigil__counts_copy pause;
  int i;

  copy->pause_ns = vigil__load(&gc->pause_ns);
  copy->used_after_bytes = vigil__load(&gc->used_after);
  copy->external_after_bytes = vigil__load(&gc->external_after);
  copy->heap_limit_bytes = vigil__load(&gc->heap_limit);
  for (i = 0; i < VIGIL__GC_KINDS; i++) {
    vigil__counts_read(&gc->pause[i], &pause);
    copy->count[i] = pause.n;
    copy->ns[i] = pause.total_ns;
    copy->max_ns[i] = pause.max_ns;
    copy->p50_ns[i] = vigil__counts_quantile(&pause, 0.5);
    copy->p99_ns[i] = vigil__counts_quantile(&pause, 0.99);
  }
}

const char* vigil__gc_name(enum vigil__gc_kind kind) {
  static const char* const names[VIGIL__GC_KINDS] = {
    "scavenge", "minor-mark-sweep", "mark-sweep-compact",
    "incremental-marking", "weak-callbacks"
  };

  return names[kind];
}
