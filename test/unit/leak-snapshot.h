/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_TEST_LEAK_SNAPSHOT_H_
#define VIGIL_TEST_LEAK_SNAPSHOT_H_

#include "leak_parse.h"
#include "leak_summary.h"
#include "test.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes .heapsnapshot files as V8 writes them, from nodes and edges. */

enum snap_type {
  HIDDEN, ARRAY, STRING, OBJECT, CODE, CLOSURE, REGEXP, NUMBER, NATIVE,
  SYNTHETIC, CONCATENATED, SLICED, SYMBOL, BIGINT, SHAPE
};
enum snap_edge_type {
  CONTEXT, ELEMENT, PROPERTY, INTERNAL, HIDDEN_EDGE, SHORTCUT, WEAK
};

#define SNAP_META                                                             \
  "{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\","       \
  "\"self_size\",\"edge_count\",\"detachedness\"],\"node_types\":[["          \
  "\"hidden\",\"array\",\"string\",\"object\",\"code\",\"closure\","          \
  "\"regexp\",\"number\",\"native\",\"synthetic\",\"concatenated string\","   \
  "\"sliced string\",\"symbol\",\"bigint\",\"object shape\"],\"string\","     \
  "\"number\",\"number\",\"number\",\"number\"],\"edge_fields\":[\"type\","   \
  "\"name_or_index\",\"to_node\"],\"edge_types\":[[\"context\",\"element\","  \
  "\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"],"              \
  "\"string_or_number\",\"node\"],\"location_fields\":[\"object_index\"]},"

struct snap {
  struct { int type; int name; uint64_t size; } node[4096];
  int nodes;
  struct { int from; int type; int name; int to; } edge[16384];
  int edges;
  char string[4096][96];        /* As it stands in the file. */
  int strings;
  char* text;
  size_t len;
  size_t size;
};

static inline int snap_string(struct snap* s, const char* text) {
  int i;

  for (i = 0; i < s->strings; i++)
    if (strcmp(s->string[i], text) == 0)
      return i;
  CHECK_OP(s->strings, <, 4096);
  CHECK_OP(strlen(text), <, 96);
  strcpy(s->string[s->strings], text);
  return s->strings++;
}

static inline int snap_node(struct snap* s, int type, const char* name,
                            uint64_t size) {
  CHECK_OP(s->nodes, <, 4096);
  s->node[s->nodes].type = type;
  s->node[s->nodes].name = snap_string(s, name);
  s->node[s->nodes].size = size;
  return s->nodes++;
}

static inline void snap_edge(struct snap* s, int from, int type,
                             const char* name, int to) {
  CHECK_OP(s->edges, <, 16384);
  s->edge[s->edges].from = from;
  s->edge[s->edges].type = type;
  s->edge[s->edges].name =
      type == ELEMENT || type == HIDDEN_EDGE ? atoi(name)
                                             : snap_string(s, name);
  s->edge[s->edges++].to = to;
}

__attribute__((format(printf, 2, 3)))
static inline void snap_put(struct snap* s, const char* format, ...) {
  char one[2048];
  va_list args;
  int n;

  va_start(args, format);
  n = vsnprintf(one, sizeof(one), format, args);
  va_end(args);
  CHECK(n >= 0 && (size_t) n < sizeof(one));
  while (s->len + (size_t) n + 1 > s->size) {
    s->size = s->size == 0 ? 65536 : s->size * 2;
    s->text = realloc(s->text, s->size);
  }
  memcpy(s->text + s->len, one, (size_t) n + 1);
  s->len += (size_t) n;
}

/* The id of node i is 2 i + 1, as V8's are odd. */
static inline void snap_write(struct snap* s) {
  int i, k, n;

  s->len = 0;
  snap_put(s, "%s", SNAP_META);
  snap_put(s, "\"node_count\":%d,\"edge_count\":%d,\"extra\":-1.5e3},\n",
           s->nodes, s->edges);
  snap_put(s, "\"nodes\":[");
  for (i = 0; i < s->nodes; i++) {
    for (k = n = 0; k < s->edges; k++)
      n += s->edge[k].from == i;
    snap_put(s, "%s%d,%d,%d,%" PRIu64 ",%d,0", i == 0 ? "" : ",",
             s->node[i].type, s->node[i].name, 2 * i + 1, s->node[i].size, n);
  }
  snap_put(s, "],\n\"edges\":[");
  for (i = n = 0; i < s->nodes; i++)
    for (k = 0; k < s->edges; k++)
      if (s->edge[k].from == i)
        snap_put(s, "%s%d,%d,%d", n++ == 0 ? "" : ",\n", s->edge[k].type,
                 s->edge[k].name, s->edge[k].to * 6);
  snap_put(s, "],\n\"trace_tree\":[[1,[true,null]]],\"samples\":[],\n"
           "\"locations\":[0,1,2,3],\n\"strings\":[");
  for (i = 0; i < s->strings; i++)
    snap_put(s, "%s\"%s\"", i == 0 ? "" : ",\n", s->string[i]);
  snap_put(s, "]}");
}

/* With a root, its synthetic child for everything, and a global object. */
static inline struct snap* snap_new(int* roots, int* global) {
  struct snap* s = calloc(1, sizeof(*s));
  const int root = snap_node(s, SYNTHETIC, "", 0);

  *roots = snap_node(s, SYNTHETIC, "(GC roots)", 0);
  *global = snap_node(s, OBJECT, "global", 32);
  snap_edge(s, root, ELEMENT, "1", *roots);
  snap_edge(s, root, SHORTCUT, "2", *global);
  return s;
}

static inline void snap_free(struct snap* s) {
  free(s->text);
  free(s);
}

/* Reads it in pieces of `piece` bytes. */
static inline int snap_parse(struct vigil__leak_parse* p,
                             struct vigil__leak_memory* m, const char* text,
                             size_t len, size_t piece) {
  size_t at;
  size_t n;
  int e = 0;

  memset(p, 0, sizeof(*p));
  vigil__leak_parse_begin(p, m);
  for (at = 0; e == 0 && at < len; at += n) {
    n = len - at < piece ? len - at : piece;
    e = vigil__leak_parse_write(p, text + at, n);
  }
  return e;
}

/* To a summary, which must work. */
static inline struct vigil__leak_summary snap_summary(struct snap* s,
                                                      uint32_t most) {
  static struct vigil__leak_parse p;
  struct vigil__leak_memory m = { .limit = 1 << 30 };
  struct vigil__leak_summary sum;

  snap_write(s);
  CHECK_EQ(snap_parse(&p, &m, s->text, s->len, s->len), 0);
  CHECK_EQ(vigil__leak_summarize(&p, most, &sum), 0);
  CHECK_EQ(m.used, 0);
  return sum;
}

#endif  /* VIGIL_TEST_LEAK_SNAPSHOT_H_ */
