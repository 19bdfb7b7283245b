/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LEAK_MEMORY_H_
#define VIGIL_LEAK_MEMORY_H_

#include <stddef.h>

/* What one analysis of a heap snapshot may allocate, in bytes. Set `limit`,
 * zero the rest. One thread. */
struct vigil__leak_memory {
  size_t limit;
  size_t used;
  size_t peak;
  int error;                    /* Of the last vigil__leak_resize(). */
};

/* Makes the block at `p`, which has `from` bytes (0: NULL), one of `to`, and
 * returns it. `error`: 0; -EFBIG over the limit, -ENOMEM: it is as it was.
 * Never fails when it shrinks. New bytes are not set. */
void* vigil__leak_resize(struct vigil__leak_memory* m, void* p, size_t from,
                         size_t to);

/* NULL is nothing to free. */
void vigil__leak_release(struct vigil__leak_memory* m, void* p, size_t size);

/* Arrays: `a` is the variable, counts are of its elements. The first one gives
 * the error. */
#define VIGIL__LEAK_RESIZE(m, a, from, to)                                    \
  ((a) = vigil__leak_resize((m), (a), (size_t) (from) * sizeof(*(a)),         \
                            (size_t) (to) * sizeof(*(a))), (m)->error)
#define VIGIL__LEAK_RELEASE(m, a, count)                                      \
  (vigil__leak_release((m), (a), (size_t) (count) * sizeof(*(a))),            \
   (a) = NULL)

#endif  /* VIGIL_LEAK_MEMORY_H_ */
