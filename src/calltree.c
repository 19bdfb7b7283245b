/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "calltree.h"

#include "frames.h"
#include "os.h"

#include <errno.h>
#include <stdlib.h>  /* free */

#define SIZE_MIN 64u

static uint32_t hash(const struct vigil__calltree_node* n) {
  return vigil__set_mix(vigil__set_mix(n->parent) ^ n->frame);
}

static uint32_t node_hash(const void* owner, uint32_t i) {
  return hash(&((const struct vigil__calltree*) owner)->node[i]);
}

static bool node_equal(const void* owner, uint32_t i, const void* key) {
  const struct vigil__calltree_node* a =
      &((const struct vigil__calltree*) owner)->node[i];
  const struct vigil__calltree_node* b = key;

  return a->parent == b->parent && a->frame == b->frame;
}

static const struct vigil__set_type type = {
  .hash = node_hash, .equal = node_equal
};

/* Of the array of nodes, with the root. */
static uint32_t need(const struct vigil__calltree* t, uint32_t more) {
  const uint32_t count = (t->count == 0 ? 1 : t->count) + more;
  const uint32_t half_more = t->size == 0 ? SIZE_MIN : t->size + t->size / 2;

  if (count <= t->size)
    return t->size;
  return count > half_more ? count : half_more;
}

size_t vigil__calltree_bytes(const struct vigil__calltree* t) {
  return t->size * sizeof(*t->node) + t->children.size * sizeof(uint32_t);
}

size_t vigil__calltree_growth(const struct vigil__calltree* t, uint32_t more) {
  const uint32_t nodes = need(t, more);
  const uint32_t slots = vigil__set_need(&t->children, more);

  return (nodes == t->size ? 0 : nodes * sizeof(*t->node)) +
         (slots == t->children.size ? 0 : slots * sizeof(uint32_t));
}

int vigil__calltree_reserve(struct vigil__calltree* t, uint32_t more) {
  const uint32_t size = need(t, more);
  struct vigil__calltree_node* node;

  if (vigil__set_reserve(&t->children, more, &type, t) != 0)
    return -ENOMEM;
  if (size != t->size) {
    node = vigil__os.realloc(t->node, size * sizeof(*node));
    if (node == NULL)
      return -ENOMEM;
    t->node = node;
    t->size = size;
  }
  if (t->count == 0)
    t->node[t->count++] = (struct vigil__calltree_node) {
      .frame = VIGIL__FRAME_ROOT
    };
  return 0;
}

uint32_t vigil__calltree_child(struct vigil__calltree* t,
                               uint32_t parent,
                               uint32_t frame) {
  const struct vigil__calltree_node n = { .parent = parent, .frame = frame };
  uint32_t* slot = vigil__set_find(&t->children, hash(&n), &type, t, &n);

  if (*slot == 0) {
    t->node[t->count] = n;
    vigil__set_put(&t->children, slot, t->count++);
  }
  return *slot - 1;
}

void vigil__calltree_seal(struct vigil__calltree* t) {
  struct vigil__calltree_node* node;

  vigil__set_free(&t->children);
  if (t->count == t->size)
    return;
  node = vigil__os.realloc(t->node, t->count * sizeof(*node));
  if (node != NULL) {
    t->node = node;
    t->size = t->count;
  }
}

void vigil__calltree_free(struct vigil__calltree* t) {
  vigil__set_free(&t->children);
  free(t->node);
  *t = (struct vigil__calltree) { .node = NULL };
}
