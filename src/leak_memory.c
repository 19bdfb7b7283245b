/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak_memory.h"

#include "os.h"

#include <errno.h>
#include <stdlib.h>  /* free */

void* vigil__leak_resize(struct vigil__leak_memory* m, void* p, size_t from,
                         size_t to) {
  void* q;

  m->error = 0;
  if (to > from && to - from > m->limit - m->used) {
    m->error = -EFBIG;
    return p;
  }
  q = vigil__os.realloc(p, to == 0 ? 1 : to);
  if (q == NULL && to > from) {
    m->error = -ENOMEM;
    return p;
  }
  m->used = m->used - from + to;
  if (m->used > m->peak)
    m->peak = m->used;
  return q == NULL ? p : q;
}

void vigil__leak_release(struct vigil__leak_memory* m, void* p, size_t size) {
  if (p == NULL)
    return;
  free(p);
  m->used -= size;
}
