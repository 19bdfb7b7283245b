/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_PROCFS_H_
#define VIGIL_PROCFS_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The kernel's text files. Any thread, no allocation. */

/* Opens `root` + `path` ("" for the real ones). The fd, or -errno. */
int vigil__procfs_open(const char* root, const char* path);

/* Reads from the beginning, with one call: these files come whole. What does
 * not fit is cut. Terminates; the length, or -errno. */
ssize_t vigil__procfs_read(int fd, char* buf, size_t size);

/* A decimal number after blanks; moves `at` behind it. One that is too large
 * becomes UINT64_MAX. False when there is none. */
bool vigil__procfs_u64(const char** at, uint64_t* value);

/* The number in the line "<key> 123" or "<key>:<blanks>123". */
bool vigil__procfs_key(const char* text, const char* key, uint64_t* value);

/* What this system does not tell. Says each thing once. Zero it, set `say`
 * (may be NULL); one thread. */
struct vigil__missing {
  void (*say)(void* arg, const char* what, int error);  /* -errno, or 0 */
  void* arg;
  unsigned said;                /* Bits of vigil__missing_kind. */
};

enum vigil__missing_kind {
  VIGIL__MISSING_SCHEDSTAT = 1 << 0,
  VIGIL__MISSING_STAT = 1 << 1,
  VIGIL__MISSING_SYSCALL = 1 << 2,
  VIGIL__MISSING_WCHAN = 1 << 3,
  VIGIL__MISSING_STATUS = 1 << 4,
  VIGIL__MISSING_CPU_CGROUP = 1 << 5,
  VIGIL__MISSING_MEMORY_CGROUP = 1 << 6
};

/* `m` may be NULL. */
void vigil__missing_say(struct vigil__missing* m,
                        enum vigil__missing_kind kind,
                        const char* what,
                        int error);

#endif  /* VIGIL_PROCFS_H_ */
