/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef ROWS_H_
#define ROWS_H_

#include "bench.h"
#include "hist.h"
#include "loop.h"
#include "tsc.h"
#include "vigil_uv.h"

#include <hdr/hdr_histogram.h>
#include <math.h>
#include <pthread.h>

/* What is measured: each row is a function that does BATCH operations. */

#define VALUES (1u << 15)
#define ROWS(table) ((unsigned) (sizeof(table) / sizeof(*(table))))

/* ---- the values: lengths of busy periods in ns */

static uint64_t random_state = 1;

static uint64_t next_random(void) {  /* splitmix64 */
  uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static double uniform(double from, double to) {
  return from + (to - from) * (double) (next_random() >> 11) * 0x1p-53;
}

static double small(void) { return uniform(1e3, 20e3); }
static double log_uniform(void) { return exp(uniform(log(1e3), log(10e9))); }
static double bimodal(void) {
  return uniform(0, 1) < 0.9 ? uniform(3e3, 8e3) : uniform(30e6, 80e6);
}
static double constant(void) { return 5e3; }

/* ---- one record */

static struct vigil__hist* ours;
static struct vigil__hist* ours_called;
static struct hdr_histogram* hdr3;
static struct hdr_histogram* hdr2;
static struct hdr_histogram* hdr3_atomic;
static struct hdr_histogram* hdr3_node;
static pthread_rwlock_t node_lock = PTHREAD_RWLOCK_INITIALIZER;

__attribute__((noinline))
static void record_called(struct vigil__hist* h, uint64_t ns) {
  vigil__hist_record(h, ns);
}

static void run_nothing(const uint64_t* v) { EACH(i) KEEP(v[i]); }
static void run_ours(const uint64_t* v) {
  EACH(i) vigil__hist_record(ours, v[i]);
}
static void run_called(const uint64_t* v) {
  EACH(i) record_called(ours_called, v[i]);
}
static void run_hdr3(const uint64_t* v) {
  EACH(i) hdr_record_value(hdr3, (int64_t) v[i]);
}
static void run_hdr2(const uint64_t* v) {
  EACH(i) hdr_record_value(hdr2, (int64_t) v[i]);
}
static void run_hdr3_atomic(const uint64_t* v) {
  EACH(i) hdr_record_value_atomic(hdr3_atomic, (int64_t) v[i]);
}
/* Histogram::Record() of Node's src/histogram-inl.h. */
static void run_hdr3_node(const uint64_t* v) {
  EACH(i) {
    pthread_rwlock_wrlock(&node_lock);
    hdr_record_value(hdr3_node, (int64_t) v[i]);
    pthread_rwlock_unlock(&node_lock);
  }
}

/* ---- one poll, its instants passed in */

static struct vigil__loop* loop;
static vigil__mono_t now = 1;

static void run_poll(const uint64_t* v) {
  EACH(i) {
    vigil__loop_poll_exit(loop, now, 1);
    now += v[i];
    vigil__loop_poll_enter(loop, now);
  }
}

static void run_turn(const uint64_t* v) {
  EACH(i) {
    vigil__loop_turn(loop);
    vigil__loop_poll_enter(loop, now);
    vigil__loop_poll_exit(loop, now, 1);
    now += v[i];
  }
  vigil__loop_poll_enter(loop, now);
}

static const struct bench_row record_rows[] = {
  { .name = "vigil__hist_record", .run = run_ours },
  { .name = "vigil__hist_record, not inlined", .run = run_called },
  { .name = "hdr_record_value, 3 figures", .run = run_hdr3 },
  { .name = "hdr_record_value, 2 figures", .run = run_hdr2 },
  { .name = "hdr_record_value_atomic, 3 figures", .run = run_hdr3_atomic },
  { .name = "hdr_record_value in Node's lock, 3 figures",
    .run = run_hdr3_node },
  { .name = "the empty loop", .run = run_nothing },
  { .name = "poll_enter + poll_exit, now passed in", .run = run_poll },
  { .name = "turn + poll_enter + poll_exit, now passed in", .run = run_turn }
};

#define RECORD_ROWS ROWS(record_rows)
enum { OURS = 0, HDR3 = 2, TURN = 8 };

static struct stream {
  const char* name;
  double (*next)(void);
  uint64_t value[VALUES];
  struct bench_row row[RECORD_ROWS];
} streams[] = {
  { .name = "uniform 1 us .. 20 us", .next = small },
  { .name = "log-uniform 1 us .. 10 s", .next = log_uniform },
  { .name = "bimodal 90 % 3 .. 8 us, 10 % 30 .. 80 ms", .next = bimodal },
  { .name = "constant 5 us (one cell)", .next = constant }
};

/* ---- one poll as libuv does it; the functions are those of src/hooks.c */

static void hook_turn(void* record) { vigil__loop_turn(record); }
static void poll_enter(void* record) {
  vigil__loop_poll_enter(record, vigil__mono_now());
}
static void poll_exit(void* record, int nevents) {
  vigil__loop_poll_exit(record, vigil__mono_now(), nevents);
}
static void poll_enter_tsc(void* record) {
  vigil__loop_poll_enter(record, tsc_now());
}
static void poll_exit_tsc(void* record, int nevents) {
  vigil__loop_poll_exit(record, tsc_now(), nevents);
}

static const struct vigil_uv_hooks hooks = {
  .turn = hook_turn, .poll_enter = poll_enter, .poll_exit = poll_exit
};
static const struct vigil_uv_hooks hooks_tsc = {
  .turn = hook_turn, .poll_enter = poll_enter_tsc, .poll_exit = poll_exit_tsc
};

/* Not static, so that the compiler cannot know what it points to. */
const struct vigil_uv_hooks* uv__vigil_hooks;
struct { void* vigil; } fields;

__attribute__((always_inline))
static inline void poll_hooks(bool turn) {
  EACH(i) {
    if (turn && fields.vigil != NULL)
      uv__vigil_hooks->turn(fields.vigil);
    if (fields.vigil != NULL)
      uv__vigil_hooks->poll_enter(fields.vigil);
    if (fields.vigil != NULL)
      uv__vigil_hooks->poll_exit(fields.vigil, 1);
    KEEP(&fields);
  }
}

/* A record each: an instant of one clock means nothing to the other. */
static struct vigil__loop* loop_mono;
static struct vigil__loop* loop_tsc;

static void run_hooks(const uint64_t* v) {
  (void) v;
  uv__vigil_hooks = &hooks;
  fields.vigil = loop_mono;
  poll_hooks(true);
}
static void run_hooks_only(const uint64_t* v) {
  (void) v;
  uv__vigil_hooks = &hooks;
  fields.vigil = loop_mono;
  poll_hooks(false);
}
static void run_hooks_tsc(const uint64_t* v) {
  (void) v;
  uv__vigil_hooks = &hooks_tsc;
  fields.vigil = loop_tsc;
  poll_hooks(true);
}
static void run_hooks_off(const uint64_t* v) {
  (void) v;
  fields.vigil = NULL;
  poll_hooks(true);
}
static void run_mono(const uint64_t* v) {
  (void) v;
  EACH(i) KEEP(vigil__mono_now());
}
static void run_rdtsc(const uint64_t* v) {
  (void) v;
  EACH(i) KEEP(__rdtsc());
}
static void run_rdtscp(const uint64_t* v) {
  unsigned aux;

  (void) v;
  EACH(i) KEEP(__rdtscp(&aux));
}
static void run_tsc_now(const uint64_t* v) {
  (void) v;
  EACH(i) KEEP(tsc_now());
}

static struct bench_row poll_rows[] = {
  { .name = "hooks: turn, poll_enter, poll_exit, 2 clocks", .run = run_hooks },
  { .name = "hooks: poll_enter, poll_exit, 2 clocks", .run = run_hooks_only },
  { .name = "hooks: all three, rdtsc for a clock", .run = run_hooks_tsc },
  { .name = "hooks: all three, VIGIL=off", .run = run_hooks_off },
  { .name = "clock_gettime(CLOCK_MONOTONIC)", .run = run_mono },
  { .name = "rdtsc", .run = run_rdtsc },
  { .name = "rdtscp", .run = run_rdtscp },
  { .name = "rdtsc, made into ns", .run = run_tsc_now }
};
enum { HOOKS, HOOKS_ONLY, HOOKS_TSC, HOOKS_OFF, MONO };

#endif  /* ROWS_H_ */
