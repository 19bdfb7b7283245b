/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CALLTREE_H_
#define VIGIL_CALLTREE_H_

#include "set.h"

#include <stddef.h>
#include <stdint.h>

/* Stacks as a prefix tree: a stack is the number of its leaf. A node comes
 * after its parent; [0] is the root. Zero it. Any one thread.
 *
 * 8 bytes a node, about 10 more while it may still grow. */
struct vigil__calltree_node {
  uint32_t parent;
  uint32_t frame;
};

struct vigil__calltree {
  struct vigil__calltree_node* node;
  uint32_t count;
  uint32_t size;
  struct vigil__set children;   /* Nodes by parent and frame. */
};

/* Bytes held now, and what vigil__calltree_reserve() would allocate before it
 * gives the old ones back. */
size_t vigil__calltree_bytes(const struct vigil__calltree* t);
size_t vigil__calltree_growth(const struct vigil__calltree* t, uint32_t more);

/* Room for `more` nodes and the root: 0, or -ENOMEM and nothing is lost. */
int vigil__calltree_reserve(struct vigil__calltree* t, uint32_t more);

/* The child of `parent` for `frame`, made when there is none; room for it must
 * be reserved. */
uint32_t vigil__calltree_child(struct vigil__calltree* t,
                               uint32_t parent,
                               uint32_t frame);

/* Gives back what is not needed for reading. What is added later does not find
 * the nodes from before: it is right, but takes more. */
void vigil__calltree_seal(struct vigil__calltree* t);
void vigil__calltree_free(struct vigil__calltree* t);

#endif  /* VIGIL_CALLTREE_H_ */
