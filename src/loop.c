/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "loop.h"

#include "os.h"

#include <errno.h>
#include <stdlib.h>  /* aligned_alloc, free */
#include <string.h>  /* memset */

/* The first try takes a few us, the others some hundred ns; one succeeds when
 * no period ends meanwhile. If none does the writer polls faster than a system
 * call takes, or was preempted midway, and waiting longer would not help. */
#define TRIES 256

struct vigil__loop* vigil__loop_new(vigil__mono_t now) {
  struct vigil__loop* l =
      aligned_alloc(_Alignof(struct vigil__loop), sizeof(*l));

  if (l == NULL)
    return NULL;
  memset(l, 0, sizeof(*l));
  l->born = now;
  vigil__store(&l->mark, VIGIL__LOOP_NO_MARK);
  vigil__store(&l->straddle_seq, VIGIL__LOOP_NO_MARK);
  return l;
}

void vigil__loop_free(struct vigil__loop* l) {
  free(l);
}

/* What the last read left open has ended by now. Must be asked before `mark`
 * moves on: until then nobody writes `straddle` again, and it needs no lock.
 *
 * One race is left: the writer loaded `mark` in the nanoseconds before our
 * store of it got there, and so left no straddle. Its stamp of the end is older
 * still, and we took `last_now` after the store (see vigil__loop_read()), so
 * the period had ended by then, and was what it seemed to be. */
static void settle(struct vigil__loop* l, struct vigil__loop_copy* c) {
  uint64_t packed;

  c->ended = true;
  c->ended_ns = c->last_now - c->last_start;
  c->ended_self = c->last_self;
  if (vigil__load(&l->straddle_seq) != vigil__load(&l->mark))
    return;
  packed = vigil__load(&l->straddle);
  c->ended_ns = packed >> 1;
  c->ended_self = packed & 1;
}

/* Takes the buckets again that changed between `from` and `to`. The log must
 * not have gone round since `from`. */
static void copy_changed(const struct vigil__loop* l,
                         struct vigil__loop_copy* c,
                         uint64_t from,
                         uint64_t to) {
  uint64_t packed;
  unsigned index;

  for (; from != to; from += 2) {
    packed = vigil__load(&l->log[from / 2 % VIGIL__LOOP_LOG]);
    index = vigil__hist_index(packed >> 1);
    vigil__hist_copy_cell(&l->busy, &c->busy, index);
    if (packed & 1)
      vigil__hist_copy_cell(&l->self, &c->self, index);
  }
}

int vigil__loop_read(struct vigil__loop* l, struct vigil__loop_copy* c) {
  /* The buckets are right but for periods since `at`. */
  const bool before = c->whole;
  const uint64_t from = c->seq;
  bool whole = before;
  uint64_t at = from;
  uint64_t seq;
  uint64_t end;
  int tries;

  if (c->done) {
    c->last_now = c->now;
    c->last_start = c->busy_start;
    c->last_self = c->self_open;
    c->ended = c->ended_self = c->done = false;
    c->ended_ns = 0;
  }
  c->whole = false;

  for (tries = 0; tries < TRIES; tries++) {
    /* Acquire pairs with the releasing store at the end of
     * vigil__loop_poll_enter(): what that period wrote is seen below. */
    seq = atomic_load_explicit(&l->seq, memory_order_acquire);
    if (seq & 1)
      continue;
    if (c->last_start != 0 && !c->ended && seq != vigil__load(&l->mark))
      settle(l, c);
    if (whole && seq - at <= 2 * VIGIL__LOOP_LOG) {
      copy_changed(l, c, at, seq);
    } else {
      vigil__hist_copy_all(&l->busy, &c->busy);
      vigil__hist_copy_all(&l->self, &c->self);
      whole = true;
      at = seq;
    }
    c->polls = vigil__load(&l->polls);
    c->events = vigil__load(&l->events);
    c->longest_ns = vigil__load(&l->longest_ns);
    c->self_ns = vigil__load(&l->self_ns);
    c->startup_ns = vigil__load(&l->startup_ns);

    /* Mark, then the time, then the start, each behind the one before: the
     * mark because of settle(), the start last because a period that begins
     * after `now` is not open then, and one that begins before must be seen.
     * The store needs a full fence to stay ahead of a load. */
    vigil__store(&l->mark, seq);
    atomic_thread_fence(memory_order_seq_cst);
    c->now = vigil__os.mono();
    c->busy_start = vigil__load(&l->busy_start);
    if (c->busy_start > c->now)
      c->busy_start = 0;
    c->self_open = c->busy_start != 0 && vigil__loop_is_self(l, c->busy_start, c->now);

    /* The fence keeps the loads above ahead of the last one, and pairs with
     * the one in vigil__loop_poll_enter(): had we read a word that a later
     * period wrote, we would see its odd `seq` too. */
    atomic_thread_fence(memory_order_acquire);
    end = vigil__load(&l->seq);
    if (end == seq) {
      c->done = c->whole = true;
      c->seq = seq;
      c->same = before && seq == from;
      return 0;
    }
    /* Else the log went round while copy_changed() read it, maybe. */
    if (end - at <= 2 * VIGIL__LOOP_LOG)
      at = seq;
  }
  return -EAGAIN;
}
