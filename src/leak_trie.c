/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak_trie.h"

#include "leak_groups.h"

#include <errno.h>

static uint32_t hash_of(const struct vigil__leak_step* s) {
  uint32_t h = vigil__set_mix(s->parent);

  h = vigil__set_mix(h ^ s->edge);
  h = vigil__set_mix(h ^ s->class);
  return vigil__set_mix(h ^ ((uint32_t) s->edge_type << 8 | s->type));
}

/* The same edge to the same class, wherever from. */
static bool alike(const struct vigil__leak_step* a,
                  const struct vigil__leak_step* b) {
  return a->edge == b->edge && a->class == b->class &&
         a->edge_type == b->edge_type && a->type == b->type;
}

static uint32_t entry_hash(const void* owner, uint32_t i) {
  return hash_of(&((const struct vigil__leak_trie*) owner)->entry[i].step);
}

static bool entry_equal(const void* owner, uint32_t i, const void* key) {
  const struct vigil__leak_step* a =
      &((const struct vigil__leak_trie*) owner)->entry[i].step;
  const struct vigil__leak_step* b = key;

  return a->parent == b->parent && alike(a, b);
}

static const struct vigil__set_type type = {
  .hash = entry_hash, .equal = entry_equal
};

static int reserve(struct vigil__leak_trie* t) {
  const uint32_t more = t->size == 0 ? 1024 : t->size * 2;
  const uint32_t slots = vigil__set_need(&t->steps, 1);
  const size_t extra = (size_t) (slots - t->steps.size) * sizeof(uint32_t);
  int e;

  if (t->count == t->size) {
    e = VIGIL__LEAK_RESIZE(t->memory, t->entry, t->size, more);
    if (e != 0)
      return e;
    t->size = more;
  }
  if (extra == 0)
    return 0;
  if (extra > t->memory->limit - t->memory->used)
    return -EFBIG;
  if (vigil__set_reserve(&t->steps, 1, &type, t) != 0)
    return -ENOMEM;
  t->memory->used += extra;
  if (t->memory->used > t->memory->peak)
    t->memory->peak = t->memory->used;
  return 0;
}

/* The group that the last steps, `step` being the very last, are a repetition
 * of; NO_GROUP: they are none. It and what lies between are marked. */
static uint32_t repeated(struct vigil__leak_trie* t,
                         const struct vigil__leak_step* step) {
  uint32_t path[2 * VIGIL__LEAK_PERIOD - 1];
  const struct vigil__leak_step* last;
  uint32_t len = 0;
  uint32_t at = step->parent;
  uint32_t period;
  uint32_t i;

  /* path[0] is the step before it, and so on. */
  for (; at != 0 && len < sizeof(path) / sizeof(path[0]);
       at = t->entry[at].step.parent)
    path[len++] = at;
  for (period = 1; 2 * period - 1 <= len; period++) {
    for (i = 0; i < period; i++) {
      last = i == 0 ? step : &t->entry[path[i - 1]].step;
      if (!alike(last, &t->entry[path[i + period - 1]].step))
        break;
    }
    if (i < period)
      continue;
    for (i = 0; i < period; i++)
      t->entry[path[i]].flags |= VIGIL__LEAK_LOOPED;
    return path[period - 1];
  }
  return VIGIL__LEAK_NO_GROUP;
}

static uint32_t add(struct vigil__leak_trie* t,
                    const struct vigil__leak_step* step, uint32_t* slot) {
  const uint32_t i = t->count;
  uint32_t same = repeated(t, step);
  struct vigil__leak_entry* parent = &t->entry[step->parent];
  uint16_t flags = parent->flags & VIGIL__LEAK_SYSTEM;

  if (step->system)
    flags |= VIGIL__LEAK_SYSTEM;
  if (step->edge_type == VIGIL__LEAK_EDGES)
    flags |= VIGIL__LEAK_ANY;
  same = same == VIGIL__LEAK_NO_GROUP ? i : same;
  parent->children++;
  t->entry[t->count++] = (struct vigil__leak_entry) {
    .step = *step, .same = same, .flags = flags
  };
  vigil__set_put(&t->steps, slot, i);
  return same;
}

uint32_t vigil__leak_trie_step(struct vigil__leak_trie* t,
                               const struct vigil__leak_step* step,
                               int* error) {
  struct vigil__leak_step any = {
    .parent = step->parent, .edge_type = VIGIL__LEAK_EDGES,
    .type = VIGIL__LEAK_OTHER
  };
  uint32_t* slot;

  *error = reserve(t);
  if (*error != 0)
    return VIGIL__LEAK_NO_GROUP;
  if (t->count == 0) {
    t->entry[t->count] = (struct vigil__leak_entry) { .step = *step };
    return t->count++;
  }
  slot = vigil__set_find(&t->steps, hash_of(step), &type, t, step);
  if (*slot != 0)
    return t->entry[*slot - 1].same;
  if (t->count >= VIGIL__LEAK_TRIE)
    return VIGIL__LEAK_NO_GROUP;
  if (t->entry[step->parent].children < VIGIL__LEAK_CHILDREN)
    return add(t, step, slot);
  slot = vigil__set_find(&t->steps, hash_of(&any), &type, t, &any);
  return *slot != 0 ? *slot - 1 : add(t, &any, slot);
}

void vigil__leak_trie_free(struct vigil__leak_trie* t) {
  t->memory->used -= t->steps.size * sizeof(uint32_t);
  vigil__set_free(&t->steps);
  VIGIL__LEAK_RELEASE(t->memory, t->entry, t->size);
}
