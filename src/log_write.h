/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LOG_WRITE_H_
#define VIGIL_LOG_WRITE_H_

#include <stddef.h>

/* How a line gets out. Any thread; 0 or -errno. */

/* To a descriptor: never waits longer than VIGIL__LOG_WAIT_MS for it. */
int vigil__log_write(int fd, const char* line, size_t len);

/* To the end of a file, which is opened for it: so a file that was rotated is
 * followed, and the program never has a descriptor of ours. Mode 0600 if it is
 * new. Lines of several processes do not mix. `len` 0: only tries to open. */
int vigil__log_append(const char* path, const char* line, size_t len);

#endif  /* VIGIL_LOG_WRITE_H_ */
