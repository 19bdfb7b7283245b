/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SET_H_
#define VIGIL_SET_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of numbers (below UINT32_MAX) that stand for things kept elsewhere: it
 * finds a thing by its content with 4 bytes a slot, at most 3/4 of them used.
 * Zero it. Any one thread. */
struct vigil__set {
  uint32_t* slot;               /* The number + 1; 0: free. */
  uint32_t size;                /* A power of two, or 0. */
  uint32_t count;
};

/* How the owner hashes the thing `value`, and whether it is `key`. */
struct vigil__set_type {
  uint32_t (*hash)(const void* owner, uint32_t value);
  bool (*equal)(const void* owner, uint32_t value, const void* key);
};

/* Slots that room for `more` values takes. */
uint32_t vigil__set_need(const struct vigil__set* s, uint32_t more);

/* Makes that room: 0, or -ENOMEM and nothing has changed. */
int vigil__set_reserve(struct vigil__set* s,
                       uint32_t more,
                       const struct vigil__set_type* type,
                       const void* owner);

/* The slot of `key`, with 0 in it when it is not there: then the caller may
 * vigil__set_put() it. Room for one more must be reserved. */
uint32_t* vigil__set_find(const struct vigil__set* s,
                          uint32_t hash,
                          const struct vigil__set_type* type,
                          const void* owner,
                          const void* key);
void vigil__set_put(struct vigil__set* s, uint32_t* slot, uint32_t value);

void vigil__set_free(struct vigil__set* s);

/* Spreads the bits of a number over all of it. */
static inline uint32_t vigil__set_mix(uint32_t h) {
  h = (h ^ h >> 16) * 0x85ebca6bu;
  h = (h ^ h >> 13) * 0xc2b2ae35u;
  return h ^ h >> 16;
}

#endif  /* VIGIL_SET_H_ */
