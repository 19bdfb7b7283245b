/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "cause.h"
#include "test.h"

#include <string.h>

/* One decision over 10 s; all but `works` in ms, shares thereby in 1/100 s. */
struct row {
  enum vigil__cause_class want;
  uint64_t busy;
  uint64_t cpu;
  uint64_t delay;
  uint64_t throttled;
  uint64_t stopped;
  uint64_t suspended;
  uint64_t gc;
  uint64_t pool;
  uint64_t lag;
  uint64_t js;                  /* Samples. */
  uint64_t native;
  unsigned missing;
  unsigned possible;            /* For UNKNOWN. */
  uint64_t syscall;
  uint64_t late;
};

#define U VIGIL__CAUSE_UNKNOWN
#define J VIGIL__CAUSE_JS
#define G VIGIL__CAUSE_GC
#define N VIGIL__CAUSE_NATIVE
#define S VIGIL__CAUSE_SYSCALL
#define P VIGIL__CAUSE_THREADPOOL
#define ST VIGIL__CAUSE_STARVED
#define T VIGIL__CAUSE_THROTTLED
#define Z VIGIL__CAUSE_SUSPENDED
#define B(c) (1u << (c))

#define CPU VIGIL__FIGURE_CPU
#define DELAY VIGIL__FIGURE_DELAY
#define THROTTLED VIGIL__FIGURE_THROTTLED
#define STOPPED VIGIL__FIGURE_STOPPED
#define SUSPENDED VIGIL__FIGURE_SUSPENDED
#define GC VIGIL__FIGURE_GC
#define POOL VIGIL__FIGURE_POOL
#define SAMPLES VIGIL__FIGURE_SAMPLES

static struct vigil__figures of_row(const struct row* r) {
  struct vigil__figures f = {
    .valid = VIGIL__FIGURE_ALL & ~r->missing,
    .span_ns = 10 * VIGIL__SEC,
    .busy_ns = r->busy * VIGIL__MS,
    .lag_ns = r->lag * VIGIL__MS,
    .cpu_ns = r->cpu * VIGIL__MS,
    .run_delay_ns = r->delay * VIGIL__MS,
    .throttled_ns = r->throttled * VIGIL__MS,
    .stopped_ns = r->stopped * VIGIL__MS,
    .suspended_ns = r->suspended * VIGIL__MS,
    .gc_ns = r->gc * VIGIL__MS,
    .pool_wait_ns = r->pool * VIGIL__MS,
    .pool_max_ns = r->pool * VIGIL__MS,
    .samples = { r->js, r->native },
    .syscall_nr = -1,
    .syscall_ns = r->syscall * VIGIL__MS,
    .watch_late_ns = r->late * VIGIL__MS
  };

  return f;
}

static const struct row rows[] = {
  /* On the CPU. */
  { J, 9000, 8900, .js = 90, .native = 10 },
  { N, 9000, 8900, .js = 10, .native = 90 },
  { J, 9000, 8900, .js = 50, .native = 50 },
  { N, 9000, 8900, .js = 49, .native = 50 },
  { J, 1, 1, .js = 1 },
  { J, 9000, 20000, .js = 1 },                  /* More CPU than busy. */
  { J, 99000, 10000, .js = 1 },                 /* Busier than the span. */
  /* GC: half of the busy time. */
  { G, 9000, 8900, .gc = 4500, .js = 1 },
  { J, 9000, 8900, .gc = 4499, .js = 1 },
  { N, 9000, 8900, .gc = 4499, .native = 1 },
  { G, 9000, 1000, .gc = 6400, .js = 1 },       /* It waits for helpers. */
  { G, 9000, 8900, .gc = 99000, .js = 1 },
  { G, 1000, 900, .gc = 710, .js = 1 },         /* Of busy time, not of all. */
  /* Blocked for longer than on the CPU. */
  { S, 9000, 4499, .js = 1 },
  { J, 9000, 4500, .js = 1 },
  { S, 9000, 0 },
  { S, 9000, 100, 300, .js = 1 },
  { S, 9000, 3000, 2900, .js = 1 },             /* 3000, 2900, 3100 */
  { J, 9000, 3100, 2900, .js = 1 },
  /* Waiting for a CPU: 40 %. */
  { ST, 9000, 5400, 3600, .js = 1 },
  { J, 9000, 5401, 3599, .js = 1 },
  { ST, 9000, 1000, 3600, .js = 1 },            /* Though blocked for more. */
  { J, 9000, 8000, 9000, .js = 1 },             /* It waited while idle. */
  { G, 9000, 5000, 4000, .gc = 8000, .js = 1 },  /* Its threads compete. */
  { G, 9000, 5000, 4000, .gc = 4500, .js = 1 },
  { ST, 9000, 5000, 4000, .gc = 4499, .js = 1 },
  { ST, 10000, 5000, 5000, .js = 1 },           /* One equal rival. */
  /* Half of that by throttling. */
  { T, 9000, 5000, 4000, 2000, .js = 1 },
  { ST, 9000, 5000, 4000, 1999, .js = 1 },
  { T, 9000, 5000, 4000, 16000, .js = 1 },      /* Of four CPUs. */
  { J, 9000, 8000, 1000, 16000, .js = 1 },      /* Others were throttled. */
  { S, 9000, 10, 5, 9000 },                     /* The child we wait for. */
  { T, 9000, 1000, 8000, 7000, .gc = 8000, .js = 1 },
  /* Stopped, suspended: 40 % of the time as people see it. */
  { Z, 9000, 5400, .stopped = 3600, .js = 1 },
  { J, 9000, 5401, .stopped = 3599, .js = 1 },
  { Z, 9000, 500, 4000, 4000, .stopped = 4500 },
  { ST, 9000, 500, 8000, .stopped = 8500 },     /* It was runnable: no stop. */
  { T, 9000, 500, 8000, 8000, .stopped = 8500 },
  { Z, 6000, 6000, .suspended = 4000, .js = 1 },
  { J, 6000, 6000, .suspended = 3999, .js = 1 },
  { Z, 0, 0, .suspended = 1 },
  { Z, 9000, 9000, .suspended = 3600000, .gc = 9000 },
  { Z, 9000, 5000, .stopped = 2000, .suspended = 3000, .js = 1 },
  /* The pool, while the loop is idle for half of the span. */
  { P, 5000, 4900, .pool = 50, .js = 1 },
  { J, 5001, 4900, .pool = 50, .js = 1 },
  { J, 5000, 4900, .pool = 49, .js = 1 },
  { J, 5000, 4900, .pool = 60, .lag = 60, .js = 1 },
  { P, 5000, 4900, .pool = 61, .lag = 60, .js = 1 },
  { P, 0, 0, .pool = 2000 },
  { P, 100, 10, 50, .pool = 2000, .js = 1 },    /* 50 ms do not explain 2 s. */
  { ST, 4000, 2000, 2000, .pool = 2000, .js = 1 },
  { T, 4000, 2000, 2000, 2000, .pool = 2000, .js = 1 },
  { P, 4000, 2001, 1999, .pool = 2000, .js = 1 },
  { P, 4000, 3500, 500, .pool = 400, .js = 1 },  /* Some lack, not much. */
  { P, 1000, 900, .gc = 800, .pool = 400, .js = 1 },
  { Z, 1000, 100, .stopped = 900, .pool = 400 },
  /* Nothing happened. */
  { U, 0, 0, .possible = 0 },

  /* Missing, but it cannot matter. */
  { J, 9000, 8900, .js = 1, .missing = DELAY | THROTTLED | STOPPED },
  { G, 9000, 5500, .gc = 7000, .missing = DELAY | THROTTLED | STOPPED },
  { ST, 9000, 1000, 8000, 0, .missing = POOL | SAMPLES },
  { U, 9000, 1000, 8000, 0, .missing = GC | POOL | SAMPLES,
    .possible = B(ST) | B(G) },
  { S, 9000, 100, 300, .missing = THROTTLED | SAMPLES | POOL },
  { J, 9000, 8900, .js = 1, .missing = POOL },
  { S, 9000, 100, .syscall = 6000, .missing = DELAY | THROTTLED | STOPPED },
  { S, 9000, 9999, .syscall = 6000, .missing = CPU | DELAY | THROTTLED },
  /* Missing, and it does. */
  { U, 9000, 1000, .js = 1, .missing = DELAY | THROTTLED,
    .possible = B(ST) | B(T) | B(S) },
  { U, 9000, 1000, .js = 1, .missing = DELAY, .possible = B(ST) | B(S) },
  { U, 9000, 1000, .js = 1, .throttled = 9999, .missing = DELAY,
    .possible = B(T) | B(S) },
  { U, 9000, 1000, 8000, .missing = THROTTLED, .possible = B(ST) | B(T) },
  { U, 9000, 8900, .missing = SAMPLES, .possible = B(J) | B(N) },
  { U, 9000, 8900, .missing = 0, .possible = B(J) | B(N) },  /* No samples. */
  { U, 9000, 4500, 0, .missing = STOPPED, .js = 1, .possible = B(J) | B(Z) },
  { U, 9000, 8900, .js = 1, .missing = GC | SAMPLES,
    .possible = B(G) | B(J) | B(N) },
  { U, 4000, 3900, .js = 1, .missing = POOL, .possible = B(P) | B(J) },
  { U, 9000, 8900, .js = 1, .missing = SUSPENDED, .possible = B(Z) | B(J) },
  { U, 9000, .js = 1, .missing = CPU, .possible = B(S) | B(J) },
  { U, 0, .missing = POOL, .possible = B(P) },
  { U, 9000, .missing = VIGIL__FIGURE_ALL,
    .possible = B(Z) | B(T) | B(ST) | B(G) | B(S) | B(J) | B(N) },
  { U, 4000, .missing = VIGIL__FIGURE_ALL,
    .possible = B(Z) | B(T) | B(ST) | B(G) | B(S) | B(J) | B(N) | B(P) },
  /* The watch thread's lateness for run delay: a tenth of 8 s. */
  { ST, 9000, 1000, .late = 800, .missing = DELAY },
  { U, 9000, 1000, .late = 799, .missing = DELAY, .possible = B(ST) | B(S) },
  { T, 9000, 1000, .throttled = 8000, .late = 800, .missing = DELAY },
  { U, 9000, 1000, .late = 800, .missing = DELAY | THROTTLED,
    .possible = B(ST) | B(T) },
  { U, 9000, 1000, .stopped = 7000, .late = 6000, .missing = DELAY,
    .possible = B(Z) | B(ST) },
  { S, 9000, 1000, .syscall = 6000, .late = 800, .missing = DELAY }
};

TEST(cause_table) {
  struct vigil__why why;
  size_t i;

  for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    const struct vigil__figures f = of_row(&rows[i]);

    vigil__cause_decide(&f, &why);
    if (why.cause != rows[i].want)
      test_fail(__FILE__, __LINE__, "row %d: %s (%s), not %s", (int) i,
                vigil__cause_name(why.cause), why.text,
                vigil__cause_name(rows[i].want));
    if (why.possible != (why.cause == U ? rows[i].possible : B(why.cause)))
      test_fail(__FILE__, __LINE__, "row %d: possible 0x%x (%s)", (int) i,
                why.possible, why.text);
    CHECK_EQ(why.missing, rows[i].missing);
    CHECK(strlen(why.text) > 10);
  }
  CHECK(i >= 40);
}

TEST(cause_samples_stand_in) {
  struct row r = { G, 9000, 8900, .missing = GC };
  struct vigil__figures f = of_row(&r);
  struct vigil__why why;

  f.samples[VIGIL__SAMPLE_GC] = 60;
  f.samples[VIGIL__SAMPLE_JS] = 40;
  vigil__cause_decide(&f, &why);
  CHECK_EQ(why.cause, G);
  f.samples[VIGIL__SAMPLE_JS] = 61;
  vigil__cause_decide(&f, &why);
  CHECK_EQ(why.cause, J);
  /* Seen in system calls: it cannot have waited for a CPU then. */
  r = (struct row) { S, 9000, 100, .missing = DELAY | VIGIL__FIGURE_SYSCALL };
  f = of_row(&r);
  f.samples[VIGIL__SAMPLE_SYSCALL] = 70;
  f.samples[VIGIL__SAMPLE_JS] = 30;
  vigil__cause_decide(&f, &why);
  CHECK_EQ(why.cause, S);
}

static enum vigil__cause_class decide(const struct vigil__figures* f) {
  struct vigil__why why;

  vigil__cause_decide(f, &why);
  return why.cause;
}

/* Complete figures that agree with each other, times in steps of 50 ms. */
static struct vigil__figures random_figures(void) {
  const uint64_t unit = 50 * VIGIL__MS;
  uint64_t left = 20;
  struct vigil__figures f = {
    .valid = VIGIL__FIGURE_ALL & ~(unsigned) VIGIL__FIGURE_WATCH,
    .busy_ns = 20 * unit
  };
  uint64_t n;

  f.span_ns = f.busy_ns * (1 + test_random(3));
  n = test_random(left + 1);
  f.cpu_ns = n * unit;
  left -= n;
  n = test_random(left + 1);
  f.run_delay_ns = n * unit;
  left -= n;
  f.throttled_ns = test_random(2) * test_random(n + 2) * unit;
  n = test_random(2) * test_random(left + 1);
  f.stopped_ns = n * unit;
  left -= n;
  f.syscall_ns = test_random(left + 1) * unit;
  f.suspended_ns = test_random(4) == 0 ? test_random(30) * unit : 0;
  f.gc_ns = test_random(21) * unit;
  f.pool_wait_ns = test_random(3) == 0 ? test_random(30) * unit : 0;
  f.lag_ns = test_random(4) * unit;
  f.samples[VIGIL__SAMPLE_JS] = 1 + test_random(10);
  f.samples[VIGIL__SAMPLE_NATIVE] = test_random(11);
  return f;
}

TEST(cause_missing_figures_only_widen) {
  static const unsigned bits[] = {
    CPU, DELAY, THROTTLED, STOPPED, SUSPENDED, POOL, GC | SAMPLES, SAMPLES,
    VIGIL__FIGURE_SYSCALL
  };
  unsigned widened = 0;
  unsigned certain = 0;
  unsigned i;

  for (i = 0; i < 3000; i++) {
    const struct vigil__figures whole = random_figures();
    struct vigil__figures part = whole;
    const enum vigil__cause_class truth = decide(&whole);
    struct vigil__why less;
    struct vigil__why least;

    CHECK(truth != U);
    part.valid &= ~bits[test_random(9)];
    vigil__cause_decide(&part, &less);
    CHECK(less.possible & B(truth));
    CHECK(less.cause == truth || less.cause == U);
    part.valid &= ~bits[test_random(9)] & ~bits[test_random(9)];
    vigil__cause_decide(&part, &least);
    if ((least.possible & B(truth)) == 0)
      test_fail(__FILE__, __LINE__, "%d: %s is not possible without 0x%x: %s",
                (int) i, vigil__cause_name(truth), least.missing, least.text);
    /* What was wrong in the place of a missing figure does not matter. */
    part.cpu_ns += (part.valid & CPU) == 0 ? 12345 : 0;
    part.gc_ns += (part.valid & GC) == 0 ? UINT64_MAX / 2 : 0;
    part.pool_wait_ns += (part.valid & POOL) == 0 ? VIGIL__SEC : 0;
    vigil__cause_decide(&part, &less);
    CHECK_EQ(less.possible, least.possible);
    CHECK_STR(less.text, least.text);
    widened += least.cause == U;
    certain += least.cause != U;
  }
  CHECK(widened > 300);
  CHECK(certain > 300);
}

/* More of a figure leads to its class, or keeps the class. */
TEST(cause_more_of_one_never_gives_another) {
  unsigned changes = 0;
  unsigned i;

  for (i = 0; i < 3000; i++) {
    const struct vigil__figures f = random_figures();
    const enum vigil__cause_class was = decide(&f);
    const uint64_t more = test_random(20) * 50 * VIGIL__MS;
    struct vigil__figures g;
    enum vigil__cause_class is;

    g = f;
    g.gc_ns += more;
    is = decide(&g);
    CHECK(is == was || is == G);
    changes += is != was;

    g = f;
    g.suspended_ns += more;
    is = decide(&g);
    CHECK(is == was || is == Z);
    changes += is != was;

    g = f;
    g.throttled_ns += more;
    is = decide(&g);
    CHECK(is == was || (is == T && (was == ST || was == G)));
    changes += is != was;

    g = f;
    g.stopped_ns += more;  /* It takes from what counted as blocked. */
    is = decide(&g);
    CHECK(is == was || is == Z || was == S);
    changes += is != was;

    g = f;
    g.pool_wait_ns += more;
    is = decide(&g);
    CHECK(is == was || is == P);
    changes += is != was;

    g = f;
    g.samples[VIGIL__SAMPLE_NATIVE] += more / VIGIL__MS;
    is = decide(&g);
    CHECK(is == was || (is == N && was == J));
    changes += is != was;

    g = f;  /* The whole pie in the same shares. */
    g.span_ns *= 7, g.busy_ns *= 7, g.cpu_ns *= 7, g.run_delay_ns *= 7;
    g.throttled_ns *= 7, g.stopped_ns *= 7, g.suspended_ns *= 7;
    g.gc_ns *= 7, g.lag_ns *= 7, g.pool_wait_ns *= 7;
    CHECK_EQ(decide(&g), was);
  }
  CHECK(changes > 1000);
}

TEST(cause_any_figures_at_all) {
  struct vigil__figures f;
  struct vigil__why why;
  unsigned i;

  for (i = 0; i < 1000; i++) {
    unsigned char* at = (unsigned char*) &f;
    size_t n;

    for (n = 0; n < sizeof(f); n++)
      at[n] = (unsigned char) (test_random(3) ? test_random(256) : 255);
    f.valid = i % 5 ? VIGIL__FIGURE_ALL & ~(1u << test_random(10))
                    : (unsigned) test_random(VIGIL__FIGURE_ALL + 1);
    f.stall = i % 2;
    vigil__cause_decide(&f, &why);
    CHECK((unsigned) why.cause < VIGIL__CAUSE_CLASSES);
    CHECK(memchr(why.text, '\0', sizeof(why.text)) != NULL);
  }
  memset(&f, 0, sizeof(f));
  vigil__cause_decide(&f, &why);
  CHECK_EQ(why.cause, U);
}

static void check_text(const struct vigil__figures* f, const char* want) {
  struct vigil__why why;

  vigil__cause_decide(f, &why);
  CHECK_STR(why.text, want);
}

TEST(cause_text_for_people) {
  struct vigil__figures f = {
    .valid = VIGIL__FIGURE_ALL,
    .span_ns = 10 * VIGIL__SEC,
    .busy_ns = 9800 * VIGIL__MS,
    .cpu_ns = 9400 * VIGIL__MS,
    .gc_ns = 6958 * VIGIL__MS,
    .samples = { 190, 5, 4, 1 },
    .syscall_nr = -1
  };

  check_text(&f, "GC took 71 % of the 9.8 s the loop was busy");
  f.gc_ns = 0;
  check_text(&f, "JavaScript ran in 95 % of 200 samples; the thread was on a "
                 "CPU for 9.4 s of the 9.8 s the loop was busy");
  f.samples[VIGIL__SAMPLE_JS] = 0;
  f.valid &= ~(unsigned) CPU;
  f.syscall_ns = 0;
  f.run_delay_ns = 0;
  check_text(&f, "native or syscall; not known: CPU time");
  f.valid |= CPU;
  check_text(&f, "native code ran in 50 % of 10 samples; the thread was on a "
                 "CPU for 9.4 s of the 9.8 s the loop was busy");
  f.cpu_ns = 3 * VIGIL__SEC;
  f.run_delay_ns = 6200 * VIGIL__MS;
  f.runnable = 7;
  check_text(&f, "the thread waited for a CPU for 6.2 s of the 9.8 s the loop "
                 "was busy; 7 threads ran or waited for one");
  f.throttled_ns = 5 * VIGIL__SEC;
  f.throttled = 62;
  check_text(&f, "the CPU limit of its cgroup held the thread back for 5.0 s "
                 "of the 9.8 s the loop was busy (out of quota 62 times)");
  f.quota_ns = 150 * VIGIL__MS;
  f.period_ns = 100 * VIGIL__MS;
  check_text(&f, "the CPU limit of its cgroup held the thread back for 5.0 s "
                 "of the 9.8 s the loop was busy (out of quota 62 times, "
                 "limit 1.50 CPU)");
  f.valid &= ~(unsigned) (DELAY | THROTTLED);
  check_text(&f, "syscall, starved or throttled: the thread ran for 3.0 s of "
                 "the 9.8 s the loop was busy; not known: run delay and "
                 "throttling");
  f.valid = VIGIL__FIGURE_ALL;
  f.suspended_ns = 3600 * VIGIL__SEC;
  check_text(&f, "the system was suspended for 3600.0 s");
  f.suspended_ns = 0;

  f.stall = true;
  f.span_ns = f.busy_ns = 3204 * VIGIL__MS;
  f.cpu_ns = 3 * VIGIL__MS;
  f.run_delay_ns = 450 * VIGIL__US;
  f.syscall_nr = 0;
#ifdef __x86_64__
  check_text(&f, "the thread was blocked in read() for 3.2 s of the 3.2 s of "
                 "the stall");
#endif
  f.syscall_nr = 9999;
  check_text(&f, "the thread was blocked in system call 9999 for 3.2 s of the "
                 "3.2 s of the stall");
  f.syscall_nr = -1;
  check_text(&f, "the thread was blocked in the kernel, but in no system call "
                 "(page faults) for 3.2 s of the 3.2 s of the stall");
  f.stopped_ns = 3 * VIGIL__SEC;
  check_text(&f, "the process was stopped (SIGSTOP or freezer) for 3.0 s of "
                 "the 3.2 s of the stall");
  f.stall = false;
  f.stopped_ns = 0;
  f.span_ns = 10 * VIGIL__SEC;
  f.busy_ns = 0;
  check_text(&f, "the loop was not busy");
  f.busy_ns = 500 * VIGIL__MS;
  f.pool_wait_ns = 949 * VIGIL__MS;
  f.pool_max_ns = 950 * VIGIL__MS;
  f.pool_works = 40;
  f.pool_queued = 12;
  check_text(&f, "work waited up to 1.0 s for a pool thread (p99 949 ms, 40 "
                 "ran, 12 queued) while the loop was busy for 5 %");
}

TEST(cause_text_fits) {
  struct vigil__figures f = { .span_ns = 10 * VIGIL__SEC };
  struct vigil__why why;

  f.busy_ns = f.span_ns / 4;
  vigil__cause_decide(&f, &why);
  CHECK(strlen(why.text) < sizeof(why.text) - 1);
  CHECK(strstr(why.text, " and samples") != NULL);
}

TEST(cause_names) {
  unsigned i;

  CHECK_STR(vigil__cause_name(VIGIL__CAUSE_THREADPOOL), "threadpool");
  CHECK_STR(vigil__cause_name(VIGIL__CAUSE_CLASSES), "unknown");
  for (i = 1; i < VIGIL__FIGURE_ALL; i <<= 1)
    CHECK(strcmp(vigil__figure_name((enum vigil__figure) i), "?") != 0);
}
