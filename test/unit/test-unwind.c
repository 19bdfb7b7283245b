/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "unwind.h"

#include "memory.h"
#include "stack-thread.h"
#include "test.h"
#include "unwind_cfi.h"
#include "unwind_expr.h"
#include "unwind_read.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void) (p), (void) (n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void) (p), (void) (n))
#endif

#define MAX VIGIL__UNWIND_MAX

static struct vigil__stack taken;
static struct vigil__modules modules;
static struct vigil__unwind_frame frame[MAX];
static unsigned frames;
static enum vigil__unwind_end end;

static void unwind(const struct vigil__unwind_code* jit) {
  frames = vigil__unwind(&taken, &modules, jit, frame, MAX, &end);
}

static void take(struct stack_thread* t) {
  CHECK_EQ(vigil__stack_take(&t->target, &taken, PATIENCE), 0);
  vigil__modules_refresh(&modules);
}

/* Where each of a chain of functions returns to, outermost first. */
static uint64_t chain[8];
static int chained;

#define CHAIN(i) \
  (chain[i] = (uintptr_t) __builtin_return_address(0), chained = (i) + 1)

/* `inner` is what the last one calls. */
static void (*inner)(struct stack_thread* t);

/* Without a frame pointer, as the compiler likes it. */
__attribute__((noinline)) static void plain_3(struct stack_thread* t) {
  CHAIN(3);
  inner(t);
  NOT_LAST();
}

/* With one. */
__attribute__((noinline)) static void framed_2(struct stack_thread* t) {
  void* volatile here = __builtin_frame_address(0);

  (void) here;
  CHAIN(2);
  plain_3(t);
  NOT_LAST();
}

/* With one that it needs, and a stack that is aligned anew. */
__attribute__((noinline)) static void aligned_1(struct stack_thread* t) {
  _Alignas(64) volatile char room[256];
  volatile char* more = __builtin_alloca((size_t) t->pipe[0] + 1);

  CHAIN(1);
  room[0] = more[0] = 1;
  framed_2(t);
  more[0] = room[0];
}

__attribute__((noinline)) static void plain_0(struct stack_thread* t) {
  CHAIN(0);
  aligned_1(t);
  NOT_LAST();
}

/* The frames of the chain follow each other, inner ones before, and outer ones
 * up to the thread's first. Returns where the chain begins. */
static unsigned check_chain(void) {
  unsigned i;
  int k;

  for (i = 0; i < frames && frame[i].pc != chain[chained - 1]; i++) {
  }
  if (i == frames)
    test_fail(__FILE__, __LINE__, "chain not in %u frames, how %d, end %d",
              frames, taken.how, end);
  for (k = chained - 1; k >= 0; k--, i++) {
    CHECK_OP(i, <, frames);
    CHECK_EQ(frame[i].pc, chain[k]);
    /* Blocked, rbp must be found once. */
    if (taken.how == VIGIL__STACK_IN_SYSCALL)
      CHECK(frame[i].by != VIGIL__UNWIND_BY_SCAN);
    else
      CHECK_EQ(frame[i].by, VIGIL__UNWIND_BY_CFI);
    CHECK(frame[i].native);
    CHECK(!frame[i].exact);
    CHECK_OP(frame[i].sp, >, frame[i - 1].sp);
  }
  CHECK_OP(i, <, frames);  /* What starts threads. */
  CHECK_EQ(end, VIGIL__UNWIND_OUTERMOST);
  CHECK_EQ(frame[0].by, VIGIL__UNWIND_BY_TAKE);
  CHECK(frame[0].exact);
  return i - (unsigned) chained;
}

TEST(unwind_blocked) {
  struct stack_thread t;
  Dl_info info;

  inner = stack_thread_read;
  stack_thread_start(&t, plain_0);
  stack_thread_await_syscall(&t, SYS_read);
  take(&t);
  unwind(NULL);
  CHECK_EQ(taken.how, VIGIL__STACK_IN_SYSCALL);
  check_chain();
  CHECK_OP(dladdr((void*) (uintptr_t) frame[0].pc, &info), !=, 0);
  CHECK(strstr(info.dli_fname, "libc") != NULL);
  CHECK_EQ(frame[0].fp, 0);
  stack_thread_end(&t);
}

TEST(unwind_running) {
  struct stack_thread t;
  int i;

  inner = stack_thread_spin;
  stack_thread_start(&t, plain_0);
  stack_thread_await(&t.ready, 2);
  for (i = 0; i < 100; i++) {
    take(&t);
    unwind(NULL);
    CHECK_EQ(taken.how, VIGIL__STACK_ON_CPU);
    check_chain();
    CHECK_EQ(frame[0].pc, taken.pc);
    CHECK_EQ(frame[0].fp, taken.fp);
  }
  stack_thread_end(&t);
}

static struct stack_thread* interrupted;

static void spin_in_handler(int signal) {
  (void) signal;
  stack_thread_spin(interrupted);
}

static void raise_here(struct stack_thread* t) {
  struct sigaction sa = { .sa_handler = spin_in_handler };

  CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
  interrupted = t;
  /* Not raise(), which blocks signals meanwhile. */
  syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
  NOT_LAST();
}

TEST(unwind_through_a_signal_handler) {
  struct stack_thread t;
  unsigned i;
  unsigned at;
  bool exact = false;

  inner = raise_here;
  stack_thread_start(&t, plain_0);
  stack_thread_await(&t.ready, 2);
  take(&t);
  unwind(NULL);
  at = check_chain();
  for (i = 1; i < at; i++)
    exact |= frame[i].exact;
  CHECK(exact);
  stack_thread_end(&t);
}

static atomic_uint rounds;

/* Runs through libraries, the PLT and the kernel, and in between. */
static void hop(struct stack_thread* t) {
  static volatile unsigned sink;
  struct timespec ts;
  char c;
  unsigned i;

  atomic_store(&t->ready, 2);
  while (!atomic_load(&t->stop)) {
    for (i = 0; i < sink % 400; i++)
      sink += i;
    sink += (unsigned) clock_gettime(CLOCK_MONOTONIC, &ts) + 1;
    sink += (unsigned) write(t->pipe[1], "abc", 3);
    for (i = 0; i < 3; i++)
      sink += (unsigned) read(t->pipe[0], &c, 1);
    free(malloc(sink % 5000));
    sched_yield();
    if (atomic_fetch_add(&rounds, 1) % 20 == 0) {
      ts.tv_sec = 0;
      ts.tv_nsec = 100 * 1000;
      nanosleep(&ts, NULL);
    }
  }
}

TEST(unwind_ten_thousand_of_a_restless_thread) {
  struct stack_thread t;
  unsigned how[2] = { 0, 0 };
  unsigned round;
  unsigned n;
  int err;

  inner = hop;
  stack_thread_start(&t, plain_0);
  stack_thread_await(&t.ready, 2);
  for (n = 0; n < 10000 || how[VIGIL__STACK_ON_CPU] < 100 ||
              how[VIGIL__STACK_IN_SYSCALL] < 100; n++) {
    /* On one CPU, the two threads could go in step otherwise. */
    round = atomic_load(&rounds);
    while (n % 4 == 0 && atomic_load(&rounds) == round)
      sched_yield();
    err = vigil__stack_take(&t.target, &taken, PATIENCE);
    if (err == -EAGAIN)
      continue;
    CHECK_EQ(err, 0);
    vigil__modules_refresh(&modules);
    unwind(NULL);
    check_chain();
    how[taken.how]++;
  }
  stack_thread_end(&t);
}

__attribute__((noinline))
static int recurse(struct stack_thread* t, int depth) {
  volatile char room[64];

  room[0] = (char) depth;
  if (depth == 0)
    stack_thread_read(t);
  else
    recurse(t, depth - 1);
  return room[0];
}

static int depth;

static void go_deep(struct stack_thread* t) {
  recurse(t, depth);
}

static void unwind_at_depth(int n) {
  struct stack_thread t;

  depth = n;
  inner = go_deep;
  stack_thread_start(&t, plain_0);
  stack_thread_await_syscall(&t, SYS_read);
  take(&t);
  unwind(NULL);
  stack_thread_end(&t);
}

TEST(unwind_as_deep_as_it_goes) {
  unsigned i;

  unwind_at_depth(20);
  check_chain();
  unwind_at_depth(5000);
  CHECK(taken.truncated);
  CHECK_OP(frames, >, 100);
  if (frames < MAX)
    CHECK_EQ(end, VIGIL__UNWIND_TRUNCATED);
  else
    CHECK_EQ(end, VIGIL__UNWIND_FULL);
  for (i = 10; i + 1 < frames; i++)
    CHECK_EQ(frame[i].pc, frame[10].pc);
  /* Few words are left, or few frames wanted. */
  taken.len = 1024;
  unwind(NULL);
  CHECK_OP(frames, >, 2);
  CHECK_OP(frames, <, 64);
  CHECK_EQ(end, VIGIL__UNWIND_TRUNCATED);
  CHECK_EQ(vigil__unwind(&taken, &modules, NULL, frame, 3, &end), 3);
  CHECK_EQ(end, VIGIL__UNWIND_FULL);
  CHECK_EQ(vigil__unwind(&taken, &modules, NULL, frame, 1, NULL), 1);
  CHECK_EQ(vigil__unwind(&taken, &modules, NULL, frame, 0, NULL), 0);
}

/* Code that nobody knows: it calls rdi with rsi, from a frame as V8's
 * interpreter has it. */
static const uint8_t machine_code[] = {
  0x55,                               /* push %rbp */
  0x48, 0x89, 0xe5,                   /* mov %rsp, %rbp */
  0x48, 0x83, 0xec, 0x30,             /* sub $48, %rsp */
  0x48, 0x89, 0x55, 0xe0,             /* mov %rdx, -32(%rbp) */
  0x48, 0x89, 0x4d, 0xd8,             /* mov %rcx, -40(%rbp) */
  0x48, 0x89, 0xf8,                   /* mov %rdi, %rax */
  0x48, 0x89, 0xf7,                   /* mov %rsi, %rdi */
  0xff, 0xd0,                         /* call *%rax */
  0xc9,                               /* leave */
  0xc3                                /* ret */
};

typedef void jitted(void (*f)(struct stack_thread* t),
                    struct stack_thread* t,
                    uint64_t bytecode,
                    uint64_t offset);
static jitted* outer_code;
static jitted* inner_code;
static struct vigil__unwind_code jit;

static void jit_make(void) {
  uint8_t* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  CHECK(page != MAP_FAILED);
  memcpy(page, machine_code, sizeof(machine_code));
  memcpy(page + 1024, machine_code, sizeof(machine_code));
  CHECK_EQ(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
  jit.lo = (uintptr_t) page;
  jit.hi = jit.lo + 4096;
  memcpy(&outer_code, &(uint8_t*) { page }, sizeof(page));
  memcpy(&inner_code, &(uint8_t*) { page + 1024 }, sizeof(page));
}

static void (*innermost)(struct stack_thread* t);

__attribute__((noinline)) static void below_both(struct stack_thread* t) {
  innermost(t);
  NOT_LAST();
}

__attribute__((noinline)) static void between(struct stack_thread* t) {
  inner_code(below_both, t, 0x2221, UINT64_C(0x22) << 32);
  NOT_LAST();
}

static void through_jit(struct stack_thread* t) {
  outer_code(between, t, 0x1111, UINT64_C(0x11) << 32);
  NOT_LAST();
}

/* Index of the frame in the code at `code`. */
static unsigned jit_frame(jitted* code) {
  uint64_t at;
  unsigned i;

  memcpy(&at, &code, sizeof(at));
  for (i = 0; i < frames; i++)
    if (frame[i].pc > at && frame[i].pc < at + sizeof(machine_code))
      return i;
  test_fail(__FILE__, __LINE__, "not in the frames");
}

static void check_jit(void) {
  const unsigned first = jit_frame(inner_code);
  const unsigned second = jit_frame(outer_code);

  CHECK_EQ(second, first + 2);
  CHECK(!frame[first].native && !frame[second].native);
  CHECK_EQ(frame[first].interp, 0x2221);
  CHECK_EQ(frame[first].interp_offset, UINT64_C(0x22) << 32);
  CHECK_EQ(frame[second].interp, 0x1111);
  CHECK_EQ(frame[second].interp_offset, UINT64_C(0x11) << 32);
  CHECK_EQ(frame[first + 1].by, VIGIL__UNWIND_BY_FP);
  CHECK_EQ(frame[second + 1].by, VIGIL__UNWIND_BY_FP);
  CHECK_EQ(check_chain(), second + 3);
}

TEST(unwind_native_and_other_code_mixed) {
  struct stack_thread t;

  jit_make();
  inner = through_jit;
  innermost = stack_thread_spin;
  stack_thread_start(&t, plain_0);
  stack_thread_await(&t.ready, 2);
  take(&t);
  CHECK_EQ(taken.how, VIGIL__STACK_ON_CPU);
  unwind(&jit);
  check_jit();
  unwind(NULL);
  check_jit();
  stack_thread_end(&t);
}

/* Here rbp is not known, unless something on the way saved it. */
TEST(unwind_blocked_below_other_code) {
  struct stack_thread t;
  unsigned i;

  jit_make();
  inner = through_jit;
  innermost = stack_thread_read;
  stack_thread_start(&t, plain_0);
  stack_thread_await_syscall(&t, SYS_read);
  take(&t);
  CHECK_EQ(taken.how, VIGIL__STACK_IN_SYSCALL);
  unwind(&jit);
  CHECK_OP(jit_frame(outer_code), <, frames);
  CHECK_EQ(end, VIGIL__UNWIND_OUTERMOST);
  for (i = 0; i < frames && frame[i].pc != chain[0]; i++) {
  }
  CHECK_OP(i, <, frames);
  stack_thread_end(&t);
}

/* A stack made by hand: code at JIT + n. */
#define JIT UINT64_C(0x10000)
#define BASE UINT64_C(0x700000)

static const struct vigil__unwind_code made_jit = { JIT, JIT + 0x1000 };

static void make(size_t words, uint64_t pc, uint64_t sp, uint64_t fp) {
  memset(&taken, 0, sizeof(taken));
  taken.how = fp == 0 ? VIGIL__STACK_IN_SYSCALL : VIGIL__STACK_ON_CPU;
  taken.pc = pc;
  taken.sp = sp;
  taken.fp = fp;
  taken.lo = BASE;
  taken.len = words * 8;
}

static void put(unsigned index, uint64_t value) {
  memcpy(taken.bytes + 8 * index, &value, 8);
}

TEST(unwind_frame_pointers) {
  make(64, JIT, BASE, BASE + 6 * 8);
  put(1, 0x42);                       /* fp - 40 */
  put(2, 0x4711);                     /* fp - 32 */
  put(6, BASE + 20 * 8);
  put(7, JIT + 8);
  put(20, 0);
  put(21, JIT + 16);
  unwind(&made_jit);
  CHECK_EQ(frames, 3);
  CHECK_EQ(end, VIGIL__UNWIND_OUTERMOST);
  CHECK_EQ(frame[0].interp, 0x4711);
  CHECK_EQ(frame[0].interp_offset, 0x42);
  CHECK_EQ(frame[1].pc, JIT + 8);
  CHECK_EQ(frame[1].sp, BASE + 8 * 8);
  CHECK_EQ(frame[1].fp, BASE + 20 * 8);
  CHECK_EQ(frame[1].by, VIGIL__UNWIND_BY_FP);
  CHECK_EQ(frame[2].pc, JIT + 16);
  CHECK_EQ(frame[2].fp, 0);
  CHECK_EQ(frame[2].interp, 0);

  put(20, BASE + 6 * 8);              /* Down again. */
  unwind(&made_jit);
  CHECK_EQ(frames, 3);
  CHECK_EQ(end, VIGIL__UNWIND_LOST);
  put(20, BASE + 20 * 8 + 4);         /* Not aligned. */
  unwind(&made_jit);
  CHECK_EQ(end, VIGIL__UNWIND_LOST);
  put(20, BASE + 64 * 8);             /* Out of the copy. */
  unwind(&made_jit);
  CHECK_EQ(end, VIGIL__UNWIND_LOST);
  taken.truncated = true;
  unwind(&made_jit);
  CHECK_EQ(end, VIGIL__UNWIND_TRUNCATED);
  put(21, 0);
  unwind(&made_jit);
  CHECK_EQ(frames, 2);
  CHECK_EQ(end, VIGIL__UNWIND_OUTERMOST);
}

/* Code with a call of each kind, and what comes after the nth of them. */
static const uint8_t calls[] = {
  0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,  /* nop */
  0xe8, 0, 0, 0, 0,                               /* call 13 */
  0xff, 0xd0,                                     /* call *%rax */
  0xff, 0x50, 8,                                  /* call *8(%rax) */
  0xff, 0x15, 0, 0, 0, 0,                         /* call *0(%rip) */
  0x41, 0xff, 0x94, 0xc4, 0, 1, 0, 0,             /* call *(%r12,%rax,8) */
};

TEST(unwind_scan) {
  static const uint8_t after[] = { 13, 15, 18, 24, 32 };
  const uint64_t code = (uintptr_t) calls;
  const struct vigil__unwind_code range = { code, code + sizeof(calls) };
  size_t i;

  for (i = 0; i < sizeof(after); i++) {
    make(64, code, BASE + 8, 0);
    put(0, BASE + 20 * 8);            /* Below sp. */
    put(1, code + 13);
    put(4, BASE + 30 * 8);            /* Leads to no return address. */
    put(5, code + 13);
    put(6, BASE + 40 * 8);            /* Not after a call. */
    put(7, code + 8);
    put(8, BASE + 40 * 8);
    put(9, code + after[i]);
    put(40, 0);
    put(41, code + 15);
    unwind(&range);
    CHECK_EQ(frames, 3);
    CHECK_EQ(frame[1].pc, code + after[i]);
    CHECK_EQ(frame[1].by, VIGIL__UNWIND_BY_SCAN);
    CHECK_EQ(frame[2].pc, code + 15);
    CHECK_EQ(frame[2].by, VIGIL__UNWIND_BY_FP);
    CHECK_EQ(end, VIGIL__UNWIND_OUTERMOST);
  }
  /* Without the range, none of it is code. */
  unwind(NULL);
  CHECK_EQ(frames, 1);
  CHECK_EQ(end, VIGIL__UNWIND_LOST);
}

/* A module with a .eh_frame_hdr, and a CIE and an FDE for CODE_SIZE bytes. */
#define CODE_SIZE 256
#define CODE_AT 0x10000         /* Behind the header; nothing is there. */

struct section {
  uint8_t bytes[512];
  size_t len;
  size_t fde;
};

static struct section section;

static void add(const void* data, size_t len) {
  memcpy(section.bytes + section.len, data, len);
  section.len += len;
}

static void add_u32(uint64_t value) {
  add(&(uint32_t) { (uint32_t) value }, 4);
}

static uint64_t code_at(void) {
  return (uintptr_t) section.bytes + CODE_AT;
}

static void make_section(const char* letters, const uint8_t* code, size_t len) {
  static const uint8_t cie[] = {
    1, 0x78, 16,                /* Factors 1 and -8; rip. */
    1, 0x1b,                    /* Addresses relative to themselves. */
    0x0c, 7, 8, 0x90, 1         /* CFA is rsp + 8, rip at CFA - 8. */
  };
  const size_t letters_len = strlen(letters) + 1;
  size_t cie_at;

  section.len = 0;
  add((uint8_t[]) { 1, 0x1b, 3, 0x3b }, 4);
  add_u32(0);
  add_u32(1);
  add_u32(CODE_AT);
  cie_at = section.len + 4;
  section.fde = cie_at + 4 + 4 + 1 + letters_len + sizeof(cie);
  add_u32(section.fde);
  add_u32(4 + 1 + letters_len + sizeof(cie));
  add_u32(0);
  add((uint8_t[]) { 1 }, 1);
  add(letters, letters_len);
  add(cie, sizeof(cie));
  CHECK_EQ(section.fde, section.len);
  add_u32(4 + 4 + 4 + 1 + len);
  add_u32(section.len - cie_at);
  add_u32(CODE_AT - section.len);
  add_u32(CODE_SIZE);
  add((uint8_t[]) { 0 }, 1);
  if (len > 0)
    add(code, len);
  memset(&modules, 0, sizeof(modules));
  modules.count = 1;
  modules.module[0].lo = code_at();
  modules.module[0].hi = code_at() + CODE_SIZE;
  modules.module[0].eh_frame_hdr = (uintptr_t) section.bytes;
  modules.module[0].eh_frame_hdr_len = 20;
}

/* One step from the code at `offset`: its pc, rsp and rbp there, or LOST. */
#define GONE UINT64_MAX

static void check_step(int line,
                       const uint8_t* code,
                       size_t len,
                       uint64_t offset,
                       uint64_t pc,
                       uint64_t sp,
                       uint64_t fp) {
  make_section("zR", code, len);
  make(64, code_at() + offset, BASE, BASE + 16 * 8);
  taken.rbx = BASE + 24 * 8;
  taken.r12 = 12;
  for (unsigned i = 0; i < 60; i++)
    put(i, JIT + i);
  unwind(NULL);
  if (pc == GONE) {
    if (frames > 1 && frame[1].by == VIGIL__UNWIND_BY_CFI)
      test_fail(__FILE__, line, "unwound");
    return;
  }
  if (frames < 2 || frame[1].by != VIGIL__UNWIND_BY_CFI)
    test_fail(__FILE__, line, "not unwound");
  if (frame[1].pc != pc || frame[1].sp != sp || frame[1].fp != fp)
    test_fail(__FILE__, line, "pc %" PRIx64 ", sp %" PRIx64 ", fp %" PRIx64,
              frame[1].pc, frame[1].sp, frame[1].fp);
}

#define STEP(offset, pc, sp, fp, ...)                                         \
  do {                                                                        \
    static const uint8_t code[] = { __VA_ARGS__ };                            \
    check_step(__LINE__, code, sizeof(code), (offset), (pc), (sp), (fp));     \
  } while (0)

/* The nth word above BASE, and its address. */
#define W(n) (JIT + (n))
#define A(n) (BASE + 8 * (n))
#define FP A(16)

TEST(unwind_cfi_instructions) {
  STEP(0, W(0), A(1), FP, 0);
  /* advance, def_cfa_offset, offset: not before the instruction is done. */
  STEP(0, W(0), A(1), FP, 0x41, 0x0e, 16, 0x86, 2);
  STEP(1, W(1), A(2), W(0), 0x41, 0x0e, 16, 0x86, 2);
  /* advance of 1, 2 and 4 bytes. */
  STEP(99, W(0), A(1), FP, 2, 100, 0x0e, 16);
  STEP(100, W(1), A(2), FP, 2, 100, 0x0e, 16);
  STEP(99, W(0), A(1), FP, 3, 100, 0, 0x0e, 16);
  STEP(100, W(1), A(2), FP, 3, 100, 0, 0x0e, 16);
  STEP(99, W(0), A(1), FP, 4, 100, 0, 0, 0, 0x0e, 16);
  STEP(100, W(1), A(2), FP, 4, 100, 0, 0, 0, 0x0e, 16);
  /* def_cfa_register, def_cfa (by rbx), and their factored kin. */
  STEP(0, W(16), A(17), FP, 0x0d, 6);
  STEP(0, W(25), A(26), FP, 0x0c, 3, 16);
  STEP(0, W(25), A(26), FP, 0x12, 3, 0x7e);
  STEP(0, W(3), A(4), FP, 0x13, 0x7c);
  /* remember, change, restore. */
  STEP(1, W(3), A(4), W(2), 0x0a, 0x0e, 32, 0x86, 2, 0x42, 0x0b);
  STEP(2, W(0), A(1), FP, 0x0a, 0x0e, 32, 0x86, 2, 0x42, 0x0b);
  STEP(0, GONE, 0, 0, 0x0b);
  STEP(0, GONE, 0, 0, 10, 10, 10, 10, 10, 10, 10, 10, 10);
  /* restore, restore_extended: what the CIE says, which is nothing. */
  STEP(0, W(0), A(1), FP, 0x86, 0, 0xc6);
  STEP(0, W(0), A(1), FP, 0x86, 0, 6, 6);
  /* offset_extended(_sf), GNU_negative_offset_extended, GNU_args_size. */
  STEP(0, W(3), A(4), W(1), 0x0e, 32, 5, 6, 3);
  STEP(0, W(3), A(4), W(6), 0x0e, 32, 0x11, 6, 0x7e, 0x2e, 8);
  STEP(0, W(3), A(4), W(6), 0x0e, 32, 0x2f, 6, 2);
  /* val_offset(_sf): CFA + N. */
  STEP(0, W(0), A(1), A(1) - 16, 0x14, 6, 2);
  STEP(0, W(0), A(1), A(1) + 16, 0x15, 6, 0x7e);
  /* register (r12), same_value, undefined. */
  STEP(0, W(0), A(1), 12, 9, 6, 12);
  STEP(0, W(0), A(1), FP, 0x86, 0, 8, 6);
  STEP(0, W(0), A(1), 0, 7, 6);
  /* def_cfa_expression: rsp + 24; expression, val_expression. */
  STEP(0, W(2), A(3), FP, 0x0f, 2, 0x77, 24);
  STEP(0, W(0), A(1), W(5), 0x10, 6, 2, 0x77, 40);
  STEP(0, W(0), A(1), A(5), 0x16, 6, 2, 0x77, 40);
  /* The CFA is on the expression's stack. */
  STEP(0, W(0), A(1), A(2), 0x16, 6, 2, 0x23, 8);
  /* rip elsewhere. */
  STEP(0, W(7), A(1), FP, 0x10, 16, 2, 0x77, 56);
  STEP(0, JIT + 9, A(1), FP, 0x16, 16, 5, 0x0c, 9, 0, 1, 0);
  /* The ones that make no sense: unknown, past the end, registers that are
   * not known, a vector register, a CFA below. */
  STEP(0, GONE, 0, 0, 0x3f);
  STEP(0, GONE, 0, 0, 0x0e, 0x80);
  STEP(0, GONE, 0, 0, 0x0f, 100, 0);
  STEP(0, GONE, 0, 0, 0x0d, 2);
  STEP(0, GONE, 0, 0, 0x0d, 40);
  STEP(0, W(0), A(1), FP, 0x80 + 33, 1, 5, 33, 1, 0x10, 33, 1, 0x30);
}

/* The frame pointer is needed, and not known: of two frames, the one that was
 * made by calling this function wins. `ret` is a return address; false: it is
 * not seen to be of such a call. */
static void check_right_call(uint64_t ret, bool seen) {
  const uint64_t code = (uintptr_t) calls;
  const struct vigil__unwind_code range = { 1, UINT64_MAX };

  make(64, code_at() + 1, BASE, 0);
  put(4, BASE + 40 * 8);              /* Left behind by something else. */
  put(5, code + 15);
  put(8, BASE + 40 * 8);
  put(9, ret);
  put(41, code + 15);
  unwind(&range);
  CHECK_EQ(frames, 3);
  CHECK_EQ(frame[1].pc, seen ? ret : code + 15);
  CHECK_EQ(frame[1].by,
           seen ? VIGIL__UNWIND_BY_CALL : VIGIL__UNWIND_BY_SCAN);
}

static uint8_t caller[64];
static uint64_t slot;

/* The 4 bytes at caller[at] become the distance from behind them to `to`. */
static void set_distance(size_t at, uint64_t to) {
  memcpy(caller + at,
         &(uint32_t) { (uint32_t) (to - (uintptr_t) caller - at - 4) }, 4);
}

TEST(unwind_scan_prefers_the_right_call) {
  const uint64_t at = (uintptr_t) caller;

  make_section("zR", (uint8_t[]) { 0x0c, 6, 16, 0x86, 2 }, 5);
  caller[8] = 0xe8;
  set_distance(9, code_at());
  check_right_call(at + 13, true);
  set_distance(9, code_at() + 1);
  check_right_call(at + 13, false);
  /* By way of the PLT, of all sorts. */
  set_distance(9, at + 32);
  caller[32] = 0xff;
  caller[33] = 0x25;
  set_distance(34, (uintptr_t) &slot);
  check_right_call(at + 13, false);
  slot = code_at();
  check_right_call(at + 13, true);
  memcpy(caller + 32, "\xf3\x0f\x1e\xfa\xf2\xff\x25", 7);
  set_distance(39, (uintptr_t) &slot);
  check_right_call(at + 13, true);
  /* Without it: call *slot(%rip). */
  caller[7] = 0xff;
  caller[8] = 0x15;
  set_distance(9, (uintptr_t) &slot);
  check_right_call(at + 13, true);
  set_distance(9, 16);                /* Nothing can be read there. */
  check_right_call(at + 13, false);
}

TEST(unwind_cfi_ends) {
  make_section("zR", (uint8_t[]) { 7, 16 }, 2);
  make(64, code_at(), BASE, 0);
  unwind(NULL);
  CHECK_EQ(frames, 1);
  CHECK_EQ(end, VIGIL__UNWIND_OUTERMOST);
  /* The CFA is not above the stack pointer. */
  make_section("zR", (uint8_t[]) { 0x0e, 0, 0x90, 0 }, 4);
  make(64, code_at(), BASE, 0);
  put(0, JIT);
  unwind(NULL);
  CHECK_EQ(frames, 1);
  CHECK_EQ(end, VIGIL__UNWIND_LOST);
  /* Return address 0. */
  make_section("zR", NULL, 0);
  make(64, code_at(), BASE, 0);
  unwind(NULL);
  CHECK_EQ(frames, 1);
  CHECK_EQ(end, VIGIL__UNWIND_OUTERMOST);
  /* Not in the copy. */
  make(0, code_at(), BASE, 0);
  unwind(NULL);
  CHECK_EQ(end, VIGIL__UNWIND_LOST);
  taken.truncated = true;
  unwind(NULL);
  CHECK_EQ(end, VIGIL__UNWIND_TRUNCATED);
}

TEST(unwind_cfi_finds) {
  static const struct { const char* letters; int want; } cie[] = {
    { "zR", 0 }, { "zRS", 0 }, { "zRX", -EINVAL }, { "R", -EINVAL },
    { "zRRRRRRRRR", -EINVAL }
  };
  struct vigil__cfi cfi;
  size_t i;

  for (i = 0; i < sizeof(cie) / sizeof(cie[0]); i++) {
    make_section(cie[i].letters, NULL, 0);
    CHECK_EQ(vigil__cfi_find(modules.module, code_at(), &cfi), cie[i].want);
  }
  make_section("zRS", NULL, 0);
  CHECK_EQ(vigil__cfi_find(modules.module, code_at() + 255, &cfi), 0);
  CHECK(cfi.signal_frame);
  CHECK_EQ(cfi.pc_lo, code_at());
  CHECK_EQ(cfi.pc_hi, code_at() + CODE_SIZE);
  CHECK_EQ(vigil__cfi_find(modules.module, code_at() + CODE_SIZE, &cfi),
           -ENOENT);
  CHECK_EQ(vigil__cfi_find(modules.module, code_at() - 1, &cfi), -ENOENT);
  section.bytes[3] = 0x1b;
  CHECK_EQ(vigil__cfi_find(modules.module, code_at(), &cfi), -EINVAL);
  make_section("zR", NULL, 0);
  section.bytes[8] = 2;  /* More entries than there is room. */
  CHECK_EQ(vigil__cfi_find(modules.module, code_at(), &cfi), -EINVAL);
  modules.module[0].eh_frame_hdr = 0x1000;
  CHECK_EQ(vigil__cfi_find(modules.module, code_at(), &cfi), -EINVAL);
  modules.module[0].eh_frame_hdr = 0;
  CHECK_EQ(vigil__cfi_find(modules.module, code_at(), &cfi), -ENOENT);
}

/* Every function of the program and its libraries that the test can reach. */
TEST(unwind_cfi_agrees_with_the_loader) {
  const struct vigil__module* m;
  struct vigil__cfi_row row;
  struct vigil__cfi cfi;
  unsigned found = 0;
  uint64_t pc;

  vigil__modules_refresh(&modules);
  m = vigil__modules_find(&modules, (uintptr_t) __builtin_return_address(0));
  CHECK(m != NULL);
  for (pc = m->lo; pc < m->hi; pc += 97) {
    if (vigil__cfi_find(m, pc, &cfi) != 0)
      continue;
    CHECK_EQ(vigil__cfi_row(&cfi, pc, &row), 0);
    CHECK(pc >= cfi.pc_lo && pc < cfi.pc_hi);
    found++;
  }
  CHECK_OP(found, >, 100);
  pc = (uintptr_t) dlsym(RTLD_DEFAULT, "qsort");
  m = vigil__modules_find(&modules, pc);
  CHECK(m != NULL);
  CHECK_EQ(vigil__cfi_find(m, pc, &cfi), 0);
  CHECK_EQ(cfi.pc_lo, pc);
}

static int eval(const uint8_t* code, size_t len, uint64_t* result) {
  struct vigil__regs regs = { .known = 0 };
  struct vigil__read r;

  make(4, 0, 0, 0);
  put(1, UINT64_C(0xfedcba9876543210));
  vigil__regs_set(&regs, 7, BASE);
  vigil__regs_set(&regs, 16, 0x100b);
  vigil__read_init(&r, (uintptr_t) code, (uintptr_t) code + len);
  return vigil__unwind_expr(&r, &regs, &taken, NULL, result);
}

#define EXPR(want, ...)                                                       \
  do {                                                                        \
    const uint8_t code[] = { __VA_ARGS__ };                                   \
    uint64_t result = 0;                                                      \
    CHECK_EQ(eval(code, sizeof(code), &result), 0);                           \
    CHECK_EQ(result, want);                                                   \
  } while (0)

#define EXPR_ERROR(want, ...)                                                 \
  do {                                                                        \
    const uint8_t code[] = { __VA_ARGS__ };                                   \
    uint64_t result = 0;                                                      \
    CHECK_EQ(eval(code, sizeof(code), &result), want);                        \
  } while (0)

TEST(unwind_expressions) {
  EXPR(31, 0x4f);
  EXPR(0xff, 0x08, 0xff);
  EXPR(-1, 0x09, 0xff);
  EXPR(0xfffe, 0x0a, 0xfe, 0xff);
  EXPR(-2, 0x0b, 0xfe, 0xff);
  EXPR(0xfffffffe, 0x0c, 0xfe, 0xff, 0xff, 0xff);
  EXPR(-2, 0x0d, 0xfe, 0xff, 0xff, 0xff);
  EXPR(0x0807060504030201, 0x0e, 1, 2, 3, 4, 5, 6, 7, 8);
  EXPR(0x0807060504030201, 0x03, 1, 2, 3, 4, 5, 6, 7, 8);
  EXPR(300, 0x10, 0xac, 2);
  EXPR(-300, 0x11, 0xd4, 0x7d);
  EXPR(4, 0x32, 0x12, 0x22);                      /* dup */
  EXPR(2, 0x32, 0x33, 0x13);                      /* drop */
  EXPR(5, 0x32, 0x33, 0x14, 0x14, 0x13, 0x22);    /* over */
  EXPR(4, 0x34, 0x33, 0x32, 0x15, 2);             /* pick */
  EXPR(1, 0x32, 0x33, 0x16, 0x1c);                /* swap */
  EXPR(3, 0x34, 0x33, 0x32, 0x17);                /* rot */
  EXPR(4, 0x34, 0x33, 0x32, 0x17, 0x13);
  EXPR(2, 0x34, 0x33, 0x32, 0x17, 0x13, 0x13);
  EXPR(5, 0x09, 0xfb, 0x19);                      /* abs */
  EXPR(2, 0x36, 0x33, 0x1a);
  EXPR(-3, 0x09, 0xfa, 0x32, 0x1b);
  EXPR(1, 0x37, 0x33, 0x1d);
  EXPR(21, 0x37, 0x33, 0x1e);
  EXPR(-7, 0x37, 0x1f);
  EXPR(-8, 0x37, 0x20);
  EXPR(7, 0x35, 0x32, 0x21);
  EXPR(12, 0x35, 0x23, 7);
  EXPR(20, 0x35, 0x32, 0x24);
  EXPR(1, 0x35, 0x32, 0x25);
  EXPR(-2, 0x09, 0xf8, 0x32, 0x26);
  EXPR(-1, 0x09, 0xf8, 0x10, 0x80, 0x01, 0x26);
  EXPR(6, 0x35, 0x33, 0x27);
  EXPR(1, 0x35, 0x35, 0x29);
  EXPR(1, 0x35, 0x33, 0x2a);
  EXPR(0, 0x35, 0x35, 0x2b);
  EXPR(1, 0x35, 0x35, 0x2c);
  EXPR(1, 0x09, 0xff, 0x35, 0x2d);
  EXPR(1, 0x34, 0x35, 0x2e);
  EXPR(9, 0x39, 0x2f, 1, 0, 0x3f, 0x96);          /* skip */
  EXPR(9, 0x39, 0x31, 0x28, 1, 0, 0x3f);          /* bra */
  EXPR(15, 0x39, 0x30, 0x28, 1, 0, 0x3f);
  EXPR(0x1013, 0x80, 8);
  EXPR(0x100a, 0x92, 16, 0x7f);
  EXPR(0xfedcba9876543210, 0x77, 8, 0x06);
  EXPR(0x3210, 0x77, 8, 0x94, 2);
  /* What the linker writes for the PLT. */
  EXPR(BASE + 16, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22);

  EXPR_ERROR(-EINVAL, 0x13);
  EXPR_ERROR(-EINVAL, 0xff);
  EXPR_ERROR(-EINVAL, 0x31, 0x30, 0x1b);
  EXPR_ERROR(-EINVAL, 0x31, 0x30, 0x1d);
  EXPR_ERROR(-EINVAL, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x09, 0xff, 0x1b);
  EXPR_ERROR(-EINVAL, 0x31, 0x15, 1);
  EXPR_ERROR(-EINVAL, 0x31, 0x31, 0x17);
  EXPR_ERROR(-EINVAL, 0x08);
  EXPR_ERROR(-EINVAL, 0x2f, 0xfd, 0xff);          /* For ever. */
  EXPR_ERROR(-EINVAL, 0x2f, 0xf0, 0xff);
  EXPR_ERROR(-EINVAL, 0x2f, 1, 0);
  EXPR_ERROR(-EINVAL, 0x31, 0x12, 0x2f, 0xfc, 0xff);  /* Too deep. */
  EXPR_ERROR(-ENODATA, 0x76, 0);
  EXPR_ERROR(-ENODATA, 0x92, 99, 0);
  EXPR_ERROR(-ERANGE, 0x77, 0x78, 0x06);
  EXPR_ERROR(-EINVAL, 0x77, 0, 0x94, 3);
}

TEST(unwind_modules) {
  const uint64_t here = (uintptr_t) __builtin_return_address(0);
  const struct vigil__module* m;
  Dl_info info;
  uint32_t i;

  CHECK(vigil__modules_refresh(&modules));
  CHECK(!vigil__modules_refresh(&modules));
  CHECK_OP(modules.count, >, 2);
  CHECK_EQ(modules.dropped, 0);
  for (i = 1; i < modules.count; i++)
    CHECK_OP(modules.module[i].lo, >=, modules.module[i - 1].hi);
  m = vigil__modules_find(&modules, here);
  CHECK(m != NULL);
  CHECK_STR(vigil__modules_path(&modules, m), "");
  CHECK_OP(dladdr((void*) (uintptr_t) here, &info), !=, 0);
  CHECK_EQ(m->bias, (uintptr_t) info.dli_fbase);
  CHECK(vigil__modules_find(&modules, m->lo) == m);
  CHECK(vigil__modules_find(&modules, m->hi - 1) == m);
  CHECK(vigil__modules_find(&modules, m->hi) != m);
  CHECK(vigil__modules_find(&modules, 0) == NULL);
  CHECK(vigil__modules_find(&modules, UINT64_MAX) == NULL);
}

/* A library that goes while we hold its addresses costs frames only. */
TEST(unwind_module_that_is_unloaded) {
  void* lib = dlopen("libresolv.so.2", RTLD_NOW);
  struct vigil__cfi cfi;
  const struct vigil__module* m;
  uint64_t pc;

  CHECK(lib != NULL);
  CHECK(vigil__modules_refresh(&modules));
  pc = (uintptr_t) dlsym(lib, "ns_name_ntop");
  m = vigil__modules_find(&modules, pc);
  if (pc == 0 || m == NULL ||
      strstr(vigil__modules_path(&modules, m), "libresolv") == NULL) {
    /* Moved into libc. */
    m = NULL;
    for (uint32_t i = 0; i < modules.count; i++)
      if (strstr(vigil__modules_path(&modules, &modules.module[i]),
                 "libresolv") != NULL)
        m = &modules.module[i];
    CHECK(m != NULL);
    for (pc = m->lo; vigil__cfi_find(m, pc, &cfi) != 0; pc++)
      CHECK_OP(pc, <, m->hi);
  }
  CHECK_EQ(vigil__cfi_find(m, pc, &cfi), 0);
  CHECK_EQ(dlclose(lib), 0);
  CHECK_EQ(vigil__cfi_find(m, pc, &cfi), -EINVAL);
  make(64, pc, BASE, 0);
  unwind(NULL);
  CHECK_EQ(frames, 1);
  CHECK_EQ(end, VIGIL__UNWIND_LOST);
  CHECK(vigil__modules_refresh(&modules));
  CHECK(vigil__modules_find(&modules, pc) == NULL);
}

static ssize_t refuse(const struct iovec* to,
                      const struct iovec* from,
                      size_t pages) {
  (void) to, (void) from, (void) pages;
  return -EPERM;
}

TEST(unwind_without_the_system_call) {
  struct stack_thread t;

  jit_make();
  inner = through_jit;
  innermost = stack_thread_spin;
  stack_thread_start(&t, plain_0);
  stack_thread_await(&t.ready, 2);
  vigil__memory_os = refuse;
  take(&t);
  unwind(&jit);
  CHECK_OP(frames, >, 2);
  CHECK_EQ(frame[1].by, VIGIL__UNWIND_BY_FP);
  CHECK_EQ(frame[2].by, VIGIL__UNWIND_BY_FP);
  stack_thread_end(&t);
}

/* Words that look like something, more often than not. */
static uint64_t garbage(size_t words) {
  switch (test_random(6)) {
    case 0: return test_random(UINT64_MAX >> 1) * 3;
    case 1: return JIT + test_random(0x1000);
    case 2: {
      const struct vigil__module* m =
          &modules.module[test_random(modules.count)];
      return m->lo + test_random(m->hi - m->lo);
    }
    case 3: return UINT64_MAX - test_random(64);
    default: return BASE + test_random(words * 8 + 32);
  }
}

static void check_frames(void) {
  unsigned i;

  CHECK_OP(frames, >=, 1);
  CHECK_OP(frames, <=, MAX);
  for (i = 1; i < frames; i++)
    CHECK(frame[i].sp > frame[i - 1].sp);
}

TEST(unwind_garbage) {
  size_t words;
  size_t i;
  int n;

  vigil__modules_refresh(&modules);
  for (n = 0; n < 20000; n++) {
    words = test_random(n % 50 == 0 ? VIGIL__STACK_BYTES / 8 + 1 : 64);
    make(words, garbage(words), test_random(4) ? BASE : garbage(words),
         test_random(4) == 0 ? 0 : garbage(words));
    taken.rbx = garbage(words);
    taken.r12 = garbage(words);
    taken.truncated = test_random(2);
    for (i = 0; i < words; i++)
      put((unsigned) i, garbage(words));
    ASAN_POISON_MEMORY_REGION(taken.bytes + words * 8,
                              sizeof(taken.bytes) - words * 8);
    unwind(&made_jit);
    ASAN_UNPOISON_MEMORY_REGION(taken.bytes, sizeof(taken.bytes));
    check_frames();
  }
}

TEST(unwind_garbage_for_information) {
  uint8_t code[40];
  size_t i;
  int n;

  for (n = 0; n < 20000; n++) {
    for (i = 0; i < sizeof(code); i++)
      code[i] = (uint8_t) (test_random(2) ? test_random(0x30)
                                          : test_random(256));
    make_section("zR", code, sizeof(code));
    /* And some of what is around it. */
    if (n % 2 == 0)
      for (i = test_random(4); i > 0; i--)
        section.bytes[test_random(section.len)] ^=
            (uint8_t) (1 << test_random(8));
    make(32, code_at() + test_random(20), BASE, BASE + test_random(256));
    for (i = 0; i < 32; i++)
      put((unsigned) i, test_random(2) ? code_at() + test_random(64)
                                       : BASE + test_random(300));
    unwind(NULL);
    check_frames();
  }
}
