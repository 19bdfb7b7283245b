/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "report.h"

#include "hist.h"
#include "loop.h"
#include "os.h"
#include "report_loops.h"
#include "watch.h"

#include <stdatomic.h>

/* A bucket whose count and sum belong together: the writer counts `seq` up
 * around each record (loop.h). That takes it some ns; should it be preempted
 * right there, or poll faster than we read, they may be one record apart. */
static struct vigil__hist_pair read_cell(const struct vigil__loop* l,
                                         const struct vigil__hist_cell* c) {
  struct vigil__hist_pair pair;
  uint64_t seq;
  int tries = 64;

  do {
    /* Pairs with the releasing store that ends vigil__loop_poll_enter()... */
    seq = atomic_load_explicit(&l->seq, memory_order_acquire);
    pair.count = vigil__load(&c->count);
    pair.sum = vigil__load(&c->sum);
    /* ...and this with its fence: see vigil__loop_read(). */
    atomic_thread_fence(memory_order_acquire);
  } while (((seq & 1) != 0 || vigil__load(&l->seq) != seq) && --tries != 0);
  return pair;
}

static void put_hist(struct vigil__json* j,
                     const char* key,
                     const struct vigil__loop* l,
                     const struct vigil__hist* h) {
  struct vigil__hist_pair pair;
  unsigned i;

  vigil__json_array(j, key);
  for (i = 0; i < VIGIL__HIST_SIZE; i++) {
    pair = read_cell(l, &h->cell[i]);
    if (pair.count == 0)
      continue;
    vigil__json_object(j, NULL);
    vigil__json_uint(j, "lowerNs", vigil__hist_lower(i));
    vigil__json_uint(j, "count", pair.count);
    vigil__json_uint(j, "sumNs", pair.sum);
    vigil__json_end(j);
  }
  vigil__json_end(j);
}

static void put_hists(struct vigil__json* j,
                      const struct vigil__thread* t,
                      uint64_t arg) {
  const struct vigil__loop* l = t->loop;
  const vigil__mono_t since = vigil__load(&l->first_poll);
  const vigil__mono_t now = vigil__os.mono();

  (void) arg;
  vigil__json_ms(j, "observedMs", since != 0 && now > since ? now - since : 0);
  put_hist(j, "busy", l, &l->busy);
  put_hist(j, "self", l, &l->self);
}

void vigil__report_histogram(struct vigil__json* j) {
  vigil__json_object(j, NULL);
  vigil__json_bool(j, "off", !vigil__on());
  vigil__json_object(j, "scheme");
  vigil__json_uint(j, "linearWidthNs", vigil__hist_lower(1));
  vigil__json_uint(j, "linearBelowNs", UINT64_C(1) << VIGIL__HIST_MIN_BITS);
  vigil__json_uint(j, "bucketsPerOctave", VIGIL__HIST_SUB);
  vigil__json_uint(j, "lastLowerNs", vigil__hist_lower(VIGIL__HIST_SIZE - 1));
  vigil__json_end(j);
  vigil__report_loops(j, false, put_hists, 0);
  vigil__json_end(j);
}
