/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "gc.h"

#include "atomic.h"

#include <stdlib.h>  /* calloc */

/* Single writer: the isolate's thread. Readers take each word by itself, so
 * relaxed accesses are enough (see atomic.h). */
struct vigil__gc {
  vigil__word_t pause_ns;
  vigil__word_t count[VIGIL__GC_KINDS];
  vigil__word_t ns[VIGIL__GC_KINDS];
  vigil__word_t max_ns[VIGIL__GC_KINDS];
  /* The writer's own. */
  vigil__mono_t since[VIGIL__GC_KINDS];
  vigil__mono_t outer_since;
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
    gc->outer_since = now;
}

void vigil__gc_end(struct vigil__gc* gc,
                   enum vigil__gc_kind kind,
                   vigil__mono_t now) {
  uint64_t ns;

  /* Attached inside of a collection: its beginning was not seen. */
  if (gc->depth == 0 || gc->since[kind] == 0)
    return;
  ns = now - gc->since[kind];
  gc->since[kind] = 0;
  vigil__add(&gc->count[kind], 1);
  vigil__add(&gc->ns[kind], ns);
  if (ns > vigil__load(&gc->max_ns[kind]))
    vigil__store(&gc->max_ns[kind], ns);
  if (--gc->depth == 0)
    vigil__add(&gc->pause_ns, now - gc->outer_since);
}

void vigil__gc_read(struct vigil__gc* gc, struct vigil__gc_copy* copy) {
  int i;

  copy->pause_ns = vigil__load(&gc->pause_ns);
  for (i = 0; i < VIGIL__GC_KINDS; i++) {
    copy->count[i] = vigil__load(&gc->count[i]);
    copy->ns[i] = vigil__load(&gc->ns[i]);
    copy->max_ns[i] = vigil__load(&gc->max_ns[i]);
  }
}

const char* vigil__gc_name(enum vigil__gc_kind kind) {
  static const char* const names[VIGIL__GC_KINDS] = {
    "scavenge", "minor-mark-sweep", "mark-sweep-compact",
    "incremental-marking", "weak-callbacks"
  };

  return names[kind];
}
