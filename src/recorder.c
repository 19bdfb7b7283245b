/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "recorder.h"

#include "frames.h"
#include "os.h"

#include <errno.h>
#include <stdlib.h>  /* free */

#define SAMPLES_MIN 32u

static struct vigil__recorder_gen* generation(struct vigil__recorder* r,
                                            uint32_t g) {
  return &r->generation[(r->first + g) % VIGIL__RECORDER_GENERATIONS];
}

const struct vigil__recorder_gen* vigil__recorder_generation(
    const struct vigil__recorder* r, uint32_t g) {
  return &r->generation[(r->first + g) % VIGIL__RECORDER_GENERATIONS];
}

static size_t bytes(const struct vigil__recorder_gen* g) {
  return vigil__calltree_bytes(&g->tree) + g->size * sizeof(*g->sample);
}

size_t vigil__recorder_bytes(const struct vigil__recorder* r) {
  size_t sum = 0;
  uint32_t g;

  for (g = 0; g < r->count; g++)
    sum += bytes(vigil__recorder_generation(r, g));
  return sum;
}

static void clear(struct vigil__recorder_gen* g) {
  vigil__calltree_free(&g->tree);
  free(g->sample);
  *g = (struct vigil__recorder_gen) { .count = 0 };
}

static void drop_oldest(struct vigil__recorder* r) {
  clear(generation(r, 0));
  r->first = (r->first + 1) % VIGIL__RECORDER_GENERATIONS;
  r->count--;
}

void vigil__recorder_free(struct vigil__recorder* r) {
  while (r->count != 0)
    drop_oldest(r);
  *r = (struct vigil__recorder) { .limit = r->limit };
}

/* Nothing more will be added to it. */
static void seal(struct vigil__recorder_gen* g) {
  struct vigil__recorder_sample* sample;

  vigil__calltree_seal(&g->tree);
  sample = vigil__os.realloc(g->sample, g->count * sizeof(*sample));
  if (sample != NULL) {
    g->sample = sample;
    g->size = g->count;
  }
}

static void begin(struct vigil__recorder* r, vigil__mono_t at) {
  if (r->count != 0)
    seal(generation(r, r->count - 1));
  if (r->count == VIGIL__RECORDER_GENERATIONS)
    drop_oldest(r);
  /* One says something until the next one begins. */
  while (r->count > 1 &&
         generation(r, 1)->begin + VIGIL__RECORDER_KEEP_NS <= at)
    drop_oldest(r);
  generation(r, r->count++)->begin = at;
}

static uint32_t samples_needed(const struct vigil__recorder_gen* g) {
  if (g->count < g->size)
    return g->size;
  return g->size == 0 ? SAMPLES_MIN : g->size + g->size / 2;
}

static size_t growth(const struct vigil__recorder_gen* g, uint32_t nodes) {
  const uint32_t samples = samples_needed(g);

  return vigil__calltree_growth(&g->tree, nodes) +
         (samples == g->size ? 0 : samples * sizeof(*g->sample));
}

static int grow(struct vigil__recorder_gen* g, uint32_t nodes) {
  const uint32_t samples = samples_needed(g);
  struct vigil__recorder_sample* sample;

  if (vigil__calltree_reserve(&g->tree, nodes) != 0)
    return -ENOMEM;
  if (samples == g->size)
    return 0;
  sample = vigil__os.realloc(g->sample, samples * sizeof(*sample));
  if (sample == NULL)
    return -ENOMEM;
  g->sample = sample;
  g->size = samples;
  return 0;
}

/* Makes room for one sample of `nodes` nodes in the newest generation. */
static int make_room(struct vigil__recorder* r,
                     vigil__mono_t at,
                     uint32_t nodes) {
  static const struct vigil__recorder_gen empty;
  const size_t limit = r->limit == 0 ? VIGIL__RECORDER_BYTES : r->limit;
  struct vigil__recorder_gen* g =
      r->count == 0 ? NULL : generation(r, r->count - 1);
  int e;

  /* It must not cost us all the others. */
  if (growth(&empty, nodes) > limit)
    return -ENOSPC;
  if (g == NULL || at - g->begin >= VIGIL__RECORDER_GENERATION_NS ||
      (growth(g, nodes) != 0 &&
       bytes(g) + growth(g, nodes) > limit / VIGIL__RECORDER_SHARE)) {
    begin(r, at);
    g = generation(r, r->count - 1);
  }
  while (r->count > 1 && vigil__recorder_bytes(r) + growth(g, nodes) > limit)
    drop_oldest(r);
  e = grow(g, nodes);
  if (e != 0 && g->count == 0) {
    /* No generation without a sample. */
    clear(g);
    r->count--;
  }
  return e;
}

static int add(struct vigil__recorder* r,
               vigil__mono_t at,
               enum vigil__recorder_state state,
               const uint32_t* frames,
               uint32_t n) {
  const bool extra = n == 0 || state == VIGIL__RECORDER_GC;
  struct vigil__recorder_gen* g;
  uint32_t node = 0;
  uint32_t i;
  int e;

  if (at < r->last)
    at = r->last;
  e = make_room(r, at, n + extra);
  if (e != 0)
    return e;
  g = generation(r, r->count - 1);
  for (i = n; i-- > 0;)
    node = vigil__calltree_child(&g->tree, node, frames[i]);
  if (extra)
    node = vigil__calltree_child(
        &g->tree, node,
        state == VIGIL__RECORDER_GC ? VIGIL__FRAME_GC
            : state == VIGIL__RECORDER_IDLE ? VIGIL__FRAME_IDLE
            : VIGIL__FRAME_PROGRAM);
  g->sample[g->count++] = (struct vigil__recorder_sample) {
    .at = at, .node = node, .state = state
  };
  r->last = at;
  r->idle = state == VIGIL__RECORDER_IDLE;
  return 0;
}

int vigil__recorder_add(struct vigil__recorder* r,
                        vigil__mono_t at,
                        enum vigil__recorder_state state,
                        const uint32_t* frames,
                        uint32_t n) {
  const int e = n < INT32_MAX ? add(r, at, state, frames, n) : -ENOSPC;

  r->dropped += e != 0;
  return e;
}

int vigil__recorder_idle(struct vigil__recorder* r, vigil__mono_t at) {
  if (r->idle && r->count != 0)
    return 0;
  return vigil__recorder_add(r, at, VIGIL__RECORDER_IDLE, NULL, 0);
}

void vigil__recorder_walk(struct vigil__recorder_walk* w,
                          const struct vigil__recorder* r,
                          vigil__mono_t from,
                          vigil__mono_t to) {
  const struct vigil__recorder_gen* g;

  /* There is nothing before 0. */
  *w = (struct vigil__recorder_walk) { .r = r, .to = from < to ? to : 0 };
  while (w->g + 1 < r->count) {
    g = vigil__recorder_generation(r, w->g + 1);
    if (g->sample[0].at > from)
      break;
    w->g++;
  }
  if (r->count == 0)
    return;
  g = vigil__recorder_generation(r, w->g);
  while (w->i + 1 < g->count && g->sample[w->i + 1].at <= from)
    w->i++;
}

const struct vigil__recorder_sample* vigil__recorder_next(
    struct vigil__recorder_walk* w) {
  const struct vigil__recorder_gen* g;

  while (w->g < w->r->count) {
    g = vigil__recorder_generation(w->r, w->g);
    if (w->i < g->count)
      return g->sample[w->i].at < w->to ? &g->sample[w->i++] : NULL;
    if (w->g + 1 == w->r->count)
      return NULL;
    w->g++;
    w->i = 0;
  }
  return NULL;
}
