/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_POOL_H_
#define VIGIL_POOL_H_

#include "clock.h"
#include "counts.h"

#include <stdint.h>

/* libuv's thread pool: how long work waits in its queue, and how long it runs.
 * libuv's work items have no room for a stamp, and their size is part of the
 * ABI; but each of its two queues is first in, first out, so a queue of stamps
 * beside each tells when its head was submitted.
 *
 * submit, begin and cancel run under libuv's pool mutex, which keeps them
 * apart; end runs on the pool's threads without it. */
enum vigil__work_kind {
  VIGIL__WORK_CPU,              /* uv_queue_work(): crypto, zlib, add-ons. */
  VIGIL__WORK_FAST_IO,          /* File system. */
  VIGIL__WORK_SLOW_IO,          /* getaddrinfo(), getnameinfo(). */
  VIGIL__WORK_KINDS
};

void vigil__pool_submit(const void* work, unsigned kind, vigil__mono_t now);
void vigil__pool_begin(const void* work, unsigned kind_is_slow,
                       vigil__mono_t now);
void vigil__pool_cancel(const void* work);
void vigil__pool_end(vigil__mono_t now);

struct vigil__pool_copy {
  uint64_t queued;              /* Waiting now... */
  uint64_t queued_max;          /* ...and at most, ever. */
  uint64_t oldest;              /* When the head was submitted; 0: none. */
  uint64_t running;
  uint64_t cancelled;
  uint64_t unstamped;           /* Not measured: the queue was too long. */
  struct vigil__counts_copy wait[VIGIL__WORK_KINDS];
  struct vigil__counts_copy run[VIGIL__WORK_KINDS];
};

/* Any thread. */
void vigil__pool_read(struct vigil__pool_copy* copy);

/* As metrics and reports call the kind. */
const char* vigil__pool_name(enum vigil__work_kind kind);

#endif  /* VIGIL_POOL_H_ */
