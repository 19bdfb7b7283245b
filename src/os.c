/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>     /* renameat */
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>  /* flock */
#include <unistd.h>

/* The result of a system call as the table gives it. */
#define RESULT(type, call)                                                    \
  do {                                                                        \
    const type r = (call);                                                    \
    return r < 0 ? (type) -errno : r;                                         \
  } while (0)

static uint64_t os_wall(void) {
  struct timespec ts;

  clock_gettime(CLOCK_REALTIME, &ts);
  return (uint64_t) ts.tv_sec * VIGIL__SEC + (uint64_t) ts.tv_nsec;
}

static int os_openat(int dir, const char* path, int flags, mode_t mode) {
  RESULT(int, openat(dir, path, flags, mode));
}

static int os_mkdirat(int dir, const char* path, mode_t mode) {
  RESULT(int, mkdirat(dir, path, mode));
}

static int os_unlinkat(int dir, const char* path, int flags) {
  RESULT(int, unlinkat(dir, path, flags));
}

static int os_renameat(int dir, const char* from, const char* to) {
  RESULT(int, renameat(dir, from, dir, to));
}

static int os_fstat(int fd, struct stat* st) {
  RESULT(int, fstat(fd, st));
}

static int os_fstatat(int dir, const char* path, struct stat* st) {
  RESULT(int, fstatat(dir, path, st, AT_SYMLINK_NOFOLLOW));
}

static int os_flock(int fd, int operation) {
  RESULT(int, flock(fd, operation));
}

static ssize_t os_write(int fd, const void* data, size_t len) {
  RESULT(ssize_t, write(fd, data, len));
}

static int os_fsync(int fd) {
  RESULT(int, fsync(fd));
}

static int os_close(int fd) {
  RESULT(int, close(fd));
}

static int os_poll(struct pollfd* fds, nfds_t n, int timeout_ms) {
  RESULT(int, poll(fds, n, timeout_ms));
}

static int os_list(int dir,
                   void (*each)(void* arg, const char* name),
                   void* arg) {
  const int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const struct dirent* entry;
  DIR* stream;
  int r;

  if (fd < 0)
    return -errno;
  stream = fdopendir(fd);
  if (stream == NULL) {
    r = -errno;
    close(fd);
    return r;
  }
  while (errno = 0, (entry = readdir(stream)) != NULL)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      each(arg, entry->d_name);
  r = -errno;
  closedir(stream);
  return r;
}

struct vigil__os vigil__os = {
  .mono = vigil__mono_now,
  .wall = os_wall,
  .realloc = realloc,
  .geteuid = geteuid,
  .openat = os_openat,
  .mkdirat = os_mkdirat,
  .unlinkat = os_unlinkat,
  .renameat = os_renameat,
  .fstat = os_fstat,
  .fstatat = os_fstatat,
  .flock = os_flock,
  .write = os_write,
  .fsync = os_fsync,
  .close = os_close,
  .poll = os_poll,
  .list = os_list,
};
