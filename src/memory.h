/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_MEMORY_H_
#define VIGIL_MEMORY_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>  /* struct iovec */

/* process_vm_readv(2) on this process: what is not mapped (any more) is an
 * error, not a fault. Returns its result or -errno; tests replace it. */
extern ssize_t (*vigil__memory_os)(const struct iovec* to,
                                   const struct iovec* from,
                                   size_t pages);

/* Copies from the address `from` of this process until `len` bytes (at most
 * VIGIL__MEMORY_MAX) are copied or a page cannot be read. Returns how many (at
 * least 1), or -EFAULT: nothing is mapped there; anything else: the system
 * call is refused. Any thread, also in a signal handler; changes errno. */
#define VIGIL__MEMORY_MAX (64u * 1024)
ssize_t vigil__memory_read(uint64_t from, void* to, size_t len);

#endif  /* VIGIL_MEMORY_H_ */
