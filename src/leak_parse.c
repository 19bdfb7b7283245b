/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak_parse.h"

#include <errno.h>
#include <string.h>

enum top { OTHER, SNAPSHOT, NODES, EDGES, STRINGS };
enum inner { META = 1, NODE_COUNT, EDGE_COUNT };
enum meta { NODE_FIELDS = 1, NODE_TYPES, EDGE_FIELDS, EDGE_TYPES };
enum role { IGNORED, TYPE, NAME, ID, SELF_SIZE, EDGES_OF, TO };
enum { NODE, EDGE };

static bool is(const char* text, size_t len, const char* name) {
  return strlen(name) == len && memcmp(text, name, len) == 0;
}

/* The place of a text in a list that ends with NULL, from 1, or 0. */
static uint8_t find(const char* const* list, const char* text, size_t len) {
  uint8_t i;

  for (i = 0; list[i] != NULL; i++)
    if (is(text, len, list[i]))
      return (uint8_t) (i + 1);
  return 0;
}

static const char* const tops[] = {
  "snapshot", "nodes", "edges", "strings", NULL
};
static const char* const inners[] = {
  "meta", "node_count", "edge_count", NULL
};
static const char* const metas[] = {
  "node_fields", "node_types", "edge_fields", "edge_types", NULL
};
static const char* const roles[2][8] = {
  { "type", "name", "id", "self_size", "edge_count", NULL },
  { "type", "name_or_index", "", "", "", "to_node", NULL },
};

static uint8_t node_type(const char* text, size_t len) {
  static const char* const names[] = {
    "hidden", "array", "string", "object", "code", "closure", "regexp",
    "number", "native", "synthetic", "symbol", "bigint", "object shape", NULL
  };
  const uint8_t t = find(names, text, len);

  if (is(text, len, "concatenated string") || is(text, len, "sliced string"))
    return VIGIL__LEAK_STRING;
  return t == 0 ? VIGIL__LEAK_OTHER : (uint8_t) (t - 1);
}

/* One that we do not know counts as internal. */
static uint8_t edge_type(const char* text, size_t len) {
  static const char* const names[] = {
    "context", "element", "property", "internal", "hidden", "shortcut", "weak",
    NULL
  };
  const uint8_t t = find(names, text, len);

  return t == 0 ? VIGIL__LEAK_INTERNAL : (uint8_t) (t - 1);
}

static int want(struct vigil__leak_parse* p, uint64_t string) {
  const uint64_t most = 2 * (p->count[NODE] + p->count[EDGE]) + 65536;
  size_t size = p->wanted_size == 0 ? 4096 : p->wanted_size;
  int e;

  /* Every string is there for a node or an edge. */
  if (string >= most || string > VIGIL__LEAK_LABEL_MASK)
    return -EINVAL;
  if (string / 8 >= p->wanted_size) {
    while (size <= string / 8)
      size *= 2;
    e = VIGIL__LEAK_RESIZE(p->graph.memory, p->wanted, p->wanted_size, size);
    if (e != 0)
      return e;
    memset(p->wanted + p->wanted_size, 0, size - p->wanted_size);
    p->wanted_size = size;
  }
  p->wanted[string / 8] |= (uint8_t) (1u << string % 8);
  return 0;
}

static int add_node(struct vigil__leak_parse* p) {
  struct vigil__leak_graph* g = &p->graph;
  const uint64_t* v = p->value;

  if (p->node == g->nodes || v[TYPE] >= p->types[NODE] ||
      v[ID] > UINT32_MAX || v[SELF_SIZE] > UINT64_C(1) << 47 ||
      v[EDGES_OF] > p->count[EDGE] - p->edges)
    return -EINVAL;
  g->type[p->node] = p->type[NODE][v[TYPE]];
  g->name[p->node] = (uint32_t) v[NAME];
  g->id[p->node] = (uint32_t) v[ID];
  g->size[p->node] = vigil__leak_pack(v[SELF_SIZE]);
  /* For now how many. */
  g->first[p->node] = (uint32_t) v[EDGES_OF];
  g->bytes += v[SELF_SIZE];
  p->edges += v[EDGES_OF];
  p->node++;
  return want(p, v[NAME]);
}

/* Goes on to the node that the next edge belongs to. */
static void next_source(struct vigil__leak_parse* p) {
  struct vigil__leak_graph* g = &p->graph;

  while (p->left == 0 && p->node < g->nodes) {
    if (++p->node < g->nodes)
      p->left = g->first[p->node];
    g->first[p->node] = g->edges;
  }
}

static int add_edge(struct vigil__leak_parse* p) {
  struct vigil__leak_graph* g = &p->graph;
  const uint64_t* v = p->value;
  const uint64_t to = v[TO] / p->fields[NODE];
  uint8_t t;
  uint64_t label = v[NAME];
  int e = 0;

  if (p->node >= g->nodes || g->edges_read == p->count[EDGE] ||
      v[TYPE] >= p->types[EDGE] || to >= g->nodes ||
      v[TO] % p->fields[NODE] != 0)
    return -EINVAL;
  t = p->type[EDGE][v[TYPE]];
  g->edges_read++;
  if (t == VIGIL__LEAK_ELEMENT || t == VIGIL__LEAK_HIDDEN_EDGE)
    label = 0;
  if (t != VIGIL__LEAK_WEAK && to != p->node &&
      (t != VIGIL__LEAK_SHORTCUT || p->node == 0)) {
    if (t != VIGIL__LEAK_ELEMENT && t != VIGIL__LEAK_HIDDEN_EDGE)
      e = want(p, label);
    g->to[g->edges] = (uint32_t) to;
    g->label[g->edges++] =
        (uint32_t) t << VIGIL__LEAK_LABEL_TYPE | (uint32_t) label;
  }
  p->left--;
  next_source(p);
  return e;
}

/* The fields and types are all there: room for nodes and edges. */
static int make_room(struct vigil__leak_parse* p) {
  unsigned roles_seen[2] = { 0, 0 };
  unsigned k;
  unsigned i;

  for (k = 0; k < 2; k++)
    for (i = 0; i < p->fields[k]; i++)
      roles_seen[k] |= 1u << p->role[k][i];
  if ((roles_seen[NODE] >> 1 & 0x1f) != 0x1f ||
      (roles_seen[EDGE] & (1u << TYPE | 1u << NAME | 1u << TO)) !=
          (1u << TYPE | 1u << NAME | 1u << TO))
    return -EINVAL;
  return vigil__leak_graph_room(&p->graph, p->count[NODE], p->count[EDGE]);
}

static int begin_top(struct vigil__leak_parse* p) {
  static const uint8_t before[] = {
    [NODES] = 1u << SNAPSHOT, [EDGES] = 1u << NODES, [STRINGS] = 1u << EDGES,
    [OTHER] = 0, [SNAPSHOT] = 0
  };

  if ((p->done & before[p->top]) != before[p->top] ||
      (p->top != OTHER && (p->done >> p->top & 1) != 0))
    return -EINVAL;
  p->column = 0;
  p->node = 0;
  if (p->top == NODES)
    return make_room(p);
  if (p->top == EDGES) {
    p->left = p->graph.first[0];
    p->graph.first[0] = 0;
    next_source(p);
  }
  return 0;
}

static int end_top(struct vigil__leak_parse* p) {
  const struct vigil__leak_graph* g = &p->graph;

  if (p->column != 0 ||
      (p->top == NODES && (p->node != g->nodes ||
                           p->edges != p->count[EDGE])) ||
      (p->top == EDGES && g->edges_read != p->count[EDGE]))
    return -EINVAL;
  p->done |= (uint8_t) (1u << p->top);
  p->top = OTHER;
  return 0;
}

static int on_open(void* arg, bool array) {
  struct vigil__leak_parse* p = arg;
  const uint32_t depth = p->depth++;

  if (depth == 0)
    return array ? -EINVAL : 0;
  if (depth == 1 && p->top != OTHER)
    return array != (p->top != SNAPSHOT) ? -EINVAL : begin_top(p);
  p->index = depth == 3 && p->top == SNAPSHOT ? 0 : p->index;
  return p->top == NODES || p->top == EDGES || p->top == STRINGS ? -EINVAL : 0;
}

static int on_close(void* arg) {
  struct vigil__leak_parse* p = arg;

  p->depth--;
  if (p->depth == 2)
    p->inner = 0;
  else if (p->depth == 3)
    p->meta = 0;
  /* A list of types ends: what follows is for the next field. */
  else if (p->depth == 4)
    p->index++;
  return p->depth == 1 && p->top != OTHER ? end_top(p) : 0;
}

static int on_key(void* arg, const char* text, size_t len) {
  struct vigil__leak_parse* p = arg;

  if (p->depth == 1)
    p->top = find(tops, text, len);
  else if (p->depth == 2)
    p->inner = find(inners, text, len);
  else if (p->depth == 3)
    p->meta = find(metas, text, len);
  return 0;
}

/* A string within "meta". */
static int on_meta(struct vigil__leak_parse* p, const char* text, size_t len) {
  const unsigned k = p->meta >= EDGE_FIELDS ? EDGE : NODE;

  if (p->meta == NODE_FIELDS || p->meta == EDGE_FIELDS) {
    if (p->depth != 4 || p->fields[k] == VIGIL__LEAK_FIELDS)
      return -EINVAL;
    p->role[k][p->fields[k]++] = len == 0 ? 0 : find(roles[k], text, len);
  } else if (p->meta != 0 && p->depth == 4) {
    p->index++;
  } else if (p->meta != 0 && p->depth == 5 && p->index < p->fields[k] &&
             p->role[k][p->index] == TYPE) {
    if (p->types[k] == sizeof(p->type[k]))
      return -EINVAL;
    p->type[k][p->types[k]++] = k == NODE ? node_type(text, len)
                                          : edge_type(text, len);
  }
  return 0;
}

static int on_string(void* arg, const char* text, size_t len) {
  struct vigil__leak_parse* p = arg;
  const uint32_t i = p->graph.strings;

  if (p->top == STRINGS)
    return p->depth != 2 ? -EINVAL : vigil__leak_graph_string(
        &p->graph, text, len,
        i / 8 < p->wanted_size && (p->wanted[i / 8] >> i % 8 & 1) != 0);
  if (p->top == SNAPSHOT && p->inner == META)
    return on_meta(p, text, len);
  return p->top == OTHER || p->top == SNAPSHOT ? 0 : -EINVAL;
}

static int on_number(void* arg, uint64_t value) {
  struct vigil__leak_parse* p = arg;
  unsigned k;

  if (p->top == NODES || p->top == EDGES) {
    k = p->top == NODES ? NODE : EDGE;
    if (p->depth != 2)
      return -EINVAL;
    p->value[p->role[k][p->column]] = value;
    if (++p->column < p->fields[k])
      return 0;
    p->column = 0;
    return k == NODE ? add_node(p) : add_edge(p);
  }
  if (p->top == SNAPSHOT && p->depth == 2 && p->inner >= NODE_COUNT) {
    if (value == UINT64_MAX)
      return -EINVAL;
    p->count[p->inner == NODE_COUNT ? NODE : EDGE] = value;
  }
  return p->top == STRINGS || p->depth == 0 ? -EINVAL : 0;
}

static int on_word(void* arg) {
  const struct vigil__leak_parse* p = arg;

  return p->top == OTHER || p->top == SNAPSHOT ? 0 : -EINVAL;
}

void vigil__leak_parse_begin(struct vigil__leak_parse* p,
                             struct vigil__leak_memory* memory) {
  static const struct vigil__leak_scan_events events = {
    .open = on_open, .close = on_close, .key = on_key, .string = on_string,
    .number = on_number, .word = on_word
  };

  p->scan.events = &events;
  p->scan.arg = p;
  p->graph.memory = memory;
}

int vigil__leak_parse_write(struct vigil__leak_parse* p, const char* data,
                            size_t len) {
  return vigil__leak_scan_write(&p->scan, data, len);
}

int vigil__leak_parse_finish(struct vigil__leak_parse* p) {
  int e = vigil__leak_scan_end(&p->scan);

  if (e == 0 && (p->done >> STRINGS & 1) == 0)
    e = -EINVAL;
  if (e == 0)
    e = vigil__leak_graph_finish(&p->graph);
  p->scan.error = e != 0 ? e : -EINVAL;
  VIGIL__LEAK_RELEASE(p->graph.memory, p->wanted, p->wanted_size);
  p->wanted_size = 0;
  return e;
}

void vigil__leak_parse_free(struct vigil__leak_parse* p) {
  if (p->graph.memory != NULL)
    VIGIL__LEAK_RELEASE(p->graph.memory, p->wanted, p->wanted_size);
  p->wanted_size = 0;
  vigil__leak_graph_free(&p->graph);
}
