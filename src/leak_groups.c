/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak_groups.h"

#include "leak_trie.h"

#include <string.h>

#define FOLDED (1u << 31)       /* The node is only counted in `through`. */
#define CHAIN 64u               /* Steps up that look for one of the same.  */

/* An object whose properties are rather keys: many of one class, or very many.
 */
#define KEYS_ALIKE 16u
#define KEYS_MOST 128u

struct work {
  const struct vigil__leak_graph* g;
  const struct vigil__leak_tree* t;
  struct vigil__leak_trie trie;
  uint32_t* group;              /* By node. */
  uint64_t* through;            /* By node. */
  uint64_t least;               /* `through` of a group to tell apart more. */
};

static void add_paths(struct work* w) {
  const struct vigil__leak_tree* t = w->t;
  uint32_t node;
  uint32_t i;

  for (i = 0; i < t->reached; i++) {
    node = t->order[i];
    w->through[node] = vigil__leak_size(w->g->size[node]);
  }
  for (i = t->reached; i-- > 1;) {
    node = t->order[i];
    w->through[t->parent[node]] += w->through[node];
  }
}

static uint64_t class_of(const struct vigil__leak_graph* g, uint32_t node) {
  return (uint64_t) g->name[node] << 4 | vigil__leak_node_type(g, node);
}

static bool is_property(const struct vigil__leak_graph* g, uint32_t e) {
  return vigil__leak_edge_type(g, e) == VIGIL__LEAK_PROPERTY;
}

/* The class with a majority, if there is one, is the one that a vote leaves. */
static bool is_dictionary(const struct work* w, uint32_t node) {
  const struct vigil__leak_graph* g = w->g;
  uint64_t leader = 0;
  uint32_t lead = 0;
  uint32_t properties = 0;
  uint32_t alike = 0;
  uint32_t e;

  /* A global object is none. */
  if (w->t->parent[node] == 0)
    return false;
  for (e = g->first[node]; e < g->first[node + 1]; e++) {
    if (!is_property(g, e))
      continue;
    properties++;
    if (lead == 0)
      leader = class_of(g, g->to[e]);
    lead = class_of(g, g->to[e]) == leader ? lead + 1 : lead - 1;
  }
  if (properties > KEYS_MOST || properties < KEYS_ALIKE)
    return properties > KEYS_MOST;
  for (e = g->first[node]; e < g->first[node + 1]; e++)
    if (is_property(g, e) && class_of(g, g->to[e]) == leader)
      alike++;
  return alike > properties / 2;
}

/* The step to `node`. */
static struct vigil__leak_step step_to(const struct work* w, uint32_t node,
                                       uint32_t parent, bool dictionary) {
  const struct vigil__leak_graph* g = w->g;
  const uint32_t label = g->label[w->t->via[node]];
  struct vigil__leak_step s = {
    .parent = parent,
    .edge = label & VIGIL__LEAK_LABEL_MASK,
    .edge_type = (uint8_t) (label >> VIGIL__LEAK_LABEL_TYPE),
    .class = g->name[node],
    .type = (uint8_t) vigil__leak_node_type(g, node)
  };

  s.system = s.type == VIGIL__LEAK_CODE || s.type == VIGIL__LEAK_SHAPE ||
             vigil__leak_is_string_table(g, node);

  if (s.edge_type == VIGIL__LEAK_PROPERTY && dictionary)
    s.edge = 0;
  else if (s.edge_type == VIGIL__LEAK_HIDDEN_EDGE ||
           (s.edge_type == VIGIL__LEAK_INTERNAL && g->text[s.edge] == '\0'))
    s.edge_type = VIGIL__LEAK_ELEMENT, s.edge = 0;
  /* Functions in a collection may well all have names of their own. */
  if (s.edge == 0 && s.type == VIGIL__LEAK_CLOSURE)
    s.class = 0;
  return s;
}

/* One of the same group is above it in the tree that `up` describes. */
static bool nested(const struct work* w, const uint32_t* up, uint32_t node) {
  const uint32_t group = w->group[node];
  uint32_t i;

  for (i = 0; i < CHAIN && node != 0; i++) {
    node = up[node];
    if (w->group[node] == group)
      return true;
  }
  return false;
}

static void count_node(struct work* w, uint32_t node) {
  struct vigil__leak_entry* e = &w->trie.entry[w->group[node]];
  const bool looped = (e->flags & VIGIL__LEAK_LOOPED) != 0;

  e->count++;
  e->shallow += vigil__leak_size(w->g->size[node]);
  if (!looped || !nested(w, w->t->dominator, node))
    e->retained += w->t->retained[node];
  if (!looped || !nested(w, w->t->parent, node))
    e->through += w->through[node];
}

/* Parents first: when the first child of a group is looked at, the group is
 * complete, but for one that repeats. */
static int group_nodes(struct work* w) {
  const struct vigil__leak_tree* t = w->t;
  struct vigil__leak_step step = { .type = VIGIL__LEAK_SYNTHETIC };
  uint32_t last = VIGIL__LEAK_NONE;
  bool dictionary = false;
  uint32_t parent;
  uint32_t group;
  uint32_t node;
  uint32_t i;
  int e = 0;

  w->group[0] = 0;
  for (i = 0; e == 0 && i < t->reached; i++) {
    node = t->order[i];
    parent = w->group[t->parent[node]];
    if (i == 0) {
      (void) vigil__leak_trie_step(&w->trie, &step, &e);
      if (e == 0)
        count_node(w, 0);
      continue;
    }
    w->group[node] = parent | FOLDED;
    if ((parent & FOLDED) != 0 || w->trie.entry[parent].through < w->least)
      continue;
    if (t->parent[node] != last) {
      last = t->parent[node];
      dictionary = is_dictionary(w, last);
    }
    step = step_to(w, node, parent, dictionary);
    group = vigil__leak_trie_step(&w->trie, &step, &e);
    if (group != VIGIL__LEAK_NO_GROUP) {
      w->group[node] = group;
      count_node(w, node);
    }
  }
  return e;
}

int vigil__leak_groups_build(struct vigil__leak_summary* s,
                             const struct vigil__leak_graph* g,
                             const struct vigil__leak_tree* t,
                             uint32_t most) {
  struct vigil__leak_memory* m = g->memory;
  struct work w = { .g = g, .t = t, .trie = { .memory = m } };
  int e;

  w.least = g->bytes / 20000;
  w.least = w.least < 1024 ? 1024 : w.least > 65536 ? 65536 : w.least;
  e = VIGIL__LEAK_RESIZE(m, w.group, 0, g->nodes);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(m, w.through, 0, g->nodes);
  if (e == 0) {
    add_paths(&w);
    e = group_nodes(&w);
  }
  VIGIL__LEAK_RELEASE(m, w.group, g->nodes);
  VIGIL__LEAK_RELEASE(m, w.through, g->nodes);
  if (e == 0)
    e = vigil__leak_summary_make(s, g, &w.trie, most);
  if (e == 0)
    s->unreached = t->nodes - t->reached;
  vigil__leak_trie_free(&w.trie);
  return e;
}
