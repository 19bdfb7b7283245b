/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "window.h"

#include "os.h"

#include <errno.h>
#include <stdlib.h>  /* free */
#include <string.h>  /* memset */

struct vigil__window* vigil__window_new(void) {
  struct vigil__window* w = vigil__os.realloc(NULL, sizeof(*w));

  /* Not the slices: what is never used shall not take memory. */
  if (w != NULL)
    memset(w, 0, offsetof(struct vigil__window, slice));
  return w;
}

/* The `i`th slice, oldest first. */
static const struct vigil__slice* slice_at(const struct vigil__window* w,
                                           uint32_t i) {
  return &w->slice[(w->first + i) % VIGIL__WINDOW_SLICES];
}

static void drop_oldest(struct vigil__window* w) {
  const struct vigil__slice* s = slice_at(w, 0);

  w->cells -= s->busy_cells + s->self_cells;
  free(s->cell);
  w->first = (w->first + 1) % VIGIL__WINDOW_SLICES;
  w->count--;
}

static void drop_all(struct vigil__window* w) {
  while (w->count != 0)
    drop_oldest(w);
}

void vigil__window_free(struct vigil__window* w) {
  if (w == NULL)
    return;
  drop_all(w);
  free(w);
}

/* Number of cells that the change from `a` to `b` takes, written to `to` unless
 * that is NULL. A count above 32 bits takes several. */
static uint32_t changes(const struct vigil__hist_copy* a,
                        const struct vigil__hist_copy* b,
                        struct vigil__window_cell* to) {
  uint32_t n = 0;
  uint64_t count;
  uint64_t sum;
  uint32_t i;

  for (i = 0; i < VIGIL__HIST_SIZE; i++) {
    count = b->cell[i].count - a->cell[i].count;
    sum = b->cell[i].sum - a->cell[i].sum;
    for (; count != 0; n++) {
      const uint32_t part = count > UINT32_MAX ? UINT32_MAX : (uint32_t) count;

      if (to != NULL)
        to[n] = (struct vigil__window_cell) { i, part, sum };
      count -= part;
      sum = 0;
    }
  }
  return n;
}

static int add_slice(struct vigil__window* w) {
  const struct vigil__loop_copy* c = &w->now;
  const uint32_t busy = c->same ? 0 : changes(&w->last_busy, &c->busy, NULL);
  const uint32_t self = c->same ? 0 : changes(&w->last_self, &c->self, NULL);
  struct vigil__window_cell* cell = NULL;
  struct vigil__slice* s;

  if (busy != 0) {
    cell = vigil__os.realloc(NULL, (busy + self) * sizeof(*cell));
    if (cell == NULL) {
      /* A window must not have a hole. This frees some memory, too. */
      drop_all(w);
      w->dropped++;
      return -ENOMEM;
    }
    changes(&w->last_busy, &c->busy, cell);
    changes(&w->last_self, &c->self, cell + busy);
  }

  while (w->count == VIGIL__WINDOW_SLICES ||
         (w->count != 0 && w->cells + busy + self > VIGIL__WINDOW_CELLS))
    drop_oldest(w);
  w->cells += busy + self;
  s = &w->slice[(w->first + w->count++) % VIGIL__WINDOW_SLICES];
  *s = (struct vigil__slice) {
    .begin = c->last_now,
    .end = c->now,
    .begin_start = c->last_start,
    .end_start = c->busy_start,
    .ended_ns = c->ended_ns,
    .ended = c->ended,
    .ended_self = c->ended_self,
    .end_self = c->self_open,
    .busy_cells = busy,
    .self_cells = self,
    .polls = c->polls - w->last_polls,
    .events = c->events - w->last_events,
    .cell = cell,
  };
  return 0;
}

int vigil__window_tick(struct vigil__window* w, struct vigil__loop* l) {
  int r = vigil__loop_read(l, &w->now);

  if (r != 0)
    return r;
  if (w->now.last_now != 0)
    r = add_slice(w);
  if (!w->now.same) {
    w->last_busy = w->now.busy;
    w->last_self = w->now.self;
  }
  w->last_polls = w->now.polls;
  w->last_events = w->now.events;
  return r;
}

static void sum_slice(const struct vigil__slice* s,
                      enum vigil__window_what what,
                      struct vigil__hist_copy* sum) {
  uint32_t i;

  for (i = 0; i < s->busy_cells; i++) {
    sum->cell[s->cell[i].index].count += s->cell[i].count;
    sum->cell[s->cell[i].index].sum += s->cell[i].sum;
  }
  if (what != VIGIL__WINDOW_MASKED)
    return;
  for (; i < s->busy_cells + s->self_cells; i++) {
    sum->cell[s->cell[i].index].count -= s->cell[i].count;
    sum->cell[s->cell[i].index].sum -= s->cell[i].sum;
  }
}

/* Replaces the period that was open when the window began by its part inside
 * (a window of slices `from` and on). It is the first that ends in the window;
 * one that is still open is clip_end()'s. */
static void clip_begin(const struct vigil__window* w,
                       uint32_t from,
                       enum vigil__window_what what,
                       struct vigil__hist_copy* sum) {
  const struct vigil__slice* first = slice_at(w, from);
  const struct vigil__slice* s = first;
  uint64_t before;

  if (first->begin_start == 0)
    return;
  while (!s->ended) {
    if (++from == w->count)
      return;
    s = slice_at(w, from);
  }
  if (what == VIGIL__WINDOW_MASKED && s->ended_self)
    return;  /* It cancelled itself. */
  before = first->begin - first->begin_start;
  vigil__hist_copy_take(sum, s->ended_ns);
  if (s->ended_ns > before)
    vigil__hist_copy_add(sum, s->ended_ns - before);
}

/* Adds what has passed in the window of the period that is open at its end. */
static void clip_end(vigil__mono_t begin,
                     const struct vigil__slice* last,
                     enum vigil__window_what what,
                     struct vigil__hist_copy* sum) {
  const vigil__mono_t start =
      last->end_start > begin ? last->end_start : begin;

  if (last->end_start == 0 || last->end == start ||
      (what == VIGIL__WINDOW_MASKED && last->end_self))
    return;
  vigil__hist_copy_add(sum, last->end - start);
}

int vigil__window_sum(const struct vigil__window* w,
                      uint64_t length_ns,
                      enum vigil__window_what what,
                      struct vigil__hist_copy* sum,
                      struct vigil__window_span* span) {
  struct vigil__window_span result = { .filled = false };
  const struct vigil__slice* s;
  uint64_t total;
  uint32_t from;

  memset(sum, 0, sizeof(*sum));
  *span = result;
  if (w->count == 0)
    return -ENODATA;

  result.end = slice_at(w, w->count - 1)->end;
  for (from = w->count; from-- > 0;) {
    s = slice_at(w, from);
    result.begin = s->begin;
    result.slices++;
    result.polls += s->polls;
    result.events += s->events;
    sum_slice(s, what, sum);
    /* Take one more slice while at least half of it is asked for. */
    total = result.end - s->begin;
    if (from == 0 ||
        total + (s->begin - slice_at(w, from - 1)->begin) / 2 > length_ns)
      break;
  }
  total = result.end - result.begin;
  result.filled = total + length_ns / 20 >= length_ns;
  clip_begin(w, from, what, sum);
  clip_end(result.begin, slice_at(w, w->count - 1), what, sum);
  *span = result;
  return 0;
}

int vigil__window_lag(const struct vigil__window* w,
                      uint64_t length_ns,
                      enum vigil__window_what what,
                      struct vigil__lag* lag,
                      struct vigil__window_span* span) {
  struct vigil__hist_copy sum;
  int r = vigil__window_sum(w, length_ns, what, &sum, span);

  vigil__lag_compute(&sum, span->end - span->begin, lag);
  return r;
}
