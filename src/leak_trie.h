/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LEAK_TRIE_H_
#define VIGIL_LEAK_TRIE_H_

#include "leak_memory.h"
#include "leak_summary.h"
#include "set.h"

/* The groups while they are being found: a prefix tree of steps (an edge and
 * what it leads to). Zero it, set `memory`. [0] is the root. */
#define VIGIL__LEAK_PERIOD 16u  /* Longest run of steps that may repeat. */

struct vigil__leak_step {
  uint32_t parent;
  uint32_t edge;                /* Offset of the name. */
  uint32_t class;               /* Offset. */
  uint8_t edge_type;
  uint8_t type;
  bool system;                  /* What comes after it is V8's. */
};

struct vigil__leak_entry {
  struct vigil__leak_step step;
  uint16_t children;
  uint16_t flags;
  uint32_t same;                /* The group it stands for; itself: none. */
  uint32_t count;
  uint64_t shallow;
  uint64_t retained;
  uint64_t through;
};

struct vigil__leak_trie {
  struct vigil__leak_memory* memory;
  struct vigil__leak_entry* entry;
  uint32_t count;
  uint32_t size;
  struct vigil__set steps;
};

/* The group that `step` leads to, found or made; the first one is the root.
 * When its parent has no room for it: the parent's group for any other. When
 * there is none at all: VIGIL__LEAK_NO_GROUP. `error` is 0, -ENOMEM, -EFBIG. */
#define VIGIL__LEAK_NO_GROUP UINT32_MAX
uint32_t vigil__leak_trie_step(struct vigil__leak_trie* t,
                               const struct vigil__leak_step* step,
                               int* error);
/* leak_summary.c: the groups with most bytes as a summary. 0, -ENOMEM,
 * -EFBIG. */
int vigil__leak_summary_make(struct vigil__leak_summary* s,
                             const struct vigil__leak_graph* g,
                             const struct vigil__leak_trie* t,
                             uint32_t most);
void vigil__leak_trie_free(struct vigil__leak_trie* t);

#endif  /* VIGIL_LEAK_TRIE_H_ */
