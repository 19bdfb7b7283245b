/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LEAK_GRAPH_H_
#define VIGIL_LEAK_GRAPH_H_

#include "leak_memory.h"
#include "set.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A heap snapshot as a graph. Node 0 is the root. Weak edges, edges from a node
 * to itself and shortcuts (but for the root's) are left out: they retain
 * nothing. Of texts only names of edges and of classes are kept, each different
 * one once, cut to VIGIL__LEAK_NAME bytes.
 *
 * 13 bytes a node and 8 an edge, 4 a string, and the kept texts. While it is
 * read 4 bytes more a node and a bit a string. */
#define VIGIL__LEAK_NAME 120u

enum vigil__leak_type {                 /* Of a node; below 16. */
  VIGIL__LEAK_HIDDEN,
  VIGIL__LEAK_ARRAY,
  VIGIL__LEAK_STRING,                   /* Of any kind. */
  VIGIL__LEAK_OBJECT,
  VIGIL__LEAK_CODE,
  VIGIL__LEAK_CLOSURE,
  VIGIL__LEAK_REGEXP,
  VIGIL__LEAK_NUMBER,
  VIGIL__LEAK_NATIVE,
  VIGIL__LEAK_SYNTHETIC,
  VIGIL__LEAK_SYMBOL,
  VIGIL__LEAK_BIGINT,
  VIGIL__LEAK_SHAPE,
  VIGIL__LEAK_OTHER,
  VIGIL__LEAK_TYPES
};

enum vigil__leak_edge {                 /* Below 8. */
  VIGIL__LEAK_CONTEXT,                  /* A variable. */
  VIGIL__LEAK_ELEMENT,
  VIGIL__LEAK_PROPERTY,
  VIGIL__LEAK_INTERNAL,
  VIGIL__LEAK_HIDDEN_EDGE,
  VIGIL__LEAK_SHORTCUT,
  VIGIL__LEAK_WEAK,                     /* Not in a finished graph. */
  VIGIL__LEAK_EDGES
};

#define VIGIL__LEAK_OWNED 0x10u         /* In `type`; see leak_tree.c. */

struct vigil__leak_graph {
  struct vigil__leak_memory* memory;
  uint32_t nodes;
  uint32_t edges;                       /* Kept. */
  uint64_t edges_read;                  /* All. */
  uint64_t bytes;                       /* Self sizes together. */
  uint8_t* type;                        /* enum vigil__leak_type | OWNED */
  uint32_t* size;                       /* See vigil__leak_size(). */
  uint32_t* name;                       /* Of the class: offset of its text. */
  uint32_t* id;                         /* Only while it is read. */
  uint32_t* first;                      /* Of nodes + 1: the first edge. */
  uint32_t* to;
  uint32_t* label;                      /* Type << 29 | offset of the text. */
  uint32_t edges_most;                  /* Room for them. */
  uint32_t* string;                     /* Only while it is read. */
  uint32_t strings;
  uint32_t strings_most;
  char* text;                           /* [0] is "". */
  uint32_t text_len;
  uint32_t text_most;
  struct vigil__set texts;              /* Offsets. */
};

/* A self size in 32 bits: from 2 GB on in units of 4 KB. */
static inline uint64_t vigil__leak_size(uint32_t packed) {
  return packed >> 31 == 0 ? packed
                           : (uint64_t) (packed & 0x7fffffffu) << 12;
}

static inline uint32_t vigil__leak_pack(uint64_t size) {
  const uint64_t pages = size >> 12;

  if (size < UINT64_C(1) << 31)
    return (uint32_t) size;
  return 0x80000000u | (uint32_t) (pages > 0x7fffffffu ? 0x7fffffffu : pages);
}

#define VIGIL__LEAK_LABEL_TYPE 29u
#define VIGIL__LEAK_LABEL_MASK ((1u << VIGIL__LEAK_LABEL_TYPE) - 1)

static inline enum vigil__leak_type vigil__leak_node_type(
    const struct vigil__leak_graph* g, uint32_t node) {
  return (enum vigil__leak_type) (g->type[node] & 0xfu);
}

static inline enum vigil__leak_edge vigil__leak_edge_type(
    const struct vigil__leak_graph* g, uint32_t edge) {
  return (enum vigil__leak_edge) (g->label[edge] >> VIGIL__LEAK_LABEL_TYPE);
}

/* The name of an edge, "" for an element; valid as long as the graph. */
static inline const char* vigil__leak_edge_name(
    const struct vigil__leak_graph* g, uint32_t edge) {
  return g->text + (g->label[edge] & VIGIL__LEAK_LABEL_MASK);
}

/* The node that has the edge. */
uint32_t vigil__leak_edge_from(const struct vigil__leak_graph* g,
                               uint32_t edge);

/* What leak_parse.c and the tests build it with: room, then nodes in order with
 * the edges each has, then strings, then finish. 0, -ENOMEM, -EFBIG, -EINVAL.
 * `text` need not be terminated. Names and `label` are numbers of strings
 * until finish(). */
int vigil__leak_graph_room(struct vigil__leak_graph* g, uint64_t nodes,
                           uint64_t edges);
int vigil__leak_graph_string(struct vigil__leak_graph* g, const char* text,
                             size_t len, bool wanted);
int vigil__leak_graph_finish(struct vigil__leak_graph* g);

/* Harmless when it is done already, or was never begun. */
void vigil__leak_graph_free(struct vigil__leak_graph* g);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_LEAK_GRAPH_H_ */
