/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_ROOM_H_
#define VIGIL_ROOM_H_

#include "cgroup.h"

#include <stdint.h>

/* Whether there is memory for a heap snapshot. It takes a multiple of the heap:
 * the snapshot itself, and each page that either process writes meanwhile. */

struct vigil__room {
  uint64_t bytes;               /* What may be taken; UINT64_MAX: unknown. */
  const char* of;               /* Whose it is, for people. */
};

/* The least of what the control groups leave, up to the root, and what the
 * machine has, less a reserve: whoever allocates next shall not be the one that
 * the kernel takes. `root` is "" but in tests. Any one thread. */
void vigil__room_read(struct vigil__room* room,
                      const struct vigil__cgroup* c,
                      const char* root);

/* Bytes that a snapshot may need, by what those before it took. */
#define VIGIL__ROOM_FIRST_PERMILLE 2000
struct vigil__room_learnt {
  uint64_t permille;            /* Of the heap; 0: none yet. */
};
uint64_t vigil__room_need(const struct vigil__room_learnt* l, uint64_t heap);

/* One of a heap of `heap` bytes took `own` bytes. */
void vigil__room_learn(struct vigil__room_learnt* l,
                       uint64_t heap,
                       uint64_t own);

/* For one of a heap of `heap` bytes `had` bytes were not enough. */
void vigil__room_too_little(struct vigil__room_learnt* l,
                            uint64_t heap,
                            uint64_t had);

#endif  /* VIGIL_ROOM_H_ */
