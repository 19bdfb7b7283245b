/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak.h"

#include "os.h"

#include <errno.h>
#include <stdlib.h>  /* free, qsort */
#include <string.h>

/* The same work makes about the same growth: one round at most so many times
 * the other. */
#define REGULAR 4u

#define FEW 8u                  /* Objects too few to have an average. */

/* UNFAIR: there is more of it, but it does not explain the bytes. */
enum state { STAYS, UNFAIR, LARGER, GROWS, INSIDE };

struct part {
  uint32_t container;
  uint32_t group;
};

/* Room for all groups of the third heap. */
struct work {
  uint8_t* state;
  uint8_t* scratch;
  uint64_t* explained;
  struct part* part;
  uint32_t parts;
};

uint64_t vigil__leak_growth(const uint64_t v[3]) {
  uint64_t a;
  uint64_t b;

  if (v[1] <= v[0] || v[2] <= v[1])
    return 0;
  a = v[1] - v[0];
  b = v[2] - v[1];
  if (a / REGULAR > b || b / REGULAR > a)
    return 0;
  return a < b ? a : b;
}

static bool more_objects(const struct vigil__leak_figures* f) {
  return vigil__leak_growth(f->count) != 0 &&
         vigil__leak_growth(f->through) != 0;
}

/* The objects that are new, as large as those before, are half of what is new
 * at least. Else it is in all of them that something grows. */
static bool explains(const struct vigil__leak_figures* f) {
  const uint64_t each = f->through[0] / (f->count[0] == 0 ? 1 : f->count[0]);

  return f->count[0] < FEW || (f->count[2] - f->count[0]) * each * 2 >=
                                  f->through[2] - f->through[0];
}

/* As many as before, but larger: an array, a Buffer that is replaced. */
static bool larger_objects(const struct vigil__leak_figures* f,
                           uint64_t least) {
  return vigil__leak_growth(f->shallow) >= least &&
         vigil__leak_growth(f->count) == 0;
}

/* Neither the array behind a collection, nor V8's helpers. */
static bool is_container(const struct vigil__leak_summary* s, uint32_t i) {
  const struct vigil__leak_group* g = &s->group[i];

  return i == 0 || (g->type != VIGIL__LEAK_ARRAY &&
                    g->type != VIGIL__LEAK_HIDDEN);
}

static uint32_t container_of(const struct vigil__leak_summary* s, uint32_t i) {
  do
    i = s->group[i].parent;
  while (!is_container(s, i));
  return i;
}

/* What a part is sorted by: what its path leads to, since a slice of a Buffer
 * that has others retains nothing by itself. */
static uint64_t weight(const struct vigil__leak_report* r, uint32_t part) {
  const struct vigil__leak_figures* f = &r->figures[part];

  return vigil__leak_growth(more_objects(f) ? f->through : f->shallow);
}

static void add_part(const struct vigil__leak_report* r,
                     struct vigil__leak_suspect* x, uint32_t part) {
  const uint64_t bytes = weight(r, part);
  uint32_t at = x->parts;

  if (x->parts == VIGIL__LEAK_PARTS) {
    x->more++;
    if (weight(r, x->part[--at]) >= bytes)
      return;
  } else {
    x->parts++;
  }
  for (; at > 0 && weight(r, x->part[at - 1]) < bytes; at--)
    x->part[at] = x->part[at - 1];
  x->part[at] = part;
}

static int by_container(const void* a, const void* b) {
  const struct part* x = a;
  const struct part* y = b;

  if (x->container != y->container)
    return x->container < y->container ? -1 : 1;
  return x->group < y->group ? -1 : x->group > y->group;
}

/* What is below something that there is more of is a part of it. */
static void find_states(const struct vigil__leak_report* r, struct work* w) {
  const struct vigil__leak_summary* s = r->heap[2];
  const struct vigil__leak_figures* f;
  uint32_t i;

  w->state[0] = STAYS;
  for (i = 1; i < s->groups; i++) {
    f = &r->figures[i];
    if (w->state[s->group[i].parent] >= GROWS)
      w->state[i] = INSIDE;
    else if ((s->group[i].flags & VIGIL__LEAK_SYSTEM) != 0)
      w->state[i] = STAYS;
    else if (more_objects(f))
      w->state[i] = explains(f) ? GROWS : UNFAIR;
    else
      w->state[i] = larger_objects(f, r->least) ? LARGER : STAYS;
  }
}

/* An UNFAIR one counts after all when what is fair below it does not explain
 * half of it either. */
static void decide_unfair(const struct vigil__leak_report* r,
                          struct work* w) {
  const struct vigil__leak_summary* s = r->heap[2];
  const struct vigil__leak_figures* f;
  uint32_t i;

  memset(w->explained, 0, s->groups * sizeof(*w->explained));
  for (i = s->groups; i-- > 1;) {
    f = &r->figures[i];
    if (w->state[i] == GROWS)
      w->explained[i] = vigil__leak_growth(f->through);
    else if (w->state[i] == LARGER)
      w->explained[i] += vigil__leak_growth(f->shallow);
    else if (w->state[i] == UNFAIR)
      w->state[i] = w->explained[i] < vigil__leak_growth(f->through) / 2
          ? GROWS : STAYS;
    w->explained[s->group[i].parent] += w->explained[i];
  }
}

/* What grows, with what it grows in. */
static void find_parts(const struct vigil__leak_report* r, struct work* w) {
  const struct vigil__leak_summary* s = r->heap[2];
  uint32_t i;

  find_states(r, w);
  decide_unfair(r, w);
  w->parts = 0;
  for (i = 1; i < s->groups; i++) {
    if (w->state[s->group[i].parent] >= GROWS)
      w->state[i] = INSIDE;
    if (w->state[i] == GROWS || w->state[i] == LARGER)
      w->part[w->parts++] = (struct part) {
        .container = container_of(s, i), .group = i
      };
  }
  qsort(w->part, w->parts, sizeof(*w->part), by_container);
}

/* All parts of one container as a suspect; false: too little. */
static bool judge(const struct vigil__leak_report* r,
                  struct vigil__leak_suspect* x, const struct part* part,
                  uint32_t count, uint8_t* scratch) {
  const struct vigil__leak_figures* c = &r->figures[part->container];
  uint64_t parts[3] = { 0, 0, 0 };
  const uint64_t* bytes = parts;
  uint64_t led_to = 0;
  uint32_t i;
  unsigned k;

  *x = (struct vigil__leak_suspect) { .container = part->container };
  for (i = 0; i < count; i++) {
    const struct vigil__leak_figures* f = &r->figures[part[i].group];

    add_part(r, x, part[i].group);
    /* What a larger array retains are other parts. */
    for (k = 0; k < 3; k++)
      parts[k] += more_objects(f) ? f->retained[k] : f->shallow[k];
    led_to += weight(r, part[i].group);
  }
  /* What the parts share among themselves only the container retains; it is
   * not all theirs when there is more than one way to it, nor when they lead to
   * little of it: then it holds another suspect. */
  if (vigil__leak_growth(c->count) == 0 && part->container != 0 &&
      led_to >= vigil__leak_growth(c->retained) / 2 &&
      vigil__leak_growth(c->retained) >= vigil__leak_growth(parts))
    bytes = c->retained;
  memcpy(x->bytes, bytes, sizeof(x->bytes));
  memcpy(x->objects, r->figures[x->part[0]].count, sizeof(x->objects));
  x->bytes_per_round = vigil__leak_growth(x->bytes);
  x->objects_per_round = vigil__leak_growth(x->objects);
  if (x->bytes_per_round < r->least)
    return false;
  x->kind = vigil__leak_kind_of(r, x, scratch);
  return true;
}

static void add_suspect(struct vigil__leak_report* r,
                        const struct vigil__leak_suspect* x) {
  uint32_t at = r->suspects;

  if (r->suspects == VIGIL__LEAK_SUSPECTS) {
    r->more++;
    if (r->suspect[--at].bytes_per_round >= x->bytes_per_round)
      return;
  } else {
    r->suspects++;
  }
  for (; at > 0 && r->suspect[at - 1].bytes_per_round < x->bytes_per_round;
       at--)
    r->suspect[at] = r->suspect[at - 1];
  r->suspect[at] = *x;
}

static void add_up_system(struct vigil__leak_report* r) {
  const struct vigil__leak_group* g;
  unsigned k;
  uint32_t i;

  for (k = 0; k < 3; k++)
    for (i = 0; i < r->heap[k]->groups; i++) {
      g = &r->heap[k]->group[i];
      /* Also of what was not told apart below it. */
      if ((g->flags & VIGIL__LEAK_SYSTEM) != 0 &&
          (r->heap[k]->group[g->parent].flags & VIGIL__LEAK_SYSTEM) == 0)
        r->system[k] += g->through;
    }
}

int vigil__leak_compare(struct vigil__leak_report* r,
                        const struct vigil__leak_summary heap[3],
                        uint64_t least) {
  const uint32_t groups = heap[2].groups;
  struct work w = {
    .state = vigil__os.realloc(NULL, groups),
    .scratch = vigil__os.realloc(NULL, groups),
    .explained = vigil__os.realloc(NULL, groups * sizeof(*w.explained)),
    .part = vigil__os.realloc(NULL, groups * sizeof(*w.part))
  };
  struct vigil__leak_suspect x;
  uint32_t from;
  uint32_t to;
  int e = -ENOMEM;

  *r = (struct vigil__leak_report) {
    .heap = { &heap[0], &heap[1], &heap[2] },
    .least = least != 0 ? least : heap[2].bytes / 2000
  };
  if (least == 0)
    r->least = r->least < 8192 ? 8192 : r->least > 65536 ? 65536 : r->least;
  r->figures = vigil__os.realloc(NULL, groups * sizeof(*r->figures));
  if (r->figures != NULL && w.state != NULL && w.scratch != NULL &&
      w.explained != NULL && w.part != NULL)
    e = vigil__leak_match(r->figures, heap);
  if (e == 0) {
    add_up_system(r);
    find_parts(r, &w);
    for (from = 0; from < w.parts; from = to) {
      for (to = from; to < w.parts; to++)
        if (w.part[to].container != w.part[from].container)
          break;
      if (judge(r, &x, w.part + from, to - from, w.scratch))
        add_suspect(r, &x);
    }
  } else {
    vigil__leak_report_free(r);
  }
  free(w.state);
  free(w.scratch);
  free(w.explained);
  free(w.part);
  return e;
}

void vigil__leak_report_free(struct vigil__leak_report* r) {
  free(r->figures);
  *r = (struct vigil__leak_report) { .figures = NULL };
}
