/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* Semi-NCA: semidominators as of Lengauer and Tarjan, with path compression,
 * then each node's dominator from its parent's. The last step is quadratic only
 * for graphs made to be so; on heaps it is as fast as the rest. */

#include "leak_tree.h"

#include <string.h>

#define NONE VIGIL__LEAK_NONE

/* All but `number` and `vertex` are by number of the depth-first search, which
 * is 0 for the root. */
struct search {
  const struct vigil__leak_graph* g;
  uint32_t count;
  uint32_t* number;             /* By node; NONE: not reached. */
  uint32_t* vertex;             /* Its inverse. */
  uint32_t* ancestor;           /* The parent, until a path is compressed. */
  uint32_t* label;              /* The least `semi` up to there. */
  uint32_t* semi;
  uint32_t* idom;
  uint32_t* first;              /* Of count + 1: the first in `before`. */
  uint32_t* before;             /* Who has an edge to it. */
  uint32_t befores;
};

static int allocate(struct search* s) {
  struct vigil__leak_memory* m = s->g->memory;
  const uint32_t n = s->g->nodes;
  uint32_t** const arrays[] = {
    &s->number, &s->vertex, &s->ancestor, &s->label, &s->semi, &s->idom
  };
  size_t i;

  for (i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
    if (VIGIL__LEAK_RESIZE(m, *arrays[i], 0, n) != 0)
      return m->error;
  return VIGIL__LEAK_RESIZE(m, s->first, 0, (size_t) n + 1);
}

static void release(struct search* s) {
  struct vigil__leak_memory* m = s->g->memory;
  const uint32_t n = s->g->nodes;

  VIGIL__LEAK_RELEASE(m, s->number, n);
  VIGIL__LEAK_RELEASE(m, s->vertex, n);
  VIGIL__LEAK_RELEASE(m, s->ancestor, n);
  VIGIL__LEAK_RELEASE(m, s->label, n);
  VIGIL__LEAK_RELEASE(m, s->semi, n);
  VIGIL__LEAK_RELEASE(m, s->idom, n);
  VIGIL__LEAK_RELEASE(m, s->first, (size_t) n + 1);
  VIGIL__LEAK_RELEASE(m, s->before, s->befores);
}

static void visit(struct search* s, uint32_t node, uint32_t parent) {
  const uint32_t i = s->count++;

  s->number[node] = i;
  s->vertex[i] = node;
  s->ancestor[i] = parent;
  s->label[i] = s->g->first[node];      /* The next edge, for now. */
}

static void depth_first(struct search* s) {
  const struct vigil__leak_graph* g = s->g;
  uint32_t at = 0;
  uint32_t node;
  uint32_t e;

  memset(s->number, 0xff, g->nodes * sizeof(*s->number));
  visit(s, 0, NONE);
  while (at != NONE) {
    node = s->vertex[at];
    for (e = s->label[at]; e < g->first[node + 1]; e++)
      if (s->number[g->to[e]] == NONE && vigil__leak_retains(g, node, e))
        break;
    s->label[at] = e + 1;
    if (e < g->first[node + 1]) {
      visit(s, g->to[e], at);
      at = s->count - 1;
    } else {
      at = s->ancestor[at];
    }
  }
}

static int list_before(struct search* s) {
  const struct vigil__leak_graph* g = s->g;
  uint32_t sum = 0;
  uint32_t node;
  uint32_t n;
  uint32_t i;
  uint32_t e;

  memset(s->first, 0, ((size_t) s->count + 1) * sizeof(*s->first));
  for (i = 0; i < s->count; i++) {
    node = s->vertex[i];
    for (e = g->first[node]; e < g->first[node + 1]; e++)
      if (vigil__leak_retains(g, node, e))
        s->first[s->number[g->to[e]]]++;
  }
  for (i = 0; i <= s->count; i++) {
    n = s->first[i];
    sum += n;
    s->first[i] = sum;          /* Its end: filled downwards. */
  }
  if (VIGIL__LEAK_RESIZE(g->memory, s->before, 0, sum) != 0)
    return g->memory->error;
  s->befores = sum;
  for (i = 0; i < s->count; i++) {
    node = s->vertex[i];
    for (e = g->first[node]; e < g->first[node + 1]; e++)
      if (vigil__leak_retains(g, node, e))
        s->before[--s->first[s->number[g->to[e]]]] = i;
  }
  return 0;
}

/* The least label from `v` up to the last one that is linked: not below
 * `last`. `stack` has room for a path. */
static uint32_t evaluate(struct search* s, uint32_t v, uint32_t last,
                         uint32_t* stack) {
  uint32_t top = 0;
  uint32_t w;

  if (s->ancestor[v] < last)
    return s->label[v];
  do {
    stack[top++] = v;
    v = s->ancestor[v];
  } while (s->ancestor[v] >= last);
  while (top != 0) {
    w = stack[--top];
    s->ancestor[w] = s->ancestor[v];
    if (s->label[v] < s->label[w])
      s->label[w] = s->label[v];
    v = w;
  }
  return s->label[v];
}

static void dominate(struct search* s) {
  /* Nodes have no need of their numbers any more. */
  uint32_t* const stack = s->number;
  uint32_t least;
  uint32_t i;
  uint32_t k;
  uint32_t v;

  for (i = 0; i < s->count; i++)
    s->idom[i] = s->ancestor[i];
  for (i = s->count; i-- > 1;) {
    least = s->ancestor[i];
    for (k = s->first[i]; k < s->first[i + 1]; k++) {
      v = s->before[k];
      if (v > i)
        v = evaluate(s, v, i + 1, stack);
      least = v < least ? v : least;
    }
    s->semi[i] = least;
    s->label[i] = least;
  }
  for (i = 1; i < s->count; i++)
    while (s->idom[i] > s->semi[i])
      s->idom[i] = s->idom[s->idom[i]];
}

int vigil__leak_dominators(const struct vigil__leak_graph* g,
                           uint32_t** dominator) {
  struct search s = { .g = g };
  uint32_t i;
  int e;

  e = allocate(&s);
  if (e == 0) {
    depth_first(&s);
    e = list_before(&s);
  }
  if (e == 0) {
    dominate(&s);
    memset(s.number, 0xff, g->nodes * sizeof(*s.number));
    s.number[0] = 0;
    for (i = 1; i < s.count; i++)
      s.number[s.vertex[i]] = s.vertex[s.idom[i]];
    *dominator = s.number;
    s.number = NULL;
  }
  release(&s);
  return e;
}
