/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LEAK_PARSE_H_
#define VIGIL_LEAK_PARSE_H_

#include "leak_graph.h"
#include "leak_scan.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VIGIL__LEAK_FIELDS 16u

/* Reads a .heapsnapshot piece by piece, as V8 writes it: a "snapshot" with
 * "meta" and counts, then "nodes", "edges" and "strings", with anything else
 * in between. The order of the fields and the numbers of the types come from
 * "meta".
 *
 * Any one thread; in a forked child, too, as long as that may allocate. Zero
 * it (it has 5 KB), begin it; `memory` must outlive the graph. */
struct vigil__leak_parse {
  struct vigil__leak_graph graph;       /* Yours after finish() gave 0. */
  struct vigil__leak_scan scan;
  uint8_t top;                          /* Which member of the file it is in. */
  uint8_t inner;                        /* And of its "snapshot"... */
  uint8_t meta;                         /* ...and of its "meta". */
  uint8_t done;                         /* Bits: members that ended. */
  uint32_t depth;
  uint32_t index;                       /* Of the next value of a list. */
  uint8_t fields[2];                    /* How many a node, an edge has. */
  uint8_t role[2][VIGIL__LEAK_FIELDS];  /* What each is. */
  uint8_t types[2];                     /* How many there are, and which. */
  uint8_t type[2][32];
  uint64_t count[2];                    /* Of nodes, of edges, as announced. */
  uint64_t value[8];                    /* Of the node or edge, by role. */
  uint32_t column;
  uint32_t node;                        /* The next one, or whose edges come. */
  uint64_t left;                        /* Edges that it still has. */
  uint64_t edges;                       /* That the nodes announce. */
  uint8_t* wanted;                      /* Bits, by string. */
  size_t wanted_size;
};

void vigil__leak_parse_begin(struct vigil__leak_parse* p,
                             struct vigil__leak_memory* memory);

/* 0, or what is wrong, which sticks: -EINVAL: no snapshot, or a broken one;
 * -EFBIG: it does not fit into the limit; -ENOMEM. */
int vigil__leak_parse_write(struct vigil__leak_parse* p, const char* data,
                            size_t len);

/* The file has ended: 0 and p->graph is whole, or the error. */
int vigil__leak_parse_finish(struct vigil__leak_parse* p);

/* Frees it with its graph. To keep that, copy it and zero it here. */
void vigil__leak_parse_free(struct vigil__leak_parse* p);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_LEAK_PARSE_H_ */
