/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "unwind.h"

#include "unwind_call.h"
#include "unwind_cfi.h"
#include "unwind_regs.h"

#include <errno.h>

/* See vigil__unwind_frame: InterpreterFrameConstants of V8, on x64. */
#define INTERP_FROM_FP 32
#define INTERP_OFFSET_FROM_FP 40

struct walk {
  const struct vigil__stack* stack;
  const struct vigil__modules* modules;
  const struct vigil__unwind_code* jit;
  struct vigil__regs regs;      /* rip and rsp are always known. */
  bool exact;
  enum vigil__unwind_by by;
  enum vigil__unwind_end end;
};

static void begin(struct walk* w) {
  const struct vigil__stack* s = w->stack;

  w->regs.known = 0;
  vigil__regs_set(&w->regs, VIGIL__REG_RIP, s->pc);
  vigil__regs_set(&w->regs, VIGIL__REG_RSP, s->sp);
  if (s->how == VIGIL__STACK_ON_CPU) {
    vigil__regs_set(&w->regs, VIGIL__REG_RBP, s->fp);
    vigil__regs_set(&w->regs, VIGIL__REG_RBX, s->rbx);
    vigil__regs_set(&w->regs, VIGIL__REG_R12, s->r12);
    vigil__regs_set(&w->regs, VIGIL__REG_R13, s->r13);
    vigil__regs_set(&w->regs, VIGIL__REG_R14, s->r14);
    vigil__regs_set(&w->regs, VIGIL__REG_R15, s->r15);
  }
  w->exact = true;
  w->by = VIGIL__UNWIND_BY_TAKE;
  w->end = VIGIL__UNWIND_LOST;
}

/* The module that `pc` lies in, looked up as the frame wants. */
static const struct vigil__module* module_of(const struct walk* w) {
  return vigil__modules_find(w->modules,
                             w->regs.value[VIGIL__REG_RIP] - !w->exact);
}

static void yield(const struct walk* w, struct vigil__unwind_frame* f) {
  memset(f, 0, sizeof(*f));
  f->pc = w->regs.value[VIGIL__REG_RIP];
  f->sp = w->regs.value[VIGIL__REG_RSP];
  if (vigil__regs_know(&w->regs, VIGIL__REG_RBP)) {
    f->fp = w->regs.value[VIGIL__REG_RBP];
    vigil__stack_word(w->stack, f->fp - INTERP_FROM_FP, &f->interp);
    vigil__stack_word(w->stack, f->fp - INTERP_OFFSET_FROM_FP,
                      &f->interp_offset);
  }
  f->native = module_of(w) != NULL;
  f->exact = w->exact;
  f->by = w->by;
}

/* A return address: what it returns from is in code. */
static bool is_code(const struct walk* w, uint64_t pc) {
  return (w->jit != NULL && pc > w->jit->lo && pc <= w->jit->hi) ||
         vigil__modules_find(w->modules, pc - 1) != NULL;
}

/* The caller of a frame whose saved frame pointer and return address are at
 * `fp`. It knows no other register. */
static bool take_pair(struct walk* w, uint64_t fp, enum vigil__unwind_by by) {
  uint64_t next;
  uint64_t ret;

  if (!vigil__stack_word(w->stack, fp, &next) ||
      !vigil__stack_word(w->stack, fp + 8, &ret))
    return false;
  w->regs.known = 0;
  vigil__regs_set(&w->regs, VIGIL__REG_RIP, ret);
  vigil__regs_set(&w->regs, VIGIL__REG_RSP, fp + 16);
  vigil__regs_set(&w->regs, VIGIL__REG_RBP, next);
  w->exact = false;
  w->by = by;
  return true;
}

/* Where the return address of `function` is, which was called, and is not the
 * innermost: the lowest one on the stack that a call of it has left there. */
static bool find_call(const struct walk* w, uint64_t function, uint64_t* at) {
  uint64_t target;
  uint64_t ret;

  *at = (w->regs.value[VIGIL__REG_RSP] + 7) & ~UINT64_C(7);
  for (; vigil__stack_word(w->stack, *at, &ret); *at += 8)
    if (is_code(w, ret) && vigil__unwind_after_call(ret, &target) &&
        target == function)
      return true;
  return false;
}

/* The lowest pair that looks like one, and leads to another. What lies about
 * on a stack also holds frames that are long gone. */
static bool by_scan(struct walk* w) {
  uint64_t at = (w->regs.value[VIGIL__REG_RSP] + 7) & ~UINT64_C(7);
  uint64_t target;
  uint64_t next;
  uint64_t ret;
  uint64_t outer;

  for (; vigil__stack_word(w->stack, at, &next) &&
         vigil__stack_word(w->stack, at + 8, &ret); at += 8)
    if (next > at && (next & 7) == 0 && is_code(w, ret) &&
        vigil__stack_word(w->stack, next + 8, &outer) && is_code(w, outer) &&
        vigil__unwind_after_call(ret, &target))
      return take_pair(w, at, VIGIL__UNWIND_BY_SCAN);
  return false;
}

static bool by_frame_pointer(struct walk* w) {
  const struct vigil__stack* s = w->stack;
  const uint64_t sp = w->regs.value[VIGIL__REG_RSP];
  const uint64_t fp = w->regs.value[VIGIL__REG_RBP];

  if (!vigil__regs_know(&w->regs, VIGIL__REG_RBP))
    return by_scan(w);
  if (fp == 0) {
    w->end = VIGIL__UNWIND_OUTERMOST;
    return false;
  }
  if (fp >= sp && (fp & 7) == 0) {
    if (take_pair(w, fp, VIGIL__UNWIND_BY_FP))
      return true;
    if (s->truncated && fp >= s->lo) {
      w->end = VIGIL__UNWIND_TRUNCATED;
      return false;
    }
  }
  /* Code that uses rbp for something else. */
  return by_scan(w);
}

/* 0 or what vigil__cfi_apply() says. */
static int by_cfi(struct walk* w) {
  const struct vigil__module* module = module_of(w);
  const uint64_t pc = w->regs.value[VIGIL__REG_RIP] - !w->exact;
  struct vigil__cfi_row row;
  struct vigil__cfi cfi;
  uint64_t at;
  int err;

  /* -EINVAL: to be tried by other means. */
  if (module == NULL || vigil__cfi_find(module, pc, &cfi) != 0 ||
      vigil__cfi_row(&cfi, pc, &row) != 0)
    return -EINVAL;
  w->by = VIGIL__UNWIND_BY_CFI;
  err = vigil__cfi_apply(&row, w->stack, NULL, &w->regs);
  if (err == -ENODATA && find_call(w, cfi.pc_lo, &at)) {
    at += 8;
    w->by = VIGIL__UNWIND_BY_CALL;
    err = vigil__cfi_apply(&row, w->stack, &at, &w->regs);
  }
  if (err == 0)
    w->exact = cfi.signal_frame;
  return err;
}

/* In a program that was compiled with frame pointers they are as good as call
 * frame information, and much cheaper. Not for the innermost frame, which may
 * not have set up its own yet. */
static bool by_program(struct walk* w) {
  const struct vigil__module* module = module_of(w);
  const uint64_t fp = w->regs.value[VIGIL__REG_RBP];
  uint64_t ret;

  return w->modules->frame_pointers && w->by != VIGIL__UNWIND_BY_TAKE &&
         !w->exact && module != NULL &&
         vigil__modules_path(w->modules, module)[0] == '\0' &&
         vigil__regs_know(&w->regs, VIGIL__REG_RBP) &&
         fp >= w->regs.value[VIGIL__REG_RSP] && (fp & 7) == 0 &&
         vigil__stack_word(w->stack, fp + 8, &ret) && is_code(w, ret) &&
         take_pair(w, fp, VIGIL__UNWIND_BY_FP);
}

/* To the caller; false: there is none, `end` says why. */
static bool step(struct walk* w) {
  const uint64_t sp = w->regs.value[VIGIL__REG_RSP];
  const uint64_t end = w->stack->lo + w->stack->len;

  switch (by_program(w) ? 0 : by_cfi(w)) {
    case 0:
      break;
    case -ENOENT:
      w->end = VIGIL__UNWIND_OUTERMOST;
      return false;
    case -ERANGE:
      if (w->stack->truncated)
        w->end = VIGIL__UNWIND_TRUNCATED;
      return false;
    default:
      if (!by_frame_pointer(w))
        return false;
  }
  if (w->regs.value[VIGIL__REG_RIP] == 0) {
    w->end = VIGIL__UNWIND_OUTERMOST;
    return false;
  }
  /* It goes up, and so it ends. */
  return w->regs.value[VIGIL__REG_RSP] > sp &&
         w->regs.value[VIGIL__REG_RSP] <= end;
}

unsigned vigil__unwind(const struct vigil__stack* stack,
                       const struct vigil__modules* modules,
                       const struct vigil__unwind_code* jit,
                       struct vigil__unwind_frame* frames,
                       unsigned max,
                       enum vigil__unwind_end* end) {
  struct walk w = { .stack = stack, .modules = modules, .jit = jit };
  unsigned n = 0;

  if (max > VIGIL__UNWIND_MAX)
    max = VIGIL__UNWIND_MAX;
  begin(&w);
  while (n < max) {
    yield(&w, &frames[n++]);
    if (!step(&w))
      break;
    if (n == max)
      w.end = VIGIL__UNWIND_FULL;
  }
  if (end != NULL)
    *end = w.end;
  return n;
}
