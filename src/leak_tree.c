/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak_tree.h"

#include <string.h>

#define NONE VIGIL__LEAK_NONE

/* Everything that the user's globals reach; `stack` has room for all nodes. */
static void mark_owned(struct vigil__leak_graph* g, uint32_t* stack) {
  uint32_t top = 0;
  uint32_t node;
  uint32_t e;

  for (e = g->first[0]; e < g->first[1]; e++) {
    node = g->to[e];
    if (vigil__leak_edge_type(g, e) == VIGIL__LEAK_SHORTCUT &&
        (g->type[node] & VIGIL__LEAK_OWNED) == 0) {
      g->type[node] |= VIGIL__LEAK_OWNED;
      stack[top++] = node;
    }
  }
  while (top != 0) {
    node = stack[--top];
    for (e = g->first[node]; e < g->first[node + 1]; e++) {
      if ((g->type[g->to[e]] & VIGIL__LEAK_OWNED) != 0)
        continue;
      g->type[g->to[e]] |= VIGIL__LEAK_OWNED;
      stack[top++] = g->to[e];
    }
  }
}

/* Which paths are looked for, one kind after the other. */
enum kind { PLAIN, LATE, ANY };

static bool is_synthetic(const struct vigil__leak_graph* g, uint32_t node,
                         const char* name) {
  return vigil__leak_node_type(g, node) == VIGIL__LEAK_SYNTHETIC &&
         strcmp(g->text + g->name[node], name) == 0;
}

bool vigil__leak_is_string_table(const struct vigil__leak_graph* g,
                                 uint32_t node) {
  return is_synthetic(g, node, "(Internalized strings)");
}

/* The first kind of path that may go through it. */
static enum kind kind_of(const struct vigil__leak_graph* g, uint32_t node) {
  switch (vigil__leak_node_type(g, node)) {
    case VIGIL__LEAK_CODE:
    case VIGIL__LEAK_SHAPE:
      return ANY;
    case VIGIL__LEAK_SYNTHETIC:
      return is_synthetic(g, node, "(Stack roots)") ||
                     is_synthetic(g, node, "(Handle scope)") ||
                     vigil__leak_is_string_table(g, node) ? LATE : PLAIN;
    default:
      return PLAIN;
  }
}

static void reach(struct vigil__leak_tree* t, uint32_t node, uint32_t parent,
                  uint32_t via) {
  t->parent[node] = parent;
  t->via[node] = via;
  t->order[t->reached++] = node;
}

/* What `node` has an edge to and no path yet. */
static void expand(struct vigil__leak_tree* t,
                   const struct vigil__leak_graph* g,
                   uint32_t node,
                   enum kind kind) {
  uint32_t to;
  uint32_t e;

  if (kind_of(g, node) > kind)
    return;
  for (e = g->first[node]; e < g->first[node + 1]; e++) {
    to = g->to[e];
    if (t->parent[to] == NONE && vigil__leak_retains(g, node, e) &&
        kind_of(g, to) <= kind)
      reach(t, to, node, e);
  }
}

/* Breadth first, again and again: each time where the last one found no more,
 * from all that it had found. */
static void find_paths(struct vigil__leak_tree* t,
                       const struct vigil__leak_graph* g) {
  enum kind kind;
  uint32_t i;
  uint32_t e;

  memset(t->parent, 0xff, t->nodes * sizeof(*t->parent));
  reach(t, 0, 0, 0);
  for (e = g->first[0]; e < g->first[1]; e++)
    if (vigil__leak_node_type(g, g->to[e]) != VIGIL__LEAK_SYNTHETIC &&
        t->parent[g->to[e]] == NONE)
      reach(t, g->to[e], 0, e);
  for (i = 1; i < t->reached; i++)
    expand(t, g, t->order[i], PLAIN);
  for (kind = PLAIN; kind <= ANY; kind++) {
    if (kind == ANY)
      t->system = t->reached;
    for (i = 0; i < t->reached; i++)
      expand(t, g, t->order[i], kind);
  }
}

static void add_up(struct vigil__leak_tree* t,
                   const struct vigil__leak_graph* g) {
  uint32_t node;
  uint32_t i;

  for (node = 0; node < t->nodes; node++)
    t->retained[node] = vigil__leak_size(g->size[node]);
  /* A dominator is on every path, so it comes first. */
  for (i = t->reached; i-- > 1;) {
    node = t->order[i];
    t->retained[t->dominator[node]] += t->retained[node];
  }
}

int vigil__leak_tree_build(struct vigil__leak_tree* t,
                           struct vigil__leak_graph* g) {
  struct vigil__leak_memory* m = g->memory;
  int e;

  t->memory = m;
  t->nodes = g->nodes;
  e = VIGIL__LEAK_RESIZE(m, t->order, 0, t->nodes);
  if (e == 0) {
    mark_owned(g, t->order);
    /* Needs most. */
    VIGIL__LEAK_RELEASE(m, t->order, t->nodes);
    e = vigil__leak_dominators(g, &t->dominator);
  }
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(m, t->order, 0, t->nodes);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(m, t->parent, 0, t->nodes);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(m, t->via, 0, t->nodes);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(m, t->retained, 0, t->nodes);
  if (e != 0) {
    vigil__leak_tree_free(t);
    return e;
  }
  find_paths(t, g);
  add_up(t, g);
  return 0;
}

void vigil__leak_tree_free(struct vigil__leak_tree* t) {
  if (t->memory == NULL)
    return;
  VIGIL__LEAK_RELEASE(t->memory, t->order, t->nodes);
  VIGIL__LEAK_RELEASE(t->memory, t->parent, t->nodes);
  VIGIL__LEAK_RELEASE(t->memory, t->via, t->nodes);
  VIGIL__LEAK_RELEASE(t->memory, t->dominator, t->nodes);
  VIGIL__LEAK_RELEASE(t->memory, t->retained, t->nodes);
  *t = (struct vigil__leak_tree) { .memory = t->memory };
}
