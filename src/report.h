/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_REPORT_H_
#define VIGIL_REPORT_H_

#include "config.h"
#include "json.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What this process knows about itself, as JSON: for node:vigil, and for
 * whoever else tells it. docs/api.md describes every member.
 *
 * Each of these writes one whole value; the caller zeroes `j`, sets its limit
 * (200 loops can take some MB) and calls vigil__json_finish(). Any thread, but
 * not one that holds vigil__threads_lock(), which they take. With VIGIL=off
 * the value says so and has the same shape. */

/* Once, before the others; `config` must live on. */
void vigil__report_init(const struct vigil__config* config);

/* Has windows be kept from now on: the watch thread does that, and a process
 * that does not serve has not started it. Captures nothing. */
void vigil__report_measure(void);

/* Whether and how this process is watched. */
void vigil__report_status(struct vigil__json* j);

/* Lag of each loop over its last `window_ns`, as of the last tick of the watch
 * thread. The window is empty until that has ticked twice. */
void vigil__report_lag(struct vigil__json* j, uint64_t window_ns);

/* All that is known now. */
void vigil__report_snapshot(struct vigil__json* j);

/* The histograms of each loop since its first poll: count and sum by bucket.
 * Buckets of several processes, or of one at two times, add and subtract. */
void vigil__report_histogram(struct vigil__json* j);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_REPORT_H_ */
