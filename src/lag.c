/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "lag.h"

#include <math.h>    /* sqrt */
#include <string.h>  /* memset */

/* S and N: sum and count of the periods of a bucket and of all above it. */
struct tail {
  double sum;
  double count;
};

/* sum(max(0, d - x)) for x in a bucket: `above` are the periods of longer
 * buckets, `p` those of this one, taken at their mean. */
static double excess(struct tail above,
                     const struct vigil__hist_pair* p,
                     double x) {
  double total = above.sum - x * above.count;
  double own = (double) p->sum - x * (double) p->count;

  return own > 0 ? total + own : total;
}

/* The x in a bucket with excess(x) == target: the excess falls with slope
 * N(bucket and above) up to the mean of the bucket, then with N(above). */
static double solve(struct tail above,
                    const struct vigil__hist_pair* p,
                    double target) {
  const double count = (double) p->count;
  double x;

  if (p->count == 0)
    return (above.sum - target) / above.count;
  x = (above.sum + (double) p->sum - target) / (above.count + count);
  if (x * count <= (double) p->sum || above.count == 0)
    return x;
  return (above.sum - target) / above.count;
}

static uint64_t longest(const struct vigil__hist_pair* p, unsigned index) {
  const uint64_t others = (p->count - 1) * vigil__hist_lower(index);
  const uint64_t last = vigil__hist_upper(index) - 1;
  const uint64_t rest = p->sum > others ? p->sum - others : 0;

  return rest < last ? rest : last;
}

void vigil__lag_compute(const struct vigil__hist_copy* c,
                        uint64_t window_ns,
                        struct vigil__lag* lag) {
  uint64_t* const result[] = {
    &lag->p999_ns, &lag->p99_ns, &lag->p90_ns, &lag->p50_ns
  };
  static const double share[] = { 0.001, 0.01, 0.1, 0.5 };
  const size_t wanted = sizeof(share) / sizeof(share[0]);
  const double window = (double) window_ns;
  struct tail above = { 0, 0 };
  struct tail here;
  double squares = 0;
  double cubes = 0;
  double variance;
  size_t found = 0;
  unsigned i;

  memset(lag, 0, sizeof(*lag));
  if (window_ns == 0)
    return;
  lag->window_ns = window_ns;

  /* From the longest bucket down, so the percentiles come highest first: each
   * lies in the first bucket whose lower edge has more excess than allowed. */
  for (i = VIGIL__HIST_SIZE; i-- > 0; above = here) {
    const struct vigil__hist_pair* p = &c->cell[i];

    here = above;
    if (p->count != 0) {
      if (lag->periods == 0)
        lag->max_ns = longest(p, i);
      lag->periods += p->count;
      lag->busy_ns += p->sum;
      here.sum += (double) p->sum;
      here.count += (double) p->count;
      squares += (double) p->sum * (double) p->sum / (double) p->count;
      cubes += (double) p->sum * (double) p->sum / (double) p->count *
               (double) p->sum / (double) p->count;
    }
    while (found < wanted &&
           here.sum - (double) vigil__hist_lower(i) * here.count >
               share[found] * window) {
      *result[found] =
          (uint64_t) (solve(above, p, share[found] * window) + 0.5);
      found++;
    }
  }
  lag->mean_ns = (uint64_t) (squares / (2 * window) + 0.5);
  variance = cubes / (3 * window) -
             squares / (2 * window) * squares / (2 * window);
  lag->stddev_ns = (uint64_t) (variance > 0 ? sqrt(variance) + 0.5 : 0);
}

double vigil__lag_exceed(const struct vigil__hist_copy* c,
                         uint64_t window_ns,
                         uint64_t x_ns) {
  const unsigned at = vigil__hist_index(x_ns);
  struct tail above = { 0, 0 };
  double share;
  unsigned i;

  if (window_ns == 0)
    return 0;
  for (i = VIGIL__HIST_SIZE - 1; i > at; i--) {
    above.sum += (double) c->cell[i].sum;
    above.count += (double) c->cell[i].count;
  }
  share = excess(above, &c->cell[at], (double) x_ns) / (double) window_ns;
  return share > 1 ? 1 : share;
}
