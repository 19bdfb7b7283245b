/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_REPORT_LOOPS_H_
#define VIGIL_REPORT_LOOPS_H_

#include "json.h"
#include "thread.h"

#include <stdbool.h>
#include <stdint.h>

/* Between the report*.c: member `loops`, an object for each loop in the order
 * of reports, who it is and then what `put` adds under the lock. What has ended
 * has a window and no record. */
void vigil__report_loops(struct vigil__json* j,
                         bool with_ended,
                         void (*put)(struct vigil__json* j,
                                     const struct vigil__thread* t,
                                     uint64_t arg),
                         uint64_t arg);

#endif  /* VIGIL_REPORT_LOOPS_H_ */
