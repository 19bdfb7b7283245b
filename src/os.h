/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_OS_H_
#define VIGIL_OS_H_

#include "clock.h"

#include <poll.h>      /* struct pollfd */
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>  /* struct stat, mode_t */
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every effect on the system that the module has goes through this table, so
 * that tests can fail the Nth one. Calls return their result or -errno; one
 * that a signal interrupted returns -EINTR. Change it only before other
 * threads run. */
struct vigil__os {
  vigil__mono_t (*mono)(void);
  uint64_t (*wall)(void);               /* Unix time in ns. */
  void* (*realloc)(void* p, size_t size);  /* Plain free() gives it back. */
  uid_t (*geteuid)(void);
  int (*openat)(int dir, const char* path, int flags, mode_t mode);
  int (*mkdirat)(int dir, const char* path, mode_t mode);
  int (*unlinkat)(int dir, const char* path, int flags);
  int (*renameat)(int dir, const char* from, const char* to);
  int (*fstat)(int fd, struct stat* st);
  int (*fstatat)(int dir, const char* path, struct stat* st);  /* NOFOLLOW */
  int (*flock)(int fd, int operation);
  ssize_t (*write)(int fd, const void* data, size_t len);
  int (*fsync)(int fd);
  int (*close)(int fd);                 /* The fd is gone whatever it says. */
  int (*poll)(struct pollfd* fds, nfds_t n, int timeout_ms);
  /* Calls `each` for every entry but "." and "..". */
  int (*list)(int dir, void (*each)(void* arg, const char* name), void* arg);
};

extern struct vigil__os vigil__os;

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_OS_H_ */
