/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CLOCK_H_
#define VIGIL_CLOCK_H_

#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIGIL__US UINT64_C(1000)        /* Nanoseconds in one microsecond. */
#define VIGIL__MS UINT64_C(1000000)     /* Nanoseconds in one millisecond. */
#define VIGIL__SEC UINT64_C(1000000000) /* Nanoseconds in one second. */

/* An instant on CLOCK_MONOTONIC in ns. Its own name, so that a reader sees at
 * once which clock and unit a variable holds. Lengths of time are plain
 * uint64_t whose names end in _ns. Zero is never a valid instant. */
typedef uint64_t vigil__mono_t;

/* Any thread. Does not fail on Linux: the vDSO serves it without a syscall. */
static inline vigil__mono_t vigil__mono_now(void) {
  struct timespec ts;

  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * VIGIL__SEC + (uint64_t) ts.tv_nsec;
}

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_CLOCK_H_ */
