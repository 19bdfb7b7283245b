/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "arrivals.h"

#define MS VIGIL__MS

/* Closer together around what people set as their limit. */
const uint64_t vigil__arrival_bounds[VIGIL__ARRIVAL_BOUNDS] = {
  1 * MS, 2 * MS, 5 * MS, 10 * MS, 15 * MS, 20 * MS, 30 * MS, 40 * MS, 50 * MS,
  75 * MS, 100 * MS, 150 * MS, 200 * MS, 300 * MS, 400 * MS, 500 * MS,
  750 * MS, 1000 * MS, 1500 * MS, 2500 * MS, 5000 * MS, 10000 * MS,
  20000 * MS, 30000 * MS, 60000 * MS
};

/* sum(max(0, d - x)) of the periods of one bucket, at their mean. */
static uint64_t excess_of(const struct vigil__hist_pair* p, uint64_t x) {
  return p->count != 0 && p->sum / p->count >= x ? p->sum - x * p->count : 0;
}

/* What is known while walking down from the longest bucket. */
struct walk {
  const struct vigil__hist_copy* busy;
  uint64_t open_ns;
  uint64_t sum;                 /* Of the periods from bucket `from` on... */
  uint64_t count;               /* ...and how many. */
  unsigned from;
};

/* The same of all periods; of no larger x than before. */
static uint64_t excess(struct walk* w, uint64_t x) {
  const unsigned at = vigil__hist_index(x);
  const uint64_t open = w->open_ns > x ? w->open_ns - x : 0;

  for (; w->from > at + 1; w->from--) {
    w->sum += w->busy->cell[w->from - 1].sum;
    w->count += w->busy->cell[w->from - 1].count;
  }
  return w->sum - x * w->count + excess_of(&w->busy->cell[at], x) + open;
}

static struct walk begin(const struct vigil__hist_copy* busy,
                         uint64_t open_ns) {
  return (struct walk) { busy, open_ns, 0, 0, VIGIL__HIST_SIZE };
}

static void raise(uint64_t* value, uint64_t to) {
  if (to > *value)
    *value = to;
}

void vigil__arrivals_update(struct vigil__arrivals* a,
                            const struct vigil__hist_copy* busy,
                            uint64_t open_ns,
                            uint64_t total_ns,
                            uint64_t limit_ns) {
  struct walk w = begin(busy, open_ns);
  double squares = (double) open_ns * (double) open_ns;
  uint64_t busy_ns = open_ns;
  uint64_t over;
  unsigned i;

  for (i = VIGIL__ARRIVAL_BOUNDS; i-- > 0;) {
    over = excess(&w, vigil__arrival_bounds[i]);
    raise(&a->at_most_ns[i], total_ns > over ? total_ns - over : 0);
  }
  for (i = 0; i < VIGIL__HIST_SIZE; i++) {
    const struct vigil__hist_pair* p = &busy->cell[i];

    if (p->count == 0)
      continue;
    busy_ns += p->sum;
    squares += (double) p->sum * (double) p->sum / (double) p->count;
  }
  w = begin(busy, open_ns);
  raise(&a->over_ns, excess(&w, limit_ns));
  raise(&a->total_ns, total_ns);
  raise(&a->busy_ns, busy_ns < a->total_ns ? busy_ns : a->total_ns);
  raise(&a->sum_ns, (uint64_t) (squares / 2 / (double) VIGIL__ARRIVAL_NS));
}
