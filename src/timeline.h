/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_TIMELINE_H_
#define VIGIL_TIMELINE_H_

#include "clock.h"
#include "json.h"
#include "window.h"

#include <stdint.h>

/* What one loop did by the second, for incident.json: a row for each slice of
 * its window, made when the slice is. The rows outlive the slices, which are
 * larger. Watch thread only. */
#define VIGIL__TIMELINE_KEPT VIGIL__WINDOW_SLICES
#define VIGIL__TIMELINE_ROWS 1200u
#define VIGIL__TIMELINE_NONE UINT64_MAX  /* Such a figure is not known. */

struct vigil__timeline_row {
  vigil__mono_t begin;
  vigil__mono_t end;
  uint64_t p99_ns;              /* Lag, our own work not masked. */
  uint64_t max_ns;
  uint64_t busy_ns;
  uint64_t gc_ns;               /* Pauses in it. */
  uint64_t pool_wait_ns;        /* p99, of work that a thread took then. */
};

/* The latest of a loop. */
struct vigil__timeline {
  uint64_t gc_ns;               /* Pauses that were given to a row... */
  bool has_gc;                  /* ...once they are known. */
  uint32_t next;
  uint32_t count;
  struct vigil__timeline_row row[VIGIL__TIMELINE_KEPT];
};

/* Those of an incident, the oldest first. Zero it. */
struct vigil__timeline_copy {
  uint32_t count;
  struct vigil__timeline_row row[VIGIL__TIMELINE_ROWS];
};

/* NULL when there is no memory. */
struct vigil__timeline* vigil__timeline_new(void);
void vigil__timeline_free(struct vigil__timeline* t);

/* After each vigil__window_tick() of `w`, which returned `tick`: adds a row for
 * the slice, if there is one. `gc_ns`: all pauses until its end, or _NONE;
 * `pool_wait_ns`: see the row. */
void vigil__timeline_add(struct vigil__timeline* t,
                         const struct vigil__window* w,
                         int tick,
                         uint64_t gc_ns,
                         uint64_t pool_wait_ns);

/* Appends the rows that are newer than the last one, as far as there is room. */
void vigil__timeline_take(struct vigil__timeline_copy* to,
                          const struct vigil__timeline* from);

/* As docs/incidents.md describes it; nothing where there is no row. */
void vigil__timeline_write(struct vigil__json* j,
                           const char* key,
                           const struct vigil__timeline_copy* t,
                           vigil__mono_t zero);

#endif  /* VIGIL_TIMELINE_H_ */
