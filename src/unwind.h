/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_UNWIND_H_
#define VIGIL_UNWIND_H_

#include "modules.h"
#include "stack.h"

#include <stdbool.h>
#include <stdint.h>

/* Who called whom, from a stack that was taken. Code with call frame
 * information (.eh_frame) is unwound by it; code without, which is what V8
 * compiles or has built in, by its frame pointers. A blocked thread's are not
 * known until a function has saved them: those between are found by the call
 * instructions that led to them. Stack memory is read from the copy only;
 * .eh_frame and code through vigil__memory_read(), so that a module that is
 * unloaded meanwhile costs frames, not a fault. */
#define VIGIL__UNWIND_MAX 512u

/* How a frame was found. */
enum vigil__unwind_by {
  VIGIL__UNWIND_BY_TAKE,        /* The first one. */
  VIGIL__UNWIND_BY_CFI,
  VIGIL__UNWIND_BY_FP,
  VIGIL__UNWIND_BY_CALL,        /* By CFI, from the call that led there. */
  VIGIL__UNWIND_BY_SCAN         /* A guess; some before it may be missing. */
};

struct vigil__unwind_frame {
  /* Where it goes on: the return address, but in the first frame, and in one
   * that a signal interrupted, the next instruction itself (`exact`). So look
   * up pc - !exact, which is in the call. */
  uint64_t pc;
  uint64_t sp;
  uint64_t fp;                  /* rbp there; 0: not known. */
  /* The words at fp - 32 and fp - 40; 0: not in the copy. In a frame of V8's
   * interpreter: the BytecodeArray (tagged), and the offset in it (a Smi, in
   * the upper 32 bits). In others, anything. */
  uint64_t interp;
  uint64_t interp_offset;
  bool native;                  /* In a module; V8's own builtins are, too. */
  bool exact;
  enum vigil__unwind_by by;
};

/* Why there are no more frames. */
enum vigil__unwind_end {
  VIGIL__UNWIND_OUTERMOST,      /* The thread's first function was reached. */
  VIGIL__UNWIND_TRUNCATED,      /* The copy ends here. */
  VIGIL__UNWIND_FULL,           /* `max` frames. */
  VIGIL__UNWIND_LOST            /* It makes no sense from here. */
};

/* Code outside of modules: V8's code range. */
struct vigil__unwind_code {
  uint64_t lo;
  uint64_t hi;
};

/* Writes at most `max` (and VIGIL__UNWIND_MAX) frames, innermost first, and
 * returns how many. Any thread; `modules` must be fresh. `jit` tells a guess
 * which addresses outside of modules are code; NULL: none. `end` may be NULL.
 * No allocation; 10 to 15 small system calls, some 30 us, for each frame in a
 * module. */
unsigned vigil__unwind(const struct vigil__stack* stack,
                       const struct vigil__modules* modules,
                       const struct vigil__unwind_code* jit,
                       struct vigil__unwind_frame* frames,
                       unsigned max,
                       enum vigil__unwind_end* end);

#endif  /* VIGIL_UNWIND_H_ */
