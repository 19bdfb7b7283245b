/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "stack_signal.h"

#include "clock.h"
#include "memory.h"

#include <errno.h>
#include <semaphore.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define FIRST_SIGNAL 6          /* Above SIGRTMIN. */
#define GRACE_NS (100 * VIGIL__MS)

/* There is one request at a time. `state` holds the tid it is for and who owns
 * `request`, both in one word, so that a signal that comes late or to another
 * thread finds nothing to serve:
 *   FREE     the taker;
 *   ASKED    the taker wrote the bounds, and the thread may take over;
 *   COPYING  the thread, whatever the taker does meanwhile;
 *   DONE     the taker again.
 * FREE -> ASKED, ASKED -> FREE (gave up) and DONE -> FREE are the taker's
 * steps, ASKED -> COPYING -> DONE the handler's. The two that leave ASKED are
 * compare-and-swap: one wins. Who takes `request` over by a step (acquire)
 * sees what the former owner wrote before its own (release). */
enum { FREE, ASKED, COPYING, DONE };

static _Atomic uint64_t state;
static struct {
  uint64_t lo;                  /* Of the stack to copy. */
  uint64_t hi;
  struct vigil__stack stack;
} request;
static sem_t done;              /* Wakes the taker; says nothing by itself. */

/* The taker's. */
static int signal_number;       /* 0: no handler installed yet. */
static uint32_t signal_epoch;   /* Counts the signals used so far. */

/* Each thread's own, so that the handler needs no pointer that may be stale;
 * outlives the target. */
static _Thread_local struct {
  _Atomic uint32_t tid;         /* 0: not a target. Only this thread's. */
  _Atomic uint32_t delivered;   /* Signals that came; the taker reads it. */
} self;

static uint64_t word(uint32_t tid, unsigned step) {
  return (uint64_t) tid << 2 | step;
}

/* Another thread's stack, or parts of frames in our own: no tool that watches
 * memory may judge it, nor replace it by a call of memcpy(). */
__attribute__((noinline))
#if defined(__clang__)
__attribute__((no_sanitize("address", "thread", "memory")))
#else
__attribute__((no_sanitize_address, no_sanitize_thread))
#endif
static void copy_words(volatile uint64_t* to, uint64_t from, size_t words) {
  const volatile uint64_t* w = (const volatile uint64_t*) (uintptr_t) from;
  size_t i;

  for (i = 0; i < words; i++)
    to[i] = w[i];
}

void vigil__stack_slice(struct vigil__stack* s,
                        uint64_t lo,
                        uint64_t hi,
                        bool direct) {
  size_t want = VIGIL__STACK_BYTES;
  ssize_t r;

  s->lo = s->sp & ~UINT64_C(7);
  s->foreign = s->sp < lo || s->sp >= hi;
  if (!s->foreign && hi - s->lo < want)
    want = (size_t) (hi - s->lo) & ~(size_t) 7;
  if (s->foreign || !direct) {
    r = vigil__memory_read(s->lo, s->bytes, want);
    s->len = r < 0 ? 0 : (size_t) r & ~(size_t) 7;
    /* Refused, not a hole: the bounds are known, and everything from sp to the
     * top of a stack is mapped. */
    direct = r < 0 && r != -EFAULT;
  }
  if (!s->foreign && direct) {
    copy_words((volatile uint64_t*) (void*) s->bytes, s->lo, want / 8);
    s->len = want;
  }
  s->truncated = s->foreign || s->lo + s->len < hi;
}

static void on_signal(int signal, siginfo_t* info, void* context) {
  const uint32_t tid = atomic_load_explicit(&self.tid, memory_order_relaxed);
  const greg_t* reg = ((const ucontext_t*) context)->uc_mcontext.gregs;
  struct vigil__stack* s = &request.stack;
  uint64_t expected = word(tid, ASKED);
  const int saved_errno = errno;

  (void) signal;
  (void) info;
  /* Pairs with ask(): seq_cst on both sides, so that either this sees ASKED or
   * the taker sees that this signal is spent. */
  atomic_fetch_add_explicit(&self.delivered, 1, memory_order_seq_cst);
  if (tid == 0 ||
      !atomic_compare_exchange_strong_explicit(&state, &expected,
                                               word(tid, COPYING),
                                               memory_order_seq_cst,
                                               memory_order_relaxed))
    return;
  s->how = VIGIL__STACK_ON_CPU;
  s->syscall = -1;
  s->pc = (uint64_t) reg[REG_RIP];
  s->sp = (uint64_t) reg[REG_RSP];
  s->fp = (uint64_t) reg[REG_RBP];
  s->rbx = (uint64_t) reg[REG_RBX];
  s->r12 = (uint64_t) reg[REG_R12];
  s->r13 = (uint64_t) reg[REG_R13];
  s->r14 = (uint64_t) reg[REG_R14];
  s->r15 = (uint64_t) reg[REG_R15];
  vigil__stack_slice(s, request.lo, request.hi, true);
  atomic_store_explicit(&state, word(tid, DONE), memory_order_release);
  sem_post(&done);
  errno = saved_errno;
}

void vigil__stack_signal_join(struct vigil__stack_target* t) {
  t->tid = gettid();
  t->delivered = &self.delivered;
  t->sent = atomic_load_explicit(&self.delivered, memory_order_relaxed);
  t->epoch = 0;
  atomic_store_explicit(&self.tid, (uint32_t) t->tid, memory_order_relaxed);
}

void vigil__stack_signal_leave(const struct vigil__stack_target* t) {
  if (gettid() == t->tid)
    atomic_store_explicit(&self.tid, 0, memory_order_relaxed);
}

static bool is_free(const struct sigaction* sa) {
  return (sa->sa_flags & SA_SIGINFO) == 0 && sa->sa_handler == SIG_DFL;
}

static bool is_ours(const struct sigaction* sa) {
  return (sa->sa_flags & SA_SIGINFO) != 0 && sa->sa_sigaction == on_signal;
}

/* Takes a signal nobody uses, unless the one we have is still ours. */
static int ensure_signal(void) {
  struct sigaction ours = { .sa_sigaction = on_signal };
  struct sigaction old;
  int i;

  if (signal_number != 0 &&
      vigil__stack_os.sigaction(signal_number, NULL, &old) == 0 &&
      is_ours(&old))
    return 0;
  if (signal_number == 0 && sem_init(&done, 0, 0) != 0)
    return -errno;
  ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  /* No handler of the app's may jump out of ours. */
  sigfillset(&ours.sa_mask);
  sigdelset(&ours.sa_mask, SIGSEGV);
  sigdelset(&ours.sa_mask, SIGBUS);
  sigdelset(&ours.sa_mask, SIGILL);
  sigdelset(&ours.sa_mask, SIGFPE);
  sigdelset(&ours.sa_mask, SIGTRAP);
  for (i = SIGRTMIN + FIRST_SIGNAL; i <= SIGRTMAX; i++) {
    if (vigil__stack_os.sigaction(i, NULL, &old) != 0 || !is_free(&old) ||
        vigil__stack_os.sigaction(i, &ours, &old) != 0)
      continue;
    if (!is_free(&old)) {
      /* The app was quicker between the two. */
      vigil__stack_os.sigaction(i, &old, NULL);
      continue;
    }
    signal_number = i;
    signal_epoch++;
    return 0;
  }
  return -ENOTSUP;
}

/* Sends the signal, unless the last one has not been served yet: a thread that
 * has it blocked must not collect them. */
static int send_signal(struct vigil__stack_target* t) {
  /* Pairs with the increment in on_signal(), see there. */
  const uint32_t delivered =
      atomic_load_explicit(t->delivered, memory_order_seq_cst);
  int r;

  /* What was sent as another signal may never come. */
  if (t->epoch != signal_epoch)
    t->sent = delivered;
  t->epoch = signal_epoch;
  if ((int32_t) (t->sent - delivered) > 0)
    return 0;
  r = vigil__stack_os.tgkill(t->tid, signal_number);
  if (r == 0)
    t->sent = delivered + 1;
  return r;
}

/* Waits for DONE until `deadline`; false: it did not come. A wake-up may be of
 * an earlier request. */
static bool wait_done(uint32_t tid, vigil__mono_t deadline) {
  struct timespec ts;

  ts.tv_sec = (time_t) (deadline / VIGIL__SEC);
  ts.tv_nsec = (long) (deadline % VIGIL__SEC);
  /* Pairs with the store in on_signal(). */
  while (atomic_load_explicit(&state, memory_order_acquire) !=
         word(tid, DONE)) {
    if (sem_clockwait(&done, CLOCK_MONOTONIC, &ts) != 0 && errno != EINTR)
      return atomic_load_explicit(&state, memory_order_acquire) ==
             word(tid, DONE);
  }
  return true;
}

/* ASKED -> FREE; false: the thread is copying, or has. */
static bool give_up(uint32_t tid) {
  uint64_t expected = word(tid, ASKED);

  /* Pairs with the same in on_signal(). */
  return atomic_compare_exchange_strong_explicit(&state, &expected, FREE,
                                                 memory_order_acquire,
                                                 memory_order_relaxed);
}

int vigil__stack_signal_take(struct vigil__stack_target* t,
                             struct vigil__stack* to,
                             uint64_t timeout_ns) {
  const uint32_t tid = (uint32_t) t->tid;
  const vigil__mono_t deadline = vigil__mono_now() + timeout_ns;
  int r;

  /* Pairs with the store of DONE in on_signal(): one that was given up. */
  if ((atomic_load_explicit(&state, memory_order_acquire) & 3) == COPYING)
    return -EBUSY;
  r = ensure_signal();
  if (r != 0)
    return r;
  while (sem_trywait(&done) == 0) {
  }
  request.lo = t->lo;
  request.hi = t->hi;
  /* Pairs with the step to COPYING; seq_cst for what send_signal() reads. */
  atomic_store_explicit(&state, word(tid, ASKED), memory_order_seq_cst);
  r = send_signal(t);
  if (r != 0 && give_up(tid))
    return r;
  if (!wait_done(tid, deadline)) {
    if (give_up(tid))
      return -ETIMEDOUT;
    if (!wait_done(tid, vigil__mono_now() + GRACE_NS))
      return -ETIMEDOUT;
  }
  memcpy(to, &request.stack,
         offsetof(struct vigil__stack, bytes) + request.stack.len);
  atomic_store_explicit(&state, FREE, memory_order_relaxed);
  return 0;
}
