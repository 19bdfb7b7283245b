/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak-snapshot.h"

#include "leak_tree.h"

#define MOST 64                 /* Nodes of a random graph. */

static struct vigil__leak_parse p;

/* What `from` reaches without `without`, over what retains. */
static void reach(const struct vigil__leak_graph* g, uint32_t from,
                  uint32_t without, bool* reached) {
  uint32_t e;

  if (from == without || reached[from])
    return;
  reached[from] = true;
  for (e = g->first[from]; e < g->first[from + 1]; e++)
    if (vigil__leak_retains(g, from, e))
      reach(g, g->to[e], without, reached);
}

/* A node retains what cannot be reached without it; its dominator is, of those
 * that retain it, the one that the others retain. */
static void check_dominators(const struct vigil__leak_graph* g,
                             const struct vigil__leak_tree* t) {
  static bool holds[MOST][MOST];
  bool all[MOST] = { false };
  bool without[MOST];
  uint64_t retained;
  uint32_t reached = 0;
  uint32_t d, i, k;

  reach(g, 0, UINT32_MAX, all);
  for (i = 0; i < g->nodes; i++) {
    memset(without, 0, sizeof(without));
    reach(g, 0, i, without);
    reached += all[i];
    retained = 0;
    for (k = 0; k < g->nodes; k++) {
      holds[i][k] = all[k] && !without[k];
      if (holds[i][k])
        retained += vigil__leak_size(g->size[k]);
    }
    if (all[i])
      CHECK_EQ(t->retained[i], retained);
    else
      CHECK_EQ(t->dominator[i], VIGIL__LEAK_NONE);
  }
  CHECK_EQ(t->reached, reached);
  for (i = 1; i < g->nodes; i++) {
    if (!all[i])
      continue;
    d = t->dominator[i];
    CHECK(d != i && holds[d][i]);
    for (k = 0; k < g->nodes; k++)
      if (k != i && holds[k][i])
        CHECK(holds[k][d]);
  }
}

/* Each path is one, and goes by the dominators. */
static void check_paths(const struct vigil__leak_graph* g,
                        const struct vigil__leak_tree* t) {
  uint32_t place[MOST];
  uint32_t i, node;

  memset(place, 0xff, sizeof(place));
  for (i = 0; i < t->reached; i++)
    place[t->order[i]] = i;
  CHECK_EQ(t->order[0], 0);
  for (i = 1; i < t->reached; i++) {
    node = t->order[i];
    CHECK_EQ(g->to[t->via[node]], node);
    CHECK_EQ(vigil__leak_edge_from(g, t->via[node]), t->parent[node]);
    CHECK(vigil__leak_retains(g, t->parent[node], t->via[node]));
    CHECK_OP(place[t->parent[node]], <, i);
    CHECK_OP(place[t->dominator[node]], <, i);
  }
}

static void build(struct snap* s, struct vigil__leak_memory* m,
                  struct vigil__leak_tree* t) {
  snap_write(s);
  CHECK_EQ(snap_parse(&p, m, s->text, s->len, s->len), 0);
  CHECK_EQ(vigil__leak_parse_finish(&p), 0);
  *t = (struct vigil__leak_tree) { .nodes = 0 };
  CHECK_EQ(vigil__leak_tree_build(t, &p.graph), 0);
}

static void done(struct snap* s, struct vigil__leak_memory* m,
                 struct vigil__leak_tree* t) {
  vigil__leak_tree_free(t);
  vigil__leak_parse_free(&p);
  CHECK_EQ(m->used, 0);
  snap_free(s);
}

TEST(leak_dominators_of_random_graphs) {
  static const int types[] = { OBJECT, OBJECT, OBJECT, ARRAY, CODE, SHAPE };
  static const int edges[] = { PROPERTY, PROPERTY, ELEMENT, WEAK };
  struct vigil__leak_memory m = { .limit = 1 << 24 };
  struct vigil__leak_tree t;
  struct snap* s;
  unsigned round;
  int roots, global;
  int nodes, n, i;

  for (round = 0; round < 3000; round++) {
    s = snap_new(&roots, &global);
    /* In some there is nothing that the user owns. */
    if (round % 3 == 0)
      s->edges--;
    nodes = 4 + (int) test_random(MOST - 4);
    while (s->nodes < nodes)
      snap_node(s, types[test_random(6)], "A", test_random(100));
    n = (int) test_random((uint64_t) nodes * 3);
    for (i = 0; i < n; i++)
      snap_edge(s, (int) test_random((uint64_t) nodes),
                edges[test_random(round % 2 == 0 ? 3 : 4)], "1",
                (int) test_random((uint64_t) nodes));
    build(s, &m, &t);
    check_dominators(&p.graph, &t);
    check_paths(&p.graph, &t);
    done(s, &m, &t);
  }
}

TEST(leak_paths_prefer_what_people_can_read) {
  struct vigil__leak_memory m = { .limit = 1 << 24 };
  struct vigil__leak_tree t;
  int roots, global;
  struct snap* s = snap_new(&roots, &global);
  const int stack = snap_node(s, SYNTHETIC, "(Stack roots)", 0);
  const int strings = snap_node(s, SYNTHETIC, "(Internalized strings)", 0);
  const int code = snap_node(s, CODE, "f", 8);
  const int a = snap_node(s, OBJECT, "A", 8);
  const int b = snap_node(s, OBJECT, "B", 8);
  const int c = snap_node(s, OBJECT, "C", 8);
  const int both = snap_node(s, OBJECT, "Both", 8);
  const int text = snap_node(s, STRING, "key", 8);
  const int hidden = snap_node(s, OBJECT, "Hidden", 8);
  const int dead = snap_node(s, OBJECT, "Dead", 8);
  const int handle = snap_node(s, OBJECT, "Handle", 8);
  const int held = snap_node(s, OBJECT, "Held", 8);
  const int word = snap_node(s, STRING, "word", 8);

  snap_edge(s, roots, ELEMENT, "1", stack);
  snap_edge(s, roots, ELEMENT, "2", strings);
  snap_edge(s, stack, ELEMENT, "1", c);
  snap_edge(s, strings, ELEMENT, "1", text);
  snap_edge(s, roots, ELEMENT, "3", handle);
  snap_edge(s, handle, PROPERTY, "code", code);
  snap_edge(s, handle, PROPERTY, "held", held);
  snap_edge(s, stack, ELEMENT, "2", held);
  snap_edge(s, held, PROPERTY, "word", word);
  snap_edge(s, strings, ELEMENT, "2", word);
  snap_edge(s, global, PROPERTY, "code", code);
  snap_edge(s, code, INTERNAL, "both", both);
  snap_edge(s, code, INTERNAL, "hidden", hidden);
  snap_edge(s, global, PROPERTY, "a", a);
  snap_edge(s, a, PROPERTY, "b", b);
  snap_edge(s, b, PROPERTY, "c", c);
  snap_edge(s, c, PROPERTY, "text", text);
  snap_edge(s, c, PROPERTY, "both", both);
  snap_edge(s, b, WEAK, "dead", dead);
  build(s, &m, &t);
  CHECK_EQ(t.parent[c], b);
  CHECK_EQ(t.parent[text], c);
  CHECK_EQ(t.parent[both], c);
  CHECK_EQ(t.parent[hidden], code);
  CHECK_EQ(t.parent[held], handle);
  CHECK_EQ(t.parent[word], held);
  CHECK_EQ(t.parent[dead], VIGIL__LEAK_NONE);
  CHECK_EQ(t.reached, s->nodes - 1);
  CHECK_EQ(t.order[t.system], code);
  /* The stack is not the user's: it does not retain what the globals do. */
  CHECK_EQ(t.dominator[c], b);
  CHECK_EQ(t.dominator[both], global);
  done(s, &m, &t);
}

/* A list of a million, that each has a way back to the first, and an array with
 * all of them: neither depth nor width may matter. */
TEST(leak_tree_of_a_very_long_list) {
  const uint32_t n = 1000000;
  struct vigil__leak_memory m = { .limit = 1u << 30 };
  struct vigil__leak_graph g = { .memory = &m };
  struct vigil__leak_tree t = { .nodes = 0 };
  uint32_t i;

  CHECK_EQ(vigil__leak_graph_room(&g, n, 3ull * n), 0);
  CHECK_EQ(vigil__leak_graph_string(&g, "N", 1, true), 0);
  for (i = 0; i < n; i++) {
    g.type[i] = VIGIL__LEAK_OBJECT;
    g.name[i] = 0;
    g.id[i] = i;
    g.size[i] = 10;
    g.first[i] = g.edges;
    if (i + 1 < n)
      g.to[g.edges++] = i + 1;
    if (i != 0)
      g.to[g.edges++] = 1;
    if (i != 0 && i + 1 < n)
      g.to[g.edges++] = i - 1;
  }
  g.first[n] = g.edges;
  for (i = 0; i < g.edges; i++)
    g.label[i] = (uint32_t) VIGIL__LEAK_PROPERTY << VIGIL__LEAK_LABEL_TYPE;
  CHECK_EQ(vigil__leak_graph_finish(&g), 0);
  CHECK_EQ(vigil__leak_tree_build(&t, &g), 0);
  for (i = 1; i < n; i++) {
    CHECK_EQ(t.dominator[i], i - 1);
    CHECK_EQ(t.retained[i], 10ull * (n - i));
  }
  vigil__leak_tree_free(&t);
  vigil__leak_graph_free(&g);
  CHECK_EQ(m.used, 0);
}

TEST(leak_sizes_are_packed) {
  uint64_t v;
  int bit;

  for (bit = 0; bit < 43; bit++) {
    v = UINT64_C(1) << bit;
    CHECK_EQ(vigil__leak_size(vigil__leak_pack(v)), v);
    v |= v >> 1 | v >> 3;
    CHECK_OP(vigil__leak_size(vigil__leak_pack(v)), <=, v);
    CHECK_OP(v - vigil__leak_size(vigil__leak_pack(v)), <, 4096);
  }
  CHECK_OP(vigil__leak_size(vigil__leak_pack(UINT64_MAX)), >,
           UINT64_C(1) << 42);
}
