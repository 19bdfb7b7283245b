/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "log_write.h"

#include "log.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>

/* The file ends within a line: its disk was full. Only for looks, so relaxed. */
static atomic_bool torn;

/* Waits for room even if the descriptor blocks, because then write() could
 * block for as long as nobody reads. A pipe that polls writable has room for
 * PIPE_BUF bytes. A pipe without readers polls POLLERR: writing would only
 * raise SIGPIPE. */
static int write_all(int fd, const char* line, size_t len, size_t* done) {
  const vigil__mono_t until =
      vigil__os.mono() + VIGIL__LOG_WAIT_MS * VIGIL__MS;
  struct pollfd out = { .fd = fd, .events = POLLOUT };
  vigil__mono_t now;
  ssize_t r;

  for (*done = 0; *done < len;) {
    now = vigil__os.mono();
    if (now >= until)
      return -ETIMEDOUT;
    r = vigil__os.poll(&out, 1, (int) ((until - now - 1) / VIGIL__MS + 1));
    if (r == -EINTR)
      continue;
    if (r < 0)
      return (int) r;
    if (r == 0)
      return -ETIMEDOUT;
    if (out.revents != POLLOUT)
      return -EPIPE;
    r = vigil__os.write(fd, line + *done, len - *done);
    if (r == -EINTR || r == -EAGAIN)
      continue;
    if (r < 0)
      return (int) r;
    *done += (size_t) r;
  }
  return 0;
}

int vigil__log_write(int fd, const char* line, size_t len) {
  size_t done;

  return write_all(fd, line, len, &done);
}

int vigil__log_append(const char* path, const char* line, size_t len) {
  size_t done = 0;
  int fd;
  int r = 0;

  /* O_NONBLOCK: a FIFO that nobody reads is an error, and no wait. */
  do
    fd = vigil__os.openat(AT_FDCWD, path,
                          O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
                          O_NOCTTY | O_NONBLOCK, 0600);
  while (fd == -EINTR);
  if (fd < 0)
    return fd;
  if (len != 0 && atomic_load_explicit(&torn, memory_order_relaxed))
    r = write_all(fd, "\n", 1, &done);
  if (r == 0) {
    r = write_all(fd, line, len, &done);
    if (len != 0)
      atomic_store_explicit(&torn, r != 0 && done != 0, memory_order_relaxed);
  }
  vigil__os.close(fd);
  return r;
}
