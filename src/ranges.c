/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* A treap: a search tree by address that is a heap by priority. The priority
 * is a hash of the node's number, so it takes no memory, and the tree is as
 * balanced as one built in random order. */

#include "ranges.h"

#include "os.h"
#include "set.h"

#include <errno.h>
#include <stdlib.h>  /* free */

/* Set in `size`: found since the hand passed. */
#define FOUND (UINT32_C(1) << 31)

struct vigil__ranges_node {
  uint64_t start;
  uint32_t size;                /* 0: given back. */
  uint32_t value;
  uint32_t left;
  uint32_t right;
};

static uint64_t end_of(const struct vigil__ranges_node* n) {
  return n->start + (n->size & ~FOUND);
}

static bool above(uint32_t a, uint32_t b) {
  return vigil__set_mix(a) > vigil__set_mix(b);
}

void vigil__ranges_free(struct vigil__ranges* r) {
  free(r->node);
  *r = (struct vigil__ranges) { .most = r->most };
}

/* The link to the last range that starts below `address`, or NULL. */
static uint32_t* last_below(struct vigil__ranges* r, uint64_t address) {
  uint32_t* link = &r->root;
  uint32_t* best = NULL;

  while (*link != 0) {
    struct vigil__ranges_node* n = &r->node[*link];

    if (n->start < address) {
      best = link;
      link = &n->right;
    } else {
      link = &n->left;
    }
  }
  return best;
}

/* Takes the node out of the tree: its two subtrees take its place. */
static uint32_t take(struct vigil__ranges* r, uint32_t* link) {
  const uint32_t taken = *link;
  uint32_t a = r->node[taken].left;
  uint32_t b = r->node[taken].right;

  while (a != 0 && b != 0) {
    if (above(a, b)) {
      *link = a;
      link = &r->node[a].right;
      a = *link;
    } else {
      *link = b;
      link = &r->node[b].left;
      b = *link;
    }
  }
  *link = a != 0 ? a : b;
  r->count--;
  return taken;
}

/* Puts it in at its height; what is below is split into its two subtrees. */
static void put(struct vigil__ranges* r, uint32_t n) {
  const uint64_t start = r->node[n].start;
  uint32_t* link = &r->root;
  uint32_t* left = &r->node[n].left;
  uint32_t* right = &r->node[n].right;
  uint32_t t;

  while (*link != 0 && above(*link, n))
    link = start < r->node[*link].start ? &r->node[*link].left
                                        : &r->node[*link].right;
  t = *link;
  *link = n;
  while (t != 0) {
    if (r->node[t].start < start) {
      *left = t;
      left = &r->node[t].right;
      t = *left;
    } else {
      *right = t;
      right = &r->node[t].left;
      t = *right;
    }
  }
  *left = 0;
  *right = 0;
  r->count++;
}

static void give_back(struct vigil__ranges* r, uint32_t n) {
  r->node[n].size = 0;
  r->node[n].left = r->free;
  r->free = n;
}

static void clear(struct vigil__ranges* r, uint64_t start, uint64_t end) {
  uint32_t* link;

  while ((link = last_below(r, end)) != NULL &&
         end_of(&r->node[*link]) > start)
    give_back(r, take(r, link));
}

/* Gives back one that was not found since the hand passed it last: all are
 * live here, so two rounds are enough. */
static void evict(struct vigil__ranges* r) {
  struct vigil__ranges_node* n;

  for (;;) {
    r->hand = r->hand + 1 < r->used ? r->hand + 1 : 1;
    n = &r->node[r->hand];
    if ((n->size & FOUND) == 0)
      break;
    n->size &= ~FOUND;
  }
  give_back(r, take(r, last_below(r, n->start + 1)));
  r->evicted++;
}

/* A node that is not in the tree, or 0. */
static uint32_t get(struct vigil__ranges* r) {
  struct vigil__ranges_node* node;
  uint32_t size;
  uint32_t n;

  if (r->free == 0 && r->count != 0 && r->count >= r->most)
    evict(r);
  if (r->free != 0) {
    n = r->free;
    r->free = r->node[n].left;
    return n;
  }
  if (r->used == r->size) {
    size = r->size == 0 ? 128 : r->size + r->size / 2;
    size = size > r->most + 1 ? r->most + 1 : size;
    node = vigil__os.realloc(r->node, size * sizeof(*node));
    if (node == NULL)
      return 0;
    r->node = node;
    r->size = size;
    if (r->used == 0)
      r->used = 1;
  }
  return r->used++;
}

static bool valid(uint64_t start, uint64_t size) {
  return size != 0 && size < FOUND && start <= UINT64_MAX - size;
}

int vigil__ranges_add(struct vigil__ranges* r,
                      uint64_t start,
                      uint64_t size,
                      uint32_t value) {
  uint32_t n;

  if (!valid(start, size))
    return -EINVAL;
  clear(r, start, start + size);
  n = get(r);
  if (n == 0)
    return -ENOMEM;
  r->node[n].start = start;
  r->node[n].size = (uint32_t) size;
  r->node[n].value = value;
  put(r, n);
  return 0;
}

int vigil__ranges_move(struct vigil__ranges* r,
                       uint64_t from,
                       uint64_t to,
                       uint64_t size) {
  uint32_t* link = from == UINT64_MAX ? NULL : last_below(r, from + 1);
  uint32_t n;

  if (link == NULL || r->node[*link].start != from)
    return -ENOENT;
  if (size == 0)
    size = r->node[*link].size & ~FOUND;
  if (!valid(to, size))
    return -EINVAL;
  n = take(r, link);
  clear(r, to, to + size);
  r->node[n].start = to;
  r->node[n].size = (uint32_t) size | (r->node[n].size & FOUND);
  put(r, n);
  return 0;
}

int vigil__ranges_find(struct vigil__ranges* r,
                       uint64_t address,
                       struct vigil__range* found) {
  uint32_t* link = address == UINT64_MAX ? NULL : last_below(r, address + 1);
  struct vigil__ranges_node* n;

  if (link == NULL)
    return -ENOENT;
  n = &r->node[*link];
  if (address >= end_of(n))
    return -ENOENT;
  *found = (struct vigil__range) {
    .start = n->start,
    .size = n->size & ~FOUND,
    .value = n->value
  };
  n->size |= FOUND;
  return 0;
}

size_t vigil__ranges_bytes(const struct vigil__ranges* r) {
  return r->size * sizeof(*r->node);
}
