/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LEAK_TREE_H_
#define VIGIL_LEAK_TREE_H_

#include "leak_graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VIGIL__LEAK_NONE UINT32_MAX

/* What holds what in a heap: the dominators with their retained sizes, and a
 * shortest path to each node. By DevTools' rules: weak edges and a WeakMap's
 * edges to its values retain nothing, and what the user's globals can reach is
 * not retained by what they cannot.
 *
 * A path goes, where there is one, from the global objects, then from any other
 * root, then from what is only there for a moment (the stack) or holds weakly
 * (V8's table of strings), and last through code and hidden classes.
 *
 * 24 bytes a node; while it is built up to 28 a node and 4 an edge. */
struct vigil__leak_tree {
  struct vigil__leak_memory* memory;
  uint32_t nodes;
  uint32_t reached;             /* The rest hangs on weak edges, or is dead. */
  uint32_t system;              /* In `order`: here begins what only code and
                                 * hidden classes lead to. */
  uint32_t* order;              /* Of `reached`; parents, dominators first. */
  uint32_t* parent;             /* By node: one step back on the path. NONE. */
  uint32_t* via;                /* Its edge. */
  uint32_t* dominator;          /* By node; of the root itself. NONE. */
  uint64_t* retained;           /* By node, bytes. */
};

/* Zero it first. 0; -ENOMEM, -EFBIG: nothing is held. Any one thread; marks
 * nodes in `g`. No recursion; the time is near to linear. */
int vigil__leak_tree_build(struct vigil__leak_tree* t,
                           struct vigil__leak_graph* g);
void vigil__leak_tree_free(struct vigil__leak_tree* t);

/* The table of strings: the collector does not keep them for its sake. */
bool vigil__leak_is_string_table(const struct vigil__leak_graph* g,
                                 uint32_t node);

/* Whether what the edge of `from` leads to is retained by `from`. The graph
 * must be marked. */
static inline bool vigil__leak_retains(const struct vigil__leak_graph* g,
                                       uint32_t from, uint32_t edge) {
  return from == 0 || (g->type[from] & VIGIL__LEAK_OWNED) != 0 ||
         (g->type[g->to[edge]] & VIGIL__LEAK_OWNED) == 0;
}

/* leak_dominators.c: the immediate dominator by node, NONE for what cannot be
 * reached. Semi-NCA (Georgiadis 2005), iterative. */
int vigil__leak_dominators(const struct vigil__leak_graph* g,
                           uint32_t** dominator);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_LEAK_TREE_H_ */
