/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LEAK_SUMMARY_H_
#define VIGIL_LEAK_SUMMARY_H_

#include "leak_graph.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is left of a heap snapshot: its objects in groups of the same class that
 * are held by the same path. The groups are a tree by path, parents first; [0]
 * is the root of the heap. */
#define VIGIL__LEAK_GROUPS_MOST 20000u  /* 48 bytes and some text each. */

enum {                          /* vigil__leak_group.flags */
  VIGIL__LEAK_SYSTEM = 1,       /* Held by code or hidden classes only. */
  VIGIL__LEAK_LOOPED = 2,       /* Its path repeats: a list, a tree. */
  VIGIL__LEAK_ANY = 4           /* Stands for many different ones. */
};

struct vigil__leak_group {
  uint32_t parent;              /* Of [0]: 0. */
  uint32_t edge;                /* Offset of its name; "": elements, any key. */
  uint32_t class;               /* Offset; "": see `type`. */
  uint32_t count;               /* Objects. */
  uint64_t shallow;             /* Bytes, as the next two. */
  uint64_t retained;            /* One within another counts once. */
  uint64_t through;             /* They and all whose path goes through them. */
  uint8_t edge_type;            /* enum vigil__leak_edge */
  uint8_t type;                 /* enum vigil__leak_type */
  uint8_t flags;
  uint8_t unused[5];
};

struct vigil__leak_summary {
  uint64_t nodes;               /* Of the snapshot, as the next three. */
  uint64_t edges;
  uint64_t bytes;
  uint64_t unreached;           /* Nodes that nothing but weak edges hold. */
  uint64_t folded;              /* Groups that were too small to be kept. */
  uint32_t groups;
  uint32_t text_len;
  struct vigil__leak_group* group;
  char* text;                   /* [0] is "". */
};

struct vigil__leak_parse;

/* All of the analysis of one snapshot: what was written to `p` becomes a
 * summary of at most `most` groups (0: VIGIL__LEAK_GROUPS_MOST). `p` is freed,
 * also after an error, which may be one that writing to it gave before.
 * For the process that has read the snapshot: it takes seconds for millions
 * of nodes. 0, -EINVAL, -EFBIG, -ENOMEM. Any one thread. */
int vigil__leak_summarize(struct vigil__leak_parse* p, uint32_t most,
                          struct vigil__leak_summary* s);

/* A summary as bytes, for another process of the same machine. The sink's
 * error ends it. */
typedef int vigil__leak_sink(void* arg, const char* data, size_t len);
int vigil__leak_summary_write(const struct vigil__leak_summary* s,
                              vigil__leak_sink* sink, void* arg);

/* Reads it back; nothing in `data` is trusted. 0, -EINVAL, -ENOMEM. */
int vigil__leak_summary_read(struct vigil__leak_summary* s, const void* data,
                             size_t len);

/* Zeroes it. */
void vigil__leak_summary_free(struct vigil__leak_summary* s);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_LEAK_SUMMARY_H_ */
