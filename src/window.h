/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_WINDOW_H_
#define VIGIL_WINDOW_H_

#include "clock.h"
#include "hist.h"
#include "lag.h"
#include "loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one loop did lately, as slices of about one second. A window is the sum
 * of the newest slices, exact to the nanosecond: a period that crosses the
 * edge of the window counts with the part inside, also while it is open.
 *
 * Reader thread only. Memory: VIGIL__WINDOW_SLICES slices and at most
 * VIGIL__WINDOW_CELLS changed buckets; the oldest slices go first. A second of
 * a busy server changes 100 to 300 buckets, so ten minutes fit. */
#define VIGIL__WINDOW_SLICES 640u
#define VIGIL__WINDOW_CELLS (192u * 1024)  /* 16 bytes each: 3 MB. */

/* One changed bucket. */
struct vigil__window_cell {
  uint32_t index;
  uint32_t count;
  uint64_t sum;
};

struct vigil__slice {
  vigil__mono_t begin;
  vigil__mono_t end;
  vigil__mono_t begin_start;    /* Start of the period open at `begin`, or 0. */
  vigil__mono_t end_start;      /* Start of the period open at `end`, or 0. */
  uint64_t ended_ns;            /* Full length of the former... */
  bool ended;                   /* ...if it ended in this slice... */
  bool ended_self;              /* ...and was our own work. */
  bool end_self;                /* The latter is our own work. */
  uint32_t busy_cells;
  uint32_t self_cells;
  uint64_t polls;
  uint64_t events;
  struct vigil__window_cell* cell;  /* Busy ones, then own work. */
};

struct vigil__window {
  struct vigil__loop_copy now;      /* Where vigil__window_tick() reads to. */
  struct vigil__hist_copy last_busy;
  struct vigil__hist_copy last_self;
  uint64_t last_polls;
  uint64_t last_events;
  uint64_t dropped;                 /* Times history was lost to ENOMEM. */
  size_t cells;
  uint32_t first;                   /* Oldest slice. */
  uint32_t count;
  struct vigil__slice slice[VIGIL__WINDOW_SLICES];
};

enum vigil__window_what {
  VIGIL__WINDOW_ALL,
  VIGIL__WINDOW_MASKED  /* Periods with our own work count as idle time. */
};

struct vigil__window_span {
  vigil__mono_t begin;
  vigil__mono_t end;
  uint32_t slices;
  bool filled;          /* At least 95 % of the length asked for. */
  uint64_t polls;
  uint64_t events;
};

/* NULL when there is no memory. */
struct vigil__window* vigil__window_new(void);
void vigil__window_free(struct vigil__window* w);

/* Reads the loop and adds a slice that ends now. The first call only sets the
 * beginning. 0, or -EAGAIN (from vigil__loop_read(); the next slice covers
 * it), or -ENOMEM: history is dropped and starts again here, so windows are
 * shorter for a while, but never wrong. */
int vigil__window_tick(struct vigil__window* w, struct vigil__loop* l);

/* Sums the newest slices that come nearest to `length_ns` (at least one).
 * Returns -ENODATA before the first slice. Costs about 2 us and 0.4 us a slice
 * of a busy loop: a quarter of a millisecond for ten minutes. */
int vigil__window_sum(const struct vigil__window* w,
                      uint64_t length_ns,
                      enum vigil__window_what what,
                      struct vigil__hist_copy* sum,
                      struct vigil__window_span* span);

/* The same, as lag. `lag` is all 0 on -ENODATA. */
int vigil__window_lag(const struct vigil__window* w,
                      uint64_t length_ns,
                      enum vigil__window_what what,
                      struct vigil__lag* lag,
                      struct vigil__window_span* span);

#endif  /* VIGIL_WINDOW_H_ */
