/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_HELPER_START_H_
#define VIGIL_HELPER_START_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Starts a program that shall disturb nobody: with nothing of this process but
 * the descriptors below, in a session of its own, with the standard handling of
 * signals, nice 10 and the idle class of I/O, no core file, and an end at its
 * deadline. It goes on when this process ends.
 *
 * This process is not copied for it: it takes no longer if that has much memory.
 * Only the calling thread waits, for the exec. */
struct vigil__helper_order {
  const char* path;
  char* const* argv;
  char* const* env;
  const char* input;            /* Its descriptor 0 is a file with this... */
  size_t input_len;             /* ...of so many bytes. */
  int dir;                      /* Its folder. */
  int lock;                     /* Its descriptor 3; -1: none. */
  uint64_t data_bytes;          /* RLIMIT_DATA; 0: as it is. */
  unsigned seconds;             /* Until SIGALRM ends it; never 0. */
};

struct vigil__helper_process {
  pid_t pid;
  int pidfd;                    /* -1: the kernel has none. */
  int out;                      /* What it writes to 1 and 2; does not block. */
};

/* Any one thread. 0, or -errno: then nothing was started. vigil__reap() tells when
 * it has ended. */
int vigil__helper_start(const struct vigil__helper_order* order,
                        struct vigil__helper_process* process);

/* Closes the descriptors; it has ended. */
void vigil__helper_close(struct vigil__helper_process* process);

#endif  /* VIGIL_HELPER_START_H_ */
