/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_TOTALS_H_
#define VIGIL_TOTALS_H_

#include <stdint.h>

/* What became of requests (http.h)... */
struct vigil__http_totals {
  uint64_t ok;                  /* Answered as the handler wanted... */
  uint64_t refused;             /* ...or with 404 or 405. */
  uint64_t malformed;           /* Not HTTP... */
  uint64_t too_large;           /* ...or more than is allowed: closed. */
  uint64_t failed;              /* The handler could not. */
};

/* ...and of connections (serve.h). */
struct vigil__serve_totals {
  uint64_t accepted;
  uint64_t evicted;             /* Idle ones that made room... */
  uint64_t rejected;            /* ...and new ones when none was idle. */
  uint64_t slow;                /* Dropped: too slow. */
  uint64_t failed;              /* No memory, or an error of accept(). */
};

#endif  /* VIGIL_TOTALS_H_ */
