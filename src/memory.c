/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "memory.h"

#include <errno.h>
#include <unistd.h>  /* getpid */

/* Any power of two that divides the true size will do. */
#define PAGE 4096u

static ssize_t read_self(const struct iovec* to,
                         const struct iovec* from,
                         size_t pages) {
  const ssize_t r = process_vm_readv(getpid(), to, 1, from, pages, 0);

  return r < 0 ? -errno : r;
}

ssize_t (*vigil__memory_os)(const struct iovec* to,
                            const struct iovec* from,
                            size_t pages) = read_self;

ssize_t vigil__memory_read(uint64_t from, void* to, size_t len) {
  /* The system call stops between two of these only. */
  struct iovec page[VIGIL__MEMORY_MAX / PAGE + 1];
  struct iovec local = { to, len };
  uint64_t at = from;
  size_t n = 0;
  size_t part;
  ssize_t r;

  if (len == 0 || len > VIGIL__MEMORY_MAX || from > UINT64_MAX - len)
    return -EFAULT;
  while (at < from + len) {
    part = PAGE - (size_t) (at & (PAGE - 1));
    if (part > from + len - at)
      part = (size_t) (from + len - at);
    page[n].iov_base = (void*) (uintptr_t) at;
    page[n++].iov_len = part;
    at += part;
  }
  r = vigil__memory_os(&local, page, n);
  return r == 0 ? -EFAULT : r;
}
