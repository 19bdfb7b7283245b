/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "probe.h"

#include "modules.h"
#include "symbol.h"
#include "unwind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>  /* SYS_gettid */
#include <unistd.h>

/* Longer waits than this for a thread to stop are not worth it: the watch
 * thread has others to look at. */
#define TAKE_NS (20 * VIGIL__MS)

/* The watch thread's own, for all probes. */
static struct vigil__stack stack;
static struct vigil__modules modules = { .frame_pointers = true };
static struct vigil__unwind_frame unwound[VIGIL__UNWIND_MAX];
static struct vigil__symbols symbols;

/* Names of native addresses seen lately: a busy loop shows the same ones. */
#define CACHED 4096u
static struct {
  uint64_t pc;
  uint64_t serial;              /* Of the probe; memory is used again. */
  uint32_t id;
} cached[CACHED];

static _Atomic uint64_t serial;

struct vigil__probe* vigil__probe_new(void) {
  struct vigil__probe* p = calloc(1, sizeof(*p));
  int i;

  if (p == NULL)
    return NULL;
  p->frames = vigil__frames_new(0, 0);
  p->code = p->frames == NULL ? NULL : vigil__code_new(p->frames);
  if (p->code == NULL) {
    vigil__frames_free(p->frames);
    free(p);
    return NULL;
  }
  atomic_init(&p->refs, 1);
  p->syscall_nr = VIGIL__TASK_NO_SYSCALL;
  /* Only has to be another number each time: relaxed. */
  p->serial = 1 + atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed);
  vigil__stack_target_init(&p->target);
  p->tid = (pid_t) syscall(SYS_gettid);
  for (i = 0; i < VIGIL__TASK_FILES; i++)
    p->task.fd[i] = -1;
  return p;
}

void vigil__probe_ref(struct vigil__probe* p) {
  atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void vigil__probe_unref(struct vigil__probe* p) {
  if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
    return;
  vigil__stack_target_close(&p->target);
  vigil__task_close(&p->task);
  vigil__stalls_free(&p->stalls);
  vigil__recorder_free(&p->recorder);
  vigil__code_free(p->code);
  vigil__frames_free(p->frames);
  free(p);
}

const struct vigil__task* vigil__probe_task(struct vigil__probe* p) {
  if (!p->task_open) {
    p->task_open = true;
    vigil__task_open(&p->task, "", p->tid, NULL);
  }
  return &p->task;
}

void vigil__probe_usage(struct vigil__probe* p,
                        vigil__mono_t now,
                        uint64_t gc_ns,
                        struct vigil__usage* usage) {
  struct vigil__task_figures f;

  memset(usage, 0, sizeof(*usage));
  usage->at = now;
  usage->gc_ns = gc_ns;
  if (vigil__task_read(vigil__probe_task(p),
                       VIGIL__TASK_CPU | VIGIL__TASK_DELAY, &f) != 0)
    return;
  usage->valid = f.valid;
  usage->cpu_ns = f.cpu_ns;
  usage->run_delay_ns = f.run_delay_ns;
}

/* ---- from addresses to frames */

static uint32_t native(struct vigil__probe* p, uint64_t pc) {
  const size_t slot = pc * UINT64_C(0x9e3779b97f4a7c15) >> 52;
  char name[256];
  char module[256];

  _Static_assert(CACHED == 1u << (64 - 52), "the shift gives a slot");
  if (cached[slot].pc != pc || cached[slot].serial != p->serial) {
    vigil__symbol_name(&symbols, pc, name, sizeof(name), module,
                       sizeof(module));
    cached[slot].pc = pc;
    cached[slot].serial = p->serial;
    cached[slot].id = vigil__frames_native(p->frames, name, module);
  }
  return cached[slot].id;
}

/* NONE: a frame that tells nobody anything. */
static uint32_t name_frame(struct vigil__probe* p,
                           const struct vigil__unwind_frame* f) {
  const uint64_t pc = f->exact ? f->pc : f->pc - 1;
  uint32_t id = vigil__code_find(p->code, pc, NULL);

  if (id == VIGIL__FRAME_NONE)
    return f->native ? native(p, pc) : VIGIL__FRAME_NONE;
  switch (vigil__frames_get(p->frames, id).kind) {
    case VIGIL__FRAME_TRAMPOLINE:
      /* The interpreter: the function is known by the bytecode that runs. V8
       * counts the offset from the tagged pointer. */
      return vigil__code_find(p->code, f->interp + (f->interp_offset >> 32),
                              NULL);
    case VIGIL__FRAME_HANDLER:
    case VIGIL__FRAME_STUB:
      return VIGIL__FRAME_NONE;
    default:
      return id;
  }
}

static bool is_native(struct vigil__probe* p, uint32_t id) {
  return vigil__frames_get(p->frames, id).kind == VIGIL__FRAME_NATIVE;
}

int vigil__probe_look(struct vigil__probe* p,
                      uint32_t frames[VIGIL__PROBE_FRAMES],
                      enum vigil__stack_how* how) {
  enum vigil__unwind_end end;
  uint32_t js = VIGIL__PROBE_FRAMES;
  uint32_t n = 0;
  uint32_t id;
  unsigned count;
  unsigned i;
  int err;

  do
    err = vigil__stack_take(&p->target, &stack, TAKE_NS);
  while (err == -EINTR);
  if (err != 0)
    return err;
  if (how != NULL)
    *how = stack.how;
  if (stack.how == VIGIL__STACK_IN_SYSCALL)
    p->syscall_nr = stack.syscall;
  if (vigil__modules_refresh(&modules)) {
    memset(cached, 0, sizeof(cached));
    vigil__symbols_drop(&symbols);
  }
  vigil__code_drain(p->code);
  count = vigil__unwind(&stack, &modules, p->jit.hi != 0 ? &p->jit : NULL,
                        unwound, VIGIL__UNWIND_MAX, &end);
  for (i = 0; i < count && n < VIGIL__PROBE_FRAMES - 1; i++) {
    id = name_frame(p, &unwound[i]);
    if (id == VIGIL__FRAME_NONE)
      continue;
    if (!is_native(p, id))
      js = n;
    frames[n++] = id;
  }
  /* How Node got to run JavaScript at all is the same in every stack. */
  if (js < n)
    n = js + 1;
  if (i < count || end == VIGIL__UNWIND_TRUNCATED)
    frames[n++] = VIGIL__FRAME_TRUNCATED;
  return (int) n;
}
