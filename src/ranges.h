/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_RANGES_H_
#define VIGIL_RANGES_H_

#include <stddef.h>
#include <stdint.h>

/* Which number belongs to an address: ranges that never overlap, found, added,
 * moved and removed in O(log n). 24 bytes a range and up to half as much in
 * reserve; a tree of pointers would take more than twice that. One thread.
 *
 * V8 does not say when code dies, so dead ranges stay until new code covers
 * them. When there are `most`, one that was not found lately gives way. */
struct vigil__range {
  uint64_t start;
  uint32_t size;
  uint32_t value;
};

struct vigil__ranges_node;

/* Zero it, set `most` (below 2^31). */
struct vigil__ranges {
  struct vigil__ranges_node* node;  /* [0] stands for none. */
  uint32_t most;
  uint32_t used;                /* Nodes ever used, [0] included. */
  uint32_t size;                /* Nodes there is memory for. */
  uint32_t root;
  uint32_t free;                /* List of given back ones, by `left`. */
  uint32_t hand;                /* Where the search for old ones goes on. */
  uint32_t count;
  uint64_t evicted;
};

void vigil__ranges_free(struct vigil__ranges* r);

/* Adds [start, start + size) and removes what overlaps it. 0, -EINVAL (empty,
 * over 2 GB, or around the end of memory), or -ENOMEM: only what overlapped is
 * gone. */
int vigil__ranges_add(struct vigil__ranges* r,
                      uint64_t start,
                      uint64_t size,
                      uint32_t value);

/* Moves the range that starts at `from`, and removes what overlaps its new
 * place. `size` 0: as it was. 0, -EINVAL as above and nothing changed, or
 * -ENOENT: there is none. */
int vigil__ranges_move(struct vigil__ranges* r,
                       uint64_t from,
                       uint64_t to,
                       uint64_t size);

/* The range around `address`: 0 or -ENOENT. */
int vigil__ranges_find(struct vigil__ranges* r,
                       uint64_t address,
                       struct vigil__range* found);

size_t vigil__ranges_bytes(const struct vigil__ranges* r);

#endif  /* VIGIL_RANGES_H_ */
