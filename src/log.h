/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LOG_H_
#define VIGIL_LOG_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIGIL__LOG_LINE 4096        /* PIPE_BUF: lines do not mix in a pipe. */
#define VIGIL__LOG_WAIT_MS 100      /* For a full pipe or a stopped terminal. */

/* Writes "vigil: <text>\n" to stderr with one write(2), as far as the kernel
 * takes it at once. Control characters are escaped, so that a line stays one
 * line; a longer one is shortened. Never blocks longer than
 * VIGIL__LOG_WAIT_MS: then the line is dropped and counted. Any thread, no
 * allocation. Not locale dependent as long as `format` has no %f, %g, %e. */
__attribute__((format(printf, 1, 2)))
void vigil__log(const char* format, ...);

/* Lines dropped so far, whole or in part. */
uint64_t vigil__log_dropped(void);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_LOG_H_ */
