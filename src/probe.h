/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_PROBE_H_
#define VIGIL_PROBE_H_

#include "clock.h"
#include "code.h"
#include "frames.h"
#include "recorder.h"
#include "stack.h"
#include "stall.h"
#include "system.h"
#include "unwind.h"

#include <stdatomic.h>

/* All that the watch thread needs to look into one thread that runs
 * JavaScript, and what it saw there. Shared by the list of threads, the
 * isolate's own thread (which writes `code`) and a capture. */
struct vigil__isolate;
struct vigil__loop;

/* What the thread had used at one moment. */
struct vigil__usage {
  vigil__mono_t at;             /* 0: never read. */
  unsigned valid;               /* Bits of vigil__task_what. */
  uint64_t cpu_ns;
  uint64_t run_delay_ns;
  uint64_t gc_ns;
};

#define VIGIL__PROBE_SECONDS 64u

struct vigil__probe {
  /* Released by each unref, acquired by the last one, so that whoever frees
   * sees what the others wrote. */
  atomic_uint refs;
  uint64_t serial;              /* No two probes have the same one. */
  struct vigil__stack_target target;
  pid_t tid;
  struct vigil__unwind_code jit;  /* Where V8 puts code; 0, 0: not known. */
  struct vigil__code* code;     /* Written by the own thread. */
  /* The watch thread's own. */
  struct vigil__task task;      /* By vigil__probe_task(). */
  bool task_open;
  struct vigil__frames* frames;
  struct vigil__recorder recorder;
  struct vigil__stalls stalls;
  struct vigil__usage last;     /* At the last look... */
  struct vigil__usage base;     /* ...and at the last one before the period
                                 * that is open began. */
  vigil__mono_t start;          /* Of the period open at the last look. */
  uint64_t polls;               /* Then. */
  int64_t syscall_nr;           /* Blocked in it when last seen so. */
  struct vigil__usage second[VIGIL__PROBE_SECONDS];  /* One per tick. */
  uint32_t seconds;
  bool asked;                   /* To have `code` written. */
  /* Own thread, as long as it is attached; the watch thread while it holds
   * references to what they belong to. */
  struct vigil__isolate* iso;
  struct vigil__loop* loop;
};

/* On the thread that it is to look into. One reference; NULL: no memory. */
struct vigil__probe* vigil__probe_new(void);

/* Any thread. */
void vigil__probe_ref(struct vigil__probe* p);
void vigil__probe_unref(struct vigil__probe* p);

/* Watch thread. What /proc has of the thread. Its files are open only from the
 * first call on: a program that nobody watches has no descriptors of ours. */
const struct vigil__task* vigil__probe_task(struct vigil__probe* p);

/* Watch thread. Reads what it has used. `gc_ns`: GC pauses until now. */
void vigil__probe_usage(struct vigil__probe* p,
                        vigil__mono_t now,
                        uint64_t gc_ns,
                        struct vigil__usage* usage);

/* Watch thread. Takes the stack of its thread now, as frame numbers, the leaf
 * first. Their number, or -errno as vigil__stack_take(). `how` may be NULL. */
#define VIGIL__PROBE_FRAMES 256u
int vigil__probe_look(struct vigil__probe* p,
                      uint32_t frames[VIGIL__PROBE_FRAMES],
                      enum vigil__stack_how* how);

#endif  /* VIGIL_PROBE_H_ */
