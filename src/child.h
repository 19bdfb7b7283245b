/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CHILD_H_
#define VIGIL_CHILD_H_

#include "artifact.h"
#include "clock.h"
#include "v8_bridge.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A forked child that writes one file of an incident while the process goes on.
 *
 * The watch thread opens it, asks for it, and closes it; the thread whose memory
 * it shall see forks. The child has one thread, no descriptor but its file, the
 * lowest priorities, is the first to be taken when memory ends, and may do
 * nothing that anybody else would notice. */

/* In memory that both processes see; the child writes, and `state` last, with
 * release. */
struct vigil__child_result;

struct vigil__child {
  struct vigil__artifact_file* file;
  struct vigil__child_result* result;
  uint64_t memory;              /* Bytes it may take; UINT64_MAX: any. */
  uint64_t time_ns;             /* How long it may take, from the fork. */
  bool urgent;                  /* The parent stands still for it. */
  int (*fill)(void* what, vigil__sink sink, void* arg);
  void* what;
  pid_t pid;                    /* 0: not forked. */
  int pidfd;                    /* -1: the kernel has none. */
  vigil__mono_t forked;
  uint64_t fork_ns;             /* How long that took. */
};

/* Watch thread. `file` is open; the child writes it through `fill`, as
 * vigil__incident_write() does. 0 or -errno. */
int vigil__child_open(struct vigil__child* c, struct vigil__artifact_file* file);

/* The thread that forks, with nothing of V8 at work (vigil__heap_fork()): as
 * fork(2), but -errno. */
int vigil__child_fork(void* child);

/* The child: does its work and ends. */
_Noreturn void vigil__child_run(void* child);
/* The same, from anywhere in it: it cannot go on. */
_Noreturn void vigil__child_fail(void* child, int error);

/* What the child says of itself. */
struct vigil__child_end {
  int error;                    /* 0, or why there is no file, -errno. */
  int signal;                   /* That ended it; 0: none. */
  bool late;                    /* It was killed at its deadline. */
  uint64_t ns;                  /* How long it took. */
  uint64_t own_bytes;           /* Memory it did not share in the end. */
};

/* Watch thread, after the fork, every now and then. -EAGAIN: it is at work. 0:
 * it has ended, and `end` says how; its file is complete or gone. */
int vigil__child_poll(struct vigil__child* c,
                      vigil__mono_t now,
                      struct vigil__child_end* end);

/* Watch thread: it shall end at once; the next poll says that it did. */
void vigil__child_kill(struct vigil__child* c);

/* Watch thread. Harmless when it is not open. The child has ended, or there was
 * none: then the file is dropped. */
void vigil__child_close(struct vigil__child* c);

#endif  /* VIGIL_CHILD_H_ */
