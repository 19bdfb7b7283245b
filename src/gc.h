/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_GC_H_
#define VIGIL_GC_H_

#include "clock.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* GC pauses of one isolate, from V8's prologue and epilogue callbacks. */
enum vigil__gc_kind {
  VIGIL__GC_SCAVENGE,
  VIGIL__GC_MINOR_MARK_SWEEP,
  VIGIL__GC_MARK_SWEEP_COMPACT,
  VIGIL__GC_INCREMENTAL_MARKING,
  VIGIL__GC_WEAK_CALLBACKS,
  VIGIL__GC_KINDS
};

/* One space of V8's heap, as v8.getHeapSpaceStatistics() has it. */
struct vigil__gc_space {
  const char* name;             /* V8's own, which lives for ever. */
  uint64_t size_bytes;          /* Committed... */
  uint64_t used_bytes;
  uint64_t available_bytes;
  uint64_t physical_bytes;      /* ...and backed by memory. */
};
#define VIGIL__GC_SPACES 16u

struct vigil__counts_copy;
struct vigil__gc;

struct vigil__gc_copy {
  uint64_t pause_ns;                    /* All pauses; nested ones count once. */
  uint64_t count[VIGIL__GC_KINDS];
  uint64_t ns[VIGIL__GC_KINDS];         /* Nested ones count in both. */
  uint64_t max_ns[VIGIL__GC_KINDS];
  uint64_t p50_ns[VIGIL__GC_KINDS];
  uint64_t p99_ns[VIGIL__GC_KINDS];
  uint64_t used_after_bytes;            /* Heap after the last full one. */
  uint64_t external_after_bytes;        /* External memory then... */
  uint64_t heap_limit_bytes;            /* ...and the limit of the heap. */
};

/* Zeroed, or NULL when there is no memory. */
struct vigil__gc* vigil__gc_new(void);
void vigil__gc_free(struct vigil__gc* gc);

/* The isolate's thread only; no allocation, no lock. */
void vigil__gc_begin(struct vigil__gc* gc,
                     enum vigil__gc_kind kind,
                     vigil__mono_t now);
void vigil__gc_end(struct vigil__gc* gc,
                   enum vigil__gc_kind kind,
                   vigil__mono_t now);

/* The heap as the last full collection left it. Same thread. */
void vigil__gc_heap(struct vigil__gc* gc,
                    uint64_t used,
                    uint64_t external,
                    uint64_t limit);

/* The space `i` at that time: V8 tells of its heap on this thread only, so at
 * others this is what is known. Those from VIGIL__GC_SPACES on are left out. */
void vigil__gc_note_space(struct vigil__gc* gc,
                          unsigned i,
                          const struct vigil__gc_space* space);

/* Any thread. Their number; figures of one may be of two collections. */
unsigned vigil__gc_spaces(struct vigil__gc* gc,
                          struct vigil__gc_space space[VIGIL__GC_SPACES]);

/* Any thread. The pauses of a kind. */
void vigil__gc_counts(struct vigil__gc* gc,
                      enum vigil__gc_kind kind,
                      struct vigil__counts_copy* copy);

/* Any thread. Each figure is whole; two of them may be one pause apart. */
void vigil__gc_read(struct vigil__gc* gc, struct vigil__gc_copy* copy);

/* Any thread. When the pause began that lasts now; 0: none does. */
vigil__mono_t vigil__gc_open(struct vigil__gc* gc);
/* Any thread. All pauses until `now`, with the one that lasts. It may be the
 * length of one pause off while that ends. */
uint64_t vigil__gc_pauses(struct vigil__gc* gc, vigil__mono_t now);

/* As metrics and reports call the kind. */
const char* vigil__gc_name(enum vigil__gc_kind kind);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_GC_H_ */
