/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "set.h"

#include "os.h"

#include <errno.h>
#include <stdlib.h>  /* free */
#include <string.h>

#define SIZE_MIN 64u

uint32_t vigil__set_need(const struct vigil__set* s, uint32_t more) {
  const uint64_t count = (uint64_t) s->count + more;
  uint64_t size = s->size == 0 ? SIZE_MIN : s->size;

  while (count > size / 4 * 3)
    size *= 2;
  return size > UINT32_MAX ? UINT32_MAX : (uint32_t) size;
}

static uint32_t* free_slot(uint32_t* slot, uint32_t size, uint32_t hash) {
  uint32_t i = hash & (size - 1);

  while (slot[i] != 0)
    i = (i + 1) & (size - 1);
  return &slot[i];
}

int vigil__set_reserve(struct vigil__set* s,
                       uint32_t more,
                       const struct vigil__set_type* type,
                       const void* owner) {
  const uint32_t size = vigil__set_need(s, more);
  uint32_t* slot;
  uint32_t i;

  if (size == s->size)
    return 0;
  if (size == UINT32_MAX)
    return -ENOMEM;
  slot = vigil__os.realloc(NULL, size * sizeof(*slot));
  if (slot == NULL)
    return -ENOMEM;
  memset(slot, 0, size * sizeof(*slot));
  for (i = 0; i < s->size; i++)
    if (s->slot[i] != 0)
      *free_slot(slot, size, type->hash(owner, s->slot[i] - 1)) = s->slot[i];
  free(s->slot);
  s->slot = slot;
  s->size = size;
  return 0;
}

uint32_t* vigil__set_find(const struct vigil__set* s,
                          uint32_t hash,
                          const struct vigil__set_type* type,
                          const void* owner,
                          const void* key) {
  uint32_t i = hash & (s->size - 1);

  while (s->slot[i] != 0 && !type->equal(owner, s->slot[i] - 1, key))
    i = (i + 1) & (s->size - 1);
  return &s->slot[i];
}

void vigil__set_put(struct vigil__set* s, uint32_t* slot, uint32_t value) {
  *slot = value + 1;
  s->count++;
}

void vigil__set_free(struct vigil__set* s) {
  free(s->slot);
  *s = (struct vigil__set) { .slot = NULL };
}
