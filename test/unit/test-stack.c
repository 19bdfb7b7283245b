/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "stack.h"

#include "memory.h"
#include "os.h"
#include "stack-thread.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static struct vigil__stack taken;
static struct vigil__stack_os real;  /* What spies pass on to. */
static int kills;
static int last_signal;

static int spy_tgkill(pid_t tid, int signal) {
  kills++;
  last_signal = signal;
  return real.tgkill(tid, signal);
}

static void spy(void) {
  real = vigil__stack_os;
  vigil__stack_os.tgkill = spy_tgkill;
}

static int handled_signals(void) {
  struct sigaction sa;
  int n = 0;
  int i;

  for (i = SIGRTMIN; i <= SIGRTMAX; i++) {
    CHECK_EQ(sigaction(i, NULL, &sa), 0);
    n += sa.sa_handler != SIG_DFL;
  }
  return n;
}

/* The copy is what the stack of a thread that does not move holds. */
static void check_copy(const struct stack_thread* t) {
  uint8_t* now = malloc(taken.len);

  CHECK(taken.sp >= t->target.lo && taken.sp < t->target.hi);
  CHECK_EQ(taken.lo, taken.sp & ~UINT64_C(7));
  CHECK(!taken.foreign);
  CHECK_OP(taken.len, >, 0);
  CHECK_EQ(taken.truncated, taken.lo + taken.len != t->target.hi);
  CHECK_EQ(vigil__memory_read(taken.lo, now, taken.len), taken.len);
  CHECK_EQ(memcmp(now, taken.bytes, taken.len), 0);
  free(now);
}

TEST(stack_blocked_thread_is_only_looked_at) {
  struct stack_thread t;

  spy();
  stack_thread_start(&t, stack_thread_read);
  stack_thread_await_syscall(&t, SYS_read);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK_EQ(taken.how, VIGIL__STACK_IN_SYSCALL);
  CHECK_EQ(taken.syscall, SYS_read);
  CHECK_EQ(taken.fp, 0);
  CHECK(taken.pc != 0);
  check_copy(&t);
  CHECK_EQ(kills, 0);
  CHECK_EQ(handled_signals(), 0);
  stack_thread_end(&t);
  CHECK_EQ(t.result, 1);
}

static void sleep_once(struct stack_thread* t) {
  struct timespec ts = { 0, 500 * 1000 * 1000 };

  t->result = nanosleep(&ts, NULL) == 0 ? 0 : errno;
}

TEST(stack_sleep_is_not_interrupted) {
  struct stack_thread t;
  int i;

  stack_thread_start(&t, sleep_once);
  stack_thread_await_syscall(&t, SYS_clock_nanosleep);
  for (i = 0; i < 50; i++) {
    CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
    if (taken.syscall != SYS_clock_nanosleep)
      break;  /* A slow machine: it is over. */
  }
  CHECK_OP(i, >, 0);
  stack_thread_end(&t);
  CHECK_EQ(t.result, 0);
}

TEST(stack_running_thread_copies_itself) {
  struct stack_thread t;
  struct sigaction sa;
  int i;

  spy();
  stack_thread_start(&t, stack_thread_spin);
  stack_thread_await(&t.ready, 2);
  CHECK_EQ(handled_signals(), 0);
  for (i = 0; i < 100; i++) {
    memset(&taken, 0xee, sizeof(taken));
    CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
    CHECK_EQ(taken.how, VIGIL__STACK_ON_CPU);
    CHECK_EQ(taken.syscall, -1);
    check_copy(&t);
  }
  CHECK_EQ(kills, 100);
  CHECK_EQ(handled_signals(), 1);
  CHECK_EQ(last_signal, SIGRTMIN + 6);
  CHECK_EQ(sigaction(last_signal, NULL, &sa), 0);
  CHECK_EQ(sa.sa_flags & (SA_RESTART | SA_ONSTACK | SA_SIGINFO),
           SA_RESTART | SA_ONSTACK | SA_SIGINFO);
  stack_thread_end(&t);
}

static void spin_keeping_errno(struct stack_thread* t) {
  errno = 12345;
  stack_thread_spin(t);
  t->result = errno;
}

/* Also where the copy is made by a system call that fails. */
static ssize_t refuse(const struct iovec* to,
                      const struct iovec* from,
                      size_t pages) {
  (void) to, (void) from, (void) pages;
  errno = EPERM;
  return -EPERM;
}

TEST(stack_handler_keeps_errno) {
  struct stack_thread t;

  vigil__memory_os = refuse;
  stack_thread_start(&t, spin_keeping_errno);
  stack_thread_await(&t.ready, 2);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK(!taken.foreign);
  t.target.lo = t.target.hi = 0;
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK(taken.foreign && taken.truncated);
  CHECK_EQ(taken.len, 0);
  stack_thread_end(&t);
  CHECK_EQ(t.result, 12345);
}

TEST(stack_copied_without_the_system_call) {
  struct stack_thread t;

  stack_thread_start(&t, stack_thread_read);
  stack_thread_await_syscall(&t, SYS_read);
  vigil__memory_os = refuse;
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK_EQ(taken.how, VIGIL__STACK_IN_SYSCALL);
  CHECK_OP(taken.len, >, 0);
  stack_thread_end(&t);
}

static void spin_masked(struct stack_thread* t) {
  sigset_t all;

  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
  atomic_store(&t->ready, 2);
  while (!atomic_load(&t->go)) {
  }
  pthread_sigmask(SIG_UNBLOCK, &all, NULL);
  stack_thread_spin(t);
}

TEST(stack_signal_that_is_blocked) {
  static struct vigil__stack before;
  struct stack_thread t;
  uint32_t delivered;
  int i;

  spy();
  stack_thread_start(&t, spin_masked);
  stack_thread_await(&t.ready, 2);
  for (i = 0; i < 3; i++)
    CHECK_EQ(vigil__stack_take(&t.target, &taken, 5 * VIGIL__MS), -ETIMEDOUT);
  CHECK_EQ(kills, 1);  /* They do not pile up. */
  /* The one that comes late writes nowhere. */
  delivered = atomic_load(t.target.delivered);
  memset(&taken, 0x5a, sizeof(taken));
  before = taken;
  atomic_store(&t.go, 1);
  stack_thread_await(&t.ready, 3);
  CHECK_EQ(atomic_load(t.target.delivered), delivered + 1);
  CHECK_EQ(memcmp(&before, &taken, sizeof(taken)), 0);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK_EQ(kills, 2);
  check_copy(&t);
  stack_thread_end(&t);
}

TEST(stack_late_signal_serves_the_next_request_of_its_thread_only) {
  struct stack_thread masked;
  struct stack_thread other;

  spy();
  stack_thread_start(&masked, spin_masked);
  stack_thread_start(&other, stack_thread_spin);
  stack_thread_await(&masked.ready, 2);
  stack_thread_await(&other.ready, 2);
  CHECK_EQ(vigil__stack_take(&masked.target, &taken, 5 * VIGIL__MS),
           -ETIMEDOUT);
  CHECK_EQ(vigil__stack_take(&other.target, &taken, PATIENCE), 0);
  CHECK(taken.sp >= other.target.lo && taken.sp < other.target.hi);
  CHECK_EQ(kills, 2);
  atomic_store(&masked.go, 1);
  CHECK_EQ(vigil__stack_take(&masked.target, &taken, PATIENCE), 0);
  CHECK(taken.sp >= masked.target.lo && taken.sp < masked.target.hi);
  stack_thread_end(&masked);
  stack_thread_end(&other);
}

static void do_nothing(struct stack_thread* t) {
  stack_thread_read(t);
  vigil__stack_target_close(&t->target);
  atomic_store(&t->ready, 2);
  stack_thread_read(t);
}

TEST(stack_signal_after_the_target_closed_is_ignored) {
  struct stack_thread t;
  struct stack_thread* other = malloc(sizeof(*other));
  const _Atomic uint32_t* delivered;
  uint32_t before;

  spy();
  stack_thread_start(other, stack_thread_spin);
  stack_thread_await(&other->ready, 2);
  CHECK_EQ(vigil__stack_take(&other->target, &taken, PATIENCE), 0);
  stack_thread_start(&t, do_nothing);
  delivered = t.target.delivered;
  CHECK_EQ(write(t.pipe[1], "x", 1), 1);
  stack_thread_await(&t.ready, 2);
  before = atomic_load(delivered);
  CHECK_EQ(real.tgkill(t.target.tid, last_signal), 0);
  while (atomic_load(delivered) == before)
    sched_yield();
  stack_thread_end(&t);
  CHECK_EQ(t.result, 1);
  stack_thread_end(other);
  free(other);
}

static int app_calls;

static void app_handler(int signal) {
  (void) signal;
  app_calls++;
}

static void install(int signal) {
  struct sigaction sa = { .sa_handler = app_handler };

  CHECK_EQ(sigaction(signal, &sa, NULL), 0);
}

static void check_installed(int signal) {
  struct sigaction sa;

  CHECK_EQ(sigaction(signal, NULL, &sa), 0);
  CHECK(sa.sa_handler == app_handler);
}

TEST(stack_handler_of_the_app_wins) {
  struct stack_thread t;
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  int i;

  spy();
  stack_thread_start(&t, stack_thread_spin);
  stack_thread_await(&t.ready, 2);
  install(SIGRTMIN + 6);
  CHECK_EQ(sigaction(SIGRTMIN + 7, &ignore, NULL), 0);
  for (i = SIGRTMIN + 8; i <= SIGRTMAX; i++) {
    CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
    CHECK_EQ(last_signal, i);
    install(i);  /* Stolen. */
  }
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), -ENOTSUP);
  for (i = SIGRTMIN + 8; i <= SIGRTMAX; i++)
    check_installed(i);
  check_installed(SIGRTMIN + 6);
  CHECK_EQ(sigaction(SIGRTMIN + 7, NULL, &ignore), 0);
  CHECK(ignore.sa_handler == SIG_IGN);
  CHECK_EQ(app_calls, 0);
  stack_thread_end(&t);
}

/* Installs the app's handler between our look and our own sigaction(). */
static int late_sigaction(int signal,
                          const struct sigaction* set,
                          struct sigaction* get) {
  static bool done;

  if (set != NULL && !done) {
    done = true;
    install(signal);
  }
  return real.sigaction(signal, set, get);
}

TEST(stack_handler_of_the_app_wins_by_a_hair) {
  struct stack_thread t;

  spy();
  vigil__stack_os.sigaction = late_sigaction;
  stack_thread_start(&t, stack_thread_spin);
  stack_thread_await(&t.ready, 2);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK_EQ(last_signal, SIGRTMIN + 7);
  check_installed(SIGRTMIN + 6);
  stack_thread_end(&t);
}

/* The one that was pending went with the handler. */
TEST(stack_signal_that_was_dropped_is_not_waited_for) {
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  struct stack_thread t;

  spy();
  stack_thread_start(&t, spin_masked);
  stack_thread_await(&t.ready, 2);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, 5 * VIGIL__MS), -ETIMEDOUT);
  CHECK_EQ(sigaction(last_signal, &ignore, NULL), 0);
  atomic_store(&t.go, 1);
  stack_thread_await(&t.ready, 3);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK_EQ(kills, 2);
  stack_thread_end(&t);
}

static int fail_tgkill(pid_t tid, int signal) {
  (void) tid, (void) signal;
  return -EAGAIN;
}

TEST(stack_signal_that_cannot_be_sent) {
  struct stack_thread t;

  spy();
  vigil__stack_os.tgkill = fail_tgkill;
  stack_thread_start(&t, stack_thread_spin);
  stack_thread_await(&t.ready, 2);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), -EAGAIN);
  vigil__stack_os.tgkill = spy_tgkill;
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  stack_thread_end(&t);
}

static void end_at_once(struct stack_thread* t) {
  (void) t;
}

TEST(stack_thread_that_is_gone) {
  static const _Atomic uint32_t delivered;
  struct stack_thread t;

  stack_thread_start(&t, end_at_once);
  pthread_join(t.thread, NULL);
  /* The caller must not: its counter was in the thread. */
  t.target.delivered = &delivered;
  t.target.lo = t.target.hi = 0;
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), -ESRCH);
  vigil__stack_target_close(&t.target);
}

static int not_syscall(int dir, const char* path, int flags, mode_t mode) {
  return strstr(path, "syscall") != NULL ? -EACCES
                                         : openat(dir, path, flags, mode);
}

TEST(stack_asleep_and_nobody_says_where) {
  struct stack_thread t;

  spy();
  vigil__os.openat = not_syscall;
  stack_thread_start(&t, stack_thread_read);
  stack_thread_await_syscall(&t, SYS_read);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), -ENOTSUP);
  CHECK_EQ(kills, 0);
  stack_thread_end(&t);
  stack_thread_start(&t, stack_thread_spin);
  stack_thread_await(&t.ready, 2);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK_EQ(taken.how, VIGIL__STACK_ON_CPU);
  stack_thread_end(&t);
}

static ssize_t fail_pread(int fd, void* to, size_t len) {
  (void) fd, (void) to, (void) len;
  return -EPERM;
}

TEST(stack_without_proc) {
  struct stack_thread t;

  vigil__stack_os.pread = fail_pread;
  stack_thread_start(&t, stack_thread_spin);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK_EQ(taken.how, VIGIL__STACK_ON_CPU);
  CHECK_EQ(t.target.syscall_fd, -1);
  CHECK_EQ(t.target.stat_fd, -1);
  stack_thread_end(&t);
}

/* One more system call each time it is asked. */
static ssize_t restless_pread(int fd, void* to, size_t len) {
  static int n;

  (void) fd;
  return snprintf(to, len, "0 0x%x 0 0 0 0 0 0x%" PRIx64 " 0x1234\n", n++,
                  (uint64_t) (uintptr_t) &n);
}

TEST(stack_thread_that_does_not_stay) {
  struct stack_thread t;

  spy();
  stack_thread_start(&t, stack_thread_read);
  stack_thread_await_syscall(&t, SYS_read);
  vigil__stack_os.pread = restless_pread;
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), -EAGAIN);
  CHECK_EQ(kills, 0);
  stack_thread_end(&t);
}

/* It has run, and is back, for as many times. */
static int returns;
static int cpu_calls;

static int restless_cpu_time(clockid_t clock, struct timespec* ts) {
  (void) clock;
  cpu_calls++;
  ts->tv_sec = 0;
  ts->tv_nsec = cpu_calls < 2 * returns ? cpu_calls : 2 * returns;
  return 0;
}

static int fail_cpu_time(clockid_t clock, struct timespec* ts) {
  (void) clock, (void) ts;
  return -EINVAL;
}

TEST(stack_thread_that_comes_back) {
  struct stack_thread t;

  stack_thread_start(&t, stack_thread_read);
  stack_thread_await_syscall(&t, SYS_read);
  vigil__stack_os.cpu_time = restless_cpu_time;
  returns = 3;
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK_EQ(cpu_calls, 8);
  returns = 100;
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), -EAGAIN);
  vigil__stack_os.cpu_time = fail_cpu_time;
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  stack_thread_end(&t);
}

static const char* line;

static ssize_t line_pread(int fd, void* to, size_t len) {
  (void) fd;
  return snprintf(to, len, "%s", line);
}

TEST(stack_lines_of_the_kernel) {
  static const char* const odd[] = {
    "running\n", "hello\n", "0\n", "0 0x1 0x2\n", "-1 0x0 0x0\n", "-1 0x10\n",
    "0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x1\n"
  };
  struct stack_thread t;
  size_t i;

  stack_thread_start(&t, stack_thread_spin);
  stack_thread_await(&t.ready, 2);
  vigil__stack_os.pread = line_pread;
  for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
    line = odd[i];
    CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
    CHECK_EQ(taken.how, VIGIL__STACK_ON_CPU);
  }
  vigil__stack_os.cpu_time = fail_cpu_time;
  /* In a page fault; its stack pointer is nothing that is mapped. */
  line = "-1 0x1008 0x4711\n";
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK_EQ(taken.how, VIGIL__STACK_IN_SYSCALL);
  CHECK_EQ(taken.syscall, -1);
  CHECK_EQ(taken.sp, 0x1008);
  CHECK_EQ(taken.pc, 0x4711);
  CHECK(taken.foreign);
  CHECK_EQ(taken.len, 0);
  stack_thread_end(&t);
}

/* Bounds of the stack the test runs on; ends of 64 KiB and of the stack. */
TEST(stack_target_knows_its_bounds) {
  struct vigil__stack_target t;
  struct rlimit limit;
  const uint64_t here = (uintptr_t) __builtin_frame_address(0);
  int fds = test_open_fds();

  vigil__stack_target_init(&t);
  CHECK(t.lo < here && here < t.hi);
  CHECK_EQ(t.tid, getpid());
  CHECK_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
  /* It may grow that far down, whatever it has by now. */
  if (limit.rlim_cur != RLIM_INFINITY)
    CHECK_NEAR(t.hi - t.lo, limit.rlim_cur, 64 * 1024);
  CHECK_EQ(test_open_fds(), fds);
  vigil__stack_target_close(&t);
  vigil__stack_target_close(&t);
  CHECK_EQ(test_open_fds(), fds);
}

static struct vigil__stack_target main_target;

static void* take_main(void* arg) {
  *(int*) arg = vigil__stack_take(&main_target, &taken, PATIENCE);
  return NULL;
}

TEST(stack_of_the_main_thread) {
  pthread_t thread;
  int result = -1;
  int fds = test_open_fds();

  vigil__stack_target_init(&main_target);
  CHECK_EQ(pthread_create(&thread, NULL, take_main, &result), 0);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  CHECK_EQ(result, 0);
  CHECK_EQ(test_open_fds(), fds + 1);
  CHECK(!taken.foreign);
  CHECK_OP(taken.len, >, 0);
  vigil__stack_target_close(&main_target);
  CHECK_EQ(test_open_fds(), fds);
}

__attribute__((noinline))
static uint64_t recurse(struct stack_thread* t, int depth) {
  volatile char room[512];

  room[depth % 512] = (char) depth;
  if (depth == 0)
    stack_thread_read(t);
  else
    recurse(t, depth - 1);
  return (uint64_t) room[depth % 512];
}

static void go_deep(struct stack_thread* t) {
  recurse(t, 300);
}

TEST(stack_deeper_than_the_copy) {
  struct stack_thread t;

  stack_thread_start(&t, go_deep);
  stack_thread_await_syscall(&t, SYS_read);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK_EQ(taken.len, VIGIL__STACK_BYTES);
  CHECK(taken.truncated);
  check_copy(&t);
  stack_thread_end(&t);
}

static struct stack_thread* on_alternate;

static void spin_in_handler(int signal) {
  (void) signal;
  stack_thread_spin(on_alternate);
}

static void use_alternate_stack(struct stack_thread* t) {
  struct sigaction sa = { .sa_handler = spin_in_handler,
                          .sa_flags = SA_ONSTACK };
  stack_t alternate = { .ss_sp = malloc(65536), .ss_size = 65536 };
  stack_t off = { .ss_flags = SS_DISABLE };

  CHECK_EQ(sigaltstack(&alternate, NULL), 0);
  CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
  on_alternate = t;
  raise(SIGUSR1);
  CHECK_EQ(sigaltstack(&off, NULL), 0);
  free(alternate.ss_sp);
}

TEST(stack_on_another_stack) {
  struct stack_thread t;

  stack_thread_start(&t, use_alternate_stack);
  stack_thread_await(&t.ready, 2);
  CHECK_EQ(vigil__stack_take(&t.target, &taken, PATIENCE), 0);
  CHECK(taken.foreign && taken.truncated);
  CHECK_OP(taken.len, >, 0);
  stack_thread_end(&t);
}

TEST(stack_memory_reads_up_to_a_hole) {
  const long page = sysconf(_SC_PAGESIZE);
  uint8_t* map = mmap(NULL, (size_t) (3 * page), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint8_t to[16384];

  CHECK(map != MAP_FAILED);
  memset(map, 7, (size_t) (3 * page));
  CHECK_EQ(munmap(map + 2 * page, (size_t) page), 0);
  CHECK_EQ(vigil__memory_read((uintptr_t) map + 100, to, 16384),
           2 * page - 100);
  CHECK_EQ(vigil__memory_read((uintptr_t) map + 100, to, 8), 8);
  CHECK_EQ(to[7], 7);
  CHECK_EQ(vigil__memory_read((uintptr_t) map + 2 * (size_t) page, to, 8),
           -EFAULT);
  CHECK_EQ(vigil__memory_read(UINT64_MAX - 3, to, 8), -EFAULT);
  CHECK_EQ(vigil__memory_read((uintptr_t) map, to, 0), -EFAULT);
}
