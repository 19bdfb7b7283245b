/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "log.h"

#include "os.h"
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>   /* vsnprintf */
#include <string.h>
#include <unistd.h>  /* STDERR_FILENO */

/* A mere count: it orders nothing. */
static _Atomic uint64_t dropped;

/* Waits for room even if the descriptor blocks, because then write() could
 * block for as long as nobody reads. A pipe that polls writable has room for
 * PIPE_BUF bytes. A pipe without readers polls POLLERR: writing would only
 * raise SIGPIPE. */
static int write_line(const char* line, size_t len) {
  const vigil__mono_t until =
      vigil__os.mono() + VIGIL__LOG_WAIT_MS * VIGIL__MS;
  struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
  vigil__mono_t now;
  ssize_t r;

  while (len != 0) {
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
    r = vigil__os.write(STDERR_FILENO, line, len);
    if (r == -EINTR || r == -EAGAIN)
      continue;
    if (r < 0)
      return (int) r;
    line += r;
    len -= (size_t) r;
  }
  return 0;
}

void vigil__log(const char* format, ...) {
  static const char prefix[] = "vigil: ";
  char text[VIGIL__LOG_LINE];
  char line[VIGIL__LOG_LINE];
  size_t len = sizeof(prefix) - 1;
  va_list args;

  va_start(args, format);
  vsnprintf(text, sizeof(text), format, args);
  va_end(args);

  /* One byte less for the end of line. What vsnprintf() cut does not fit here
   * either, and gets its "...". */
  memcpy(line, prefix, len);
  len += vigil__text_escape(line + len, sizeof(line) - len - 1, text);
  line[len++] = '\n';
  if (write_line(line, len) != 0)
    atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

uint64_t vigil__log_dropped(void) {
  return atomic_load_explicit(&dropped, memory_order_relaxed);
}
