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
  struct {
    /* Set last, with release, and always to the same. */
    _Atomic(const char*) name;
    vigil__word_t size;
    vigil__word_t used;
    vigil__word_t available;
    vigil__word_t physical;
  } space[VIGIL__GC_SPACES];
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

void vigil__gc_note_space(struct vigil__gc* gc,
                          unsigned i,
                          const struct vigil__gc_space* space) {
  if (i >= VIGIL__GC_SPACES)
    return;
  vigil__store(&gc->space[i].size, space->size_bytes);
  vigil__store(&gc->space[i].used, space->used_bytes);
  vigil__store(&gc->space[i].available, space->available_bytes);
  vigil__store(&gc->space[i].physical, space->physical_bytes);
  /* Pairs with the acquiring load below: a space with a name has figures. */
  atomic_store_explicit(&gc->space[i].name, space->name, memory_order_release);
}

unsigned vigil__gc_spaces(struct vigil__gc* gc,
                          struct vigil__gc_space space[VIGIL__GC_SPACES]) {
  unsigned i;

  for (i = 0; i < VIGIL__GC_SPACES; i++) {
    space[i].name =
        atomic_load_explicit(&gc->space[i].name, memory_order_acquire);
    if (space[i].name == NULL)
      break;
    space[i].size_bytes = vigil__load(&gc->space[i].size);
    space[i].used_bytes = vigil__load(&gc->space[i].used);
    space[i].available_bytes = vigil__load(&gc->space[i].available);
    space[i].physical_bytes = vigil__load(&gc->space[i].physical);
  }
  return i;
}

void vigil__gc_counts(struct vigil__gc* gc,
                      enum vigil__gc_kind kind,
                      struct vigil__counts_copy* copy) {
  vigil__counts_read(&gc->pause[kind], copy);
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
