/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "pool.h"

#include "os.h"

#include <stdbool.h>
#include <stdlib.h>  /* free */

/* Longer queues are not stamped to their end: 1.5 MB each. */
#define STAMPS_MAX (64u * 1024)
#define STAMPS_MIN 64u

struct stamp {
  const void* work;             /* NULL: cancelled. */
  vigil__mono_t submitted;
  unsigned kind;
};

/* A ring of stamps in the order of libuv's queue; a power of two long. */
struct stamps {
  struct stamp* ring;
  unsigned size;
  unsigned head;
  unsigned count;
};

/* Under libuv's pool mutex. */
static struct stamps queue[2];  /* Slow I/O has a queue of its own. */

/* Written under the mutex but for `running` and `run`; read by anyone. */
static vigil__word_t queued;
static vigil__word_t queued_max;
static vigil__word_t oldest;
static vigil__word_t running;
static vigil__word_t cancelled;
static vigil__word_t unstamped;
static struct vigil__counts wait[VIGIL__WORK_KINDS];
static struct vigil__counts run[VIGIL__WORK_KINDS];

/* What this pool thread works on. */
static _Thread_local vigil__mono_t began;
static _Thread_local unsigned began_kind;

static struct stamp* at(struct stamps* q, unsigned i) {
  return &q->ring[(q->head + i) & (q->size - 1)];
}

static bool grow(struct stamps* q) {
  unsigned size = q->size == 0 ? STAMPS_MIN : 2 * q->size;
  struct stamp* ring;
  unsigned i;

  if (size > STAMPS_MAX)
    return false;
  ring = vigil__os.realloc(NULL, size * sizeof(*ring));
  if (ring == NULL)
    return false;
  for (i = 0; i < q->count; i++)
    ring[i] = *at(q, i);
  free(q->ring);
  q->ring = ring;
  q->size = size;
  q->head = 0;
  return true;
}

static void drop_head(struct stamps* q) {
  q->head = (q->head + 1) & (q->size - 1);
  q->count--;
}

/* Cancelled work leaves libuv's queue from the middle; here it waits until it
 * is the head. Also tells since when the longest waiting work waits. */
static void tidy(void) {
  vigil__mono_t first = 0;
  unsigned i;

  for (i = 0; i < 2; i++) {
    while (queue[i].count > 0 && at(&queue[i], 0)->work == NULL)
      drop_head(&queue[i]);
    if (queue[i].count > 0 &&
        (first == 0 || at(&queue[i], 0)->submitted < first))
      first = at(&queue[i], 0)->submitted;
  }
  vigil__store(&oldest, first);
}

void vigil__pool_submit(const void* work, unsigned kind, vigil__mono_t now) {
  struct stamps* q = &queue[kind == VIGIL__WORK_SLOW_IO];
  uint64_t length = vigil__load(&queued) + 1;

  vigil__store(&queued, length);
  if (length > vigil__load(&queued_max))
    vigil__store(&queued_max, length);
  if (q->count == q->size && !grow(q)) {
    vigil__add(&unstamped, 1);
    return;
  }
  *at(q, q->count++) = (struct stamp) { work, now, kind };
  if (vigil__load(&oldest) == 0)
    vigil__store(&oldest, now);
}

void vigil__pool_begin(const void* work,
                       unsigned kind_is_slow,
                       vigil__mono_t now) {
  struct stamps* q = &queue[kind_is_slow != 0];

  vigil__store(&queued, vigil__load(&queued) - 1);
  atomic_fetch_add_explicit(&running, 1, memory_order_relaxed);
  began = now;
  began_kind = kind_is_slow ? VIGIL__WORK_SLOW_IO : VIGIL__WORK_KINDS;
  tidy();
  /* First in, first out: if it is not the head it has no stamp. */
  if (q->count > 0 && at(q, 0)->work == work) {
    began_kind = at(q, 0)->kind;
    vigil__counts_record(&wait[began_kind],
                         now > at(q, 0)->submitted ? now - at(q, 0)->submitted
                                                   : 0);
    drop_head(q);
    tidy();
  }
}

void vigil__pool_cancel(const void* work) {
  unsigned i;
  unsigned k;

  vigil__store(&queued, vigil__load(&queued) - 1);
  vigil__add(&cancelled, 1);
  for (i = 0; i < 2; i++) {
    for (k = 0; k < queue[i].count; k++) {
      if (at(&queue[i], k)->work == work) {
        at(&queue[i], k)->work = NULL;
        tidy();
        return;
      }
    }
  }
}

void vigil__pool_end(vigil__mono_t now) {
  atomic_fetch_sub_explicit(&running, 1, memory_order_relaxed);
  if (began_kind < VIGIL__WORK_KINDS)
    vigil__counts_record_shared(&run[began_kind], now > began ? now - began
                                                              : 0);
}

void vigil__pool_read(struct vigil__pool_copy* copy) {
  int i;

  copy->queued = vigil__load(&queued);
  copy->queued_max = vigil__load(&queued_max);
  copy->oldest = vigil__load(&oldest);
  copy->running = vigil__load(&running);
  copy->cancelled = vigil__load(&cancelled);
  copy->unstamped = vigil__load(&unstamped);
  for (i = 0; i < VIGIL__WORK_KINDS; i++) {
    vigil__counts_read(&wait[i], &copy->wait[i]);
    vigil__counts_read(&run[i], &copy->run[i]);
  }
}

const char* vigil__pool_name(enum vigil__work_kind kind) {
  static const char* const names[VIGIL__WORK_KINDS] = {
    "cpu", "fast-io", "slow-io"
  };

  return names[kind];
}
