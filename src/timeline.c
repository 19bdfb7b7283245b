/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "timeline.h"

#include "os.h"

#include <errno.h>
#include <stddef.h>  /* offsetof */
#include <stdlib.h>  /* free */
#include <string.h>  /* memset */

struct vigil__timeline* vigil__timeline_new(void) {
  struct vigil__timeline* t = vigil__os.realloc(NULL, sizeof(*t));

  /* Not the rows: what is never used shall not take memory. */
  if (t != NULL)
    memset(t, 0, offsetof(struct vigil__timeline, row));
  return t;
}

void vigil__timeline_free(struct vigil__timeline* t) {
  free(t);
}

/* A pause that ended between the end of the slice and the reading of its total
 * may be too long for the slice: the rest is the next one's. */
static uint64_t take_gc(struct vigil__timeline* t,
                        uint64_t gc_ns,
                        uint64_t span_ns) {
  uint64_t ns;

  if (gc_ns == VIGIL__TIMELINE_NONE || !t->has_gc)
    return VIGIL__TIMELINE_NONE;
  ns = gc_ns > t->gc_ns ? gc_ns - t->gc_ns : 0;
  ns = ns < span_ns ? ns : span_ns;
  t->gc_ns += ns;
  return ns;
}

void vigil__timeline_add(struct vigil__timeline* t,
                         const struct vigil__window* w,
                         int tick,
                         uint64_t gc_ns,
                         uint64_t pool_wait_ns) {
  struct vigil__window_span span;
  struct vigil__timeline_row* row;
  struct vigil__lag lag;

  if (tick == -EAGAIN)
    return;  /* The next slice begins where this one would have. */
  if (tick == 0 &&
      vigil__window_lag(w, 1, VIGIL__WINDOW_ALL, &lag, &span) == 0) {
    row = &t->row[t->next];
    t->next = (t->next + 1) % VIGIL__TIMELINE_KEPT;
    t->count += t->count < VIGIL__TIMELINE_KEPT;
    *row = (struct vigil__timeline_row) {
      .begin = span.begin, .end = span.end,
      .p99_ns = lag.p99_ns, .max_ns = lag.max_ns, .busy_ns = lag.busy_ns,
      .gc_ns = take_gc(t, gc_ns, span.end - span.begin),
      .pool_wait_ns = pool_wait_ns
    };
    /* Nothing is measured before the first poll. */
    if (w->now.startup_ns == 0)
      row->p99_ns = row->max_ns = row->busy_ns = VIGIL__TIMELINE_NONE;
    if (t->has_gc && gc_ns != VIGIL__TIMELINE_NONE)
      return;
  }
  /* The next slice begins here. */
  t->has_gc = gc_ns != VIGIL__TIMELINE_NONE;
  t->gc_ns = gc_ns;
}

void vigil__timeline_take(struct vigil__timeline_copy* to,
                          const struct vigil__timeline* from) {
  const struct vigil__timeline_row* row;
  uint32_t i;

  for (i = from->count; i > 0 && to->count < VIGIL__TIMELINE_ROWS; i--) {
    row = &from->row[(from->next + VIGIL__TIMELINE_KEPT - i) %
                     VIGIL__TIMELINE_KEPT];
    if (row->end > row->begin &&
        (to->count == 0 || row->begin >= to->row[to->count - 1].end))
      to->row[to->count++] = *row;
  }
}

static void column(struct vigil__json* j,
                   const char* key,
                   const struct vigil__timeline_copy* t,
                   size_t offset) {
  uint64_t ns;
  uint32_t i;

  vigil__json_line(j, key);
  for (i = 0; i < t->count; i++) {
    ns = *(const uint64_t*) ((const char*) &t->row[i] + offset);
    if (ns == VIGIL__TIMELINE_NONE)
      vigil__json_null(j, NULL);
    else
      vigil__json_short_ms(j, NULL, (int64_t) ns);
  }
  vigil__json_end(j);
}

void vigil__timeline_write(struct vigil__json* j,
                           const char* key,
                           const struct vigil__timeline_copy* t,
                           vigil__mono_t zero) {
  static const struct { const char* key; size_t offset; } columns[] = {
    { "p99Ms", offsetof(struct vigil__timeline_row, p99_ns) },
    { "maxMs", offsetof(struct vigil__timeline_row, max_ns) },
    { "busyMs", offsetof(struct vigil__timeline_row, busy_ns) },
    { "gcMs", offsetof(struct vigil__timeline_row, gc_ns) },
    { "poolWaitMs", offsetof(struct vigil__timeline_row, pool_wait_ns) }
  };
  uint32_t i;

  if (t->count == 0)
    return;
  vigil__json_object(j, key);
  vigil__json_line(j, "atMs");
  for (i = 0; i < t->count; i++)
    vigil__json_short_ms(j, NULL, (int64_t) (t->row[i].begin - zero));
  vigil__json_end(j);
  vigil__json_line(j, "spanMs");
  for (i = 0; i < t->count; i++)
    vigil__json_short_ms(j, NULL,
                         (int64_t) (t->row[i].end - t->row[i].begin));
  vigil__json_end(j);
  for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
    column(j, columns[i].key, t, columns[i].offset);
  vigil__json_end(j);
}
