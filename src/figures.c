/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "figures.h"

#include "cgroup.h"
#include "log.h"
#include "pool.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Beats that come late by less than this were not stopped or starved. */
#define LATE_NS (100 * VIGIL__MS)
#define CORES 2  /* That this process keeps busy before it is stopped. */
#define SECONDS VIGIL__PROBE_SECONDS

/* The process at one tick; what grows only grows. */
struct second {
  vigil__mono_t at;
  uint64_t suspended_ns;
  uint64_t throttled_ns;
  uint64_t throttled;
  uint64_t stopped_ns;
  uint64_t late_ns;             /* How late one was since the last tick. */
  uint64_t pool_works;          /* All kinds together. */
  uint32_t pool[VIGIL__COUNTS_SIZE];
};

static struct vigil__cgroup cgroup;
static struct second second[SECONDS];
static uint32_t seconds;
static unsigned valid;          /* Bits of vigil__figure. */
static uint64_t stopped_ns;
static uint64_t cpu_ns;         /* Of the process, at the last beat... */
static vigil__mono_t beat;      /* ...which was then. */
static uint64_t late_ns;        /* The latest beat since the last tick. */

static void say(void* arg, const char* what, int error) {
  (void) arg;
  if (error == 0)
    vigil__log("%s: causes are less certain", what);
  else
    vigil__log("%s (%s): causes are less certain", what, strerror(-error));
}

static struct vigil__missing missing = { .say = say };

void vigil__figures_init(void) {
  vigil__cgroup_open(&cgroup, "", getpid(), &missing);
}

void vigil__figures_room(struct vigil__room* room) {
  vigil__room_read(room, &cgroup, "");
}

static uint64_t process_cpu(void) {
  struct timespec ts;

  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) != 0)
    return 0;
  return (uint64_t) ts.tv_sec * VIGIL__SEC + (uint64_t) ts.tv_nsec;
}

static void read_groups(struct second* s) {
  struct vigil__cgroup_cpu cpu;

  if (vigil__cgroup_read_cpu(&cgroup, &cpu) == 0) {
    s->throttled_ns = cpu.throttled_ns;
    s->throttled = cpu.throttled;
    valid |= VIGIL__FIGURE_THROTTLED;
  }
  if (vigil__system_suspended(clock_gettime, &s->suspended_ns) == 0)
    valid |= VIGIL__FIGURE_SUSPENDED;
}

static void read_pool(struct second* s) {
  struct vigil__pool_copy copy;
  uint32_t b;
  int kind;

  vigil__pool_read(&copy);
  for (kind = 0; kind < VIGIL__WORK_KINDS; kind++) {
    s->pool_works += copy.wait[kind].n;
    for (b = 0; b < VIGIL__COUNTS_SIZE; b++)
      s->pool[b] += (uint32_t) copy.wait[kind].count[b];
  }
}

void vigil__figures_beat(vigil__mono_t now, vigil__mono_t due) {
  const uint64_t used = process_cpu() - cpu_ns;
  const uint64_t late = due != 0 && now > due ? now - due : 0;
  const uint64_t wait = due > beat ? due - beat : 0;

  /* A process that is starved gets some CPU, one that is stopped none, but for
   * what it used before: at most all of this machine's until it was due. */
  if (late > LATE_NS && used < wait * CORES + late / 50)
    stopped_ns += late;
  if (late > late_ns)
    late_ns = late;
  cpu_ns += used;
  beat = now;
}

void vigil__figures_tick(vigil__mono_t now) {
  struct second* s = &second[seconds % SECONDS];

  memset(s, 0, sizeof(*s));
  s->at = now;
  s->late_ns = late_ns;
  s->stopped_ns = stopped_ns;
  late_ns = 0;
  read_groups(s);
  read_pool(s);
  seconds++;
}

void vigil__figures_second(struct vigil__probe* p,
                           vigil__mono_t now,
                           uint64_t gc_ns) {
  vigil__probe_usage(p, now, gc_ns, &p->second[p->seconds % SECONDS]);
  p->seconds++;
}

uint64_t vigil__figures_pool_second(void) {
  static struct vigil__counts_copy wait;
  const struct second* end = &second[(seconds - 1) % SECONDS];
  const struct second* begin = &second[(seconds - 2) % SECONDS];
  uint32_t b;

  if (seconds < 2 || end->pool_works == begin->pool_works)
    return UINT64_MAX;
  memset(&wait, 0, sizeof(wait));
  for (b = 0; b < VIGIL__COUNTS_SIZE; b++) {
    wait.count[b] = end->pool[b] - begin->pool[b];
    wait.n += wait.count[b];
  }
  wait.max_ns = UINT64_C(1) << VIGIL__HIST_MAX_BITS;  /* Then at least that. */
  return vigil__counts_quantile(&wait, 0.99);
}

/* ---- differences */

/* The newest tick at or before `at`, or the oldest there is; NULL: none. */
static const struct second* tick_at(vigil__mono_t at) {
  const struct second* s = NULL;
  uint32_t i;

  for (i = 1; i <= seconds && i <= SECONDS; i++) {
    s = &second[(seconds - i) % SECONDS];
    if (s->at <= at)
      break;
  }
  return s;
}

static const struct vigil__usage* usage_at(const struct vigil__probe* p,
                                           vigil__mono_t at) {
  const struct vigil__usage* u = NULL;
  uint32_t i;

  for (i = 1; i <= p->seconds && i <= SECONDS; i++) {
    u = &p->second[(p->seconds - i) % SECONDS];
    if (u->at <= at)
      break;
  }
  return u;
}

static void since_tick(vigil__mono_t from,
                       struct vigil__figures* f) {
  const struct second* begin = tick_at(from);
  struct second end;
  uint32_t i;

  if (begin == NULL)
    return;
  memset(&end, 0, sizeof(end));
  read_groups(&end);
  f->valid |= valid & (VIGIL__FIGURE_THROTTLED | VIGIL__FIGURE_SUSPENDED);
  f->throttled_ns = end.throttled_ns - begin->throttled_ns;
  f->throttled = end.throttled - begin->throttled;
  if (end.suspended_ns > begin->suspended_ns + VIGIL__MS)
    f->suspended_ns = end.suspended_ns - begin->suspended_ns;
  f->valid |= VIGIL__FIGURE_STOPPED | VIGIL__FIGURE_WATCH;
  f->stopped_ns = stopped_ns - begin->stopped_ns;
  f->watch_late_ns = late_ns;
  for (i = 1; i <= seconds && i <= SECONDS; i++) {
    const struct second* s = &second[(seconds - i) % SECONDS];

    if (s->at <= from)
      break;
    if (s->late_ns > f->watch_late_ns)
      f->watch_late_ns = s->late_ns;
  }
  vigil__cgroup_read_quota(&cgroup, &f->quota_ns, &f->period_ns);
}

static void since_usage(const struct vigil__usage* begin,
                        const struct vigil__usage* end,
                        struct vigil__figures* f) {
  if (begin == NULL || begin->at == 0)
    return;
  if (begin->valid & end->valid & VIGIL__TASK_CPU) {
    f->valid |= VIGIL__FIGURE_CPU;
    f->cpu_ns = end->cpu_ns - begin->cpu_ns;
  }
  if (begin->valid & end->valid & VIGIL__TASK_DELAY) {
    f->valid |= VIGIL__FIGURE_DELAY;
    f->run_delay_ns = end->run_delay_ns - begin->run_delay_ns;
  }
  f->valid |= VIGIL__FIGURE_GC;
  if (end->gc_ns > begin->gc_ns)
    f->gc_ns = end->gc_ns - begin->gc_ns;
}

static void samples(const struct vigil__probe* p,
                    vigil__mono_t from,
                    vigil__mono_t now,
                    struct vigil__figures* f) {
  struct vigil__recorder_sum sum;
  size_t n = 0;

  memset(&sum, 0, sizeof(sum));
  vigil__recorder_top(&p->recorder, from, now, &sum, NULL, &n);
  f->samples[VIGIL__SAMPLE_JS] = sum.samples[VIGIL__RECORDER_JS];
  f->samples[VIGIL__SAMPLE_NATIVE] = sum.samples[VIGIL__RECORDER_NATIVE];
  f->samples[VIGIL__SAMPLE_GC] = sum.samples[VIGIL__RECORDER_GC];
  f->samples[VIGIL__SAMPLE_SYSCALL] = sum.samples[VIGIL__RECORDER_SYSCALL];
  if (sum.samples[VIGIL__RECORDER_JS] + sum.samples[VIGIL__RECORDER_NATIVE] +
      sum.samples[VIGIL__RECORDER_GC] +
      sum.samples[VIGIL__RECORDER_SYSCALL] != 0)
    f->valid |= VIGIL__FIGURE_SAMPLES;
  if (sum.samples[VIGIL__RECORDER_SYSCALL] != 0) {
    f->valid |= VIGIL__FIGURE_SYSCALL;
    f->syscall_nr = p->syscall_nr;
    f->syscall_ns = sum.ns[VIGIL__RECORDER_SYSCALL];
  }
}

void vigil__figures_window(struct vigil__probe* p,
                           vigil__mono_t from,
                           vigil__mono_t now,
                           uint64_t gc_ns,
                           struct vigil__figures* f) {
  struct vigil__usage end;
  const struct vigil__usage* begin = usage_at(p, from);
  int64_t runnable = vigil__system_runnable("");

  memset(f, 0, sizeof(*f));
  f->syscall_nr = -1;
  if (begin != NULL && begin->at > from)
    from = begin->at;
  f->span_ns = now - from;
  vigil__probe_usage(p, now, gc_ns, &end);
  since_usage(begin, &end, f);
  since_tick(from, f);
  samples(p, from, now, f);
  vigil__figures_pool(from, now, f);
  f->runnable = runnable > 0 ? (uint64_t) runnable : 0;
}

void vigil__figures_stall(struct vigil__probe* p,
                          vigil__mono_t now,
                          uint64_t gc_ns,
                          struct vigil__figures* f) {
  struct vigil__usage end;
  int64_t runnable = vigil__system_runnable("");

  memset(f, 0, sizeof(*f));
  f->stall = true;
  f->syscall_nr = -1;
  f->span_ns = f->busy_ns = now - p->start;
  vigil__probe_usage(p, now, gc_ns, &end);
  since_usage(&p->base, &end, f);
  since_tick(p->start, f);
  samples(p, p->start, now, f);
  f->valid |= VIGIL__FIGURE_POOL;  /* It does not block a loop. */
  if (f->gc_ns > f->busy_ns)
    f->gc_ns = f->busy_ns;
  f->runnable = runnable > 0 ? (uint64_t) runnable : 0;
}

bool vigil__figures_pool(vigil__mono_t from,
                         vigil__mono_t now,
                         struct vigil__figures* f) {
  const struct second* begin = tick_at(from);
  static struct vigil__counts_copy wait;
  struct vigil__pool_copy copy;
  uint32_t b;
  int kind;

  if (begin == NULL)
    return false;
  vigil__pool_read(&copy);
  memset(&wait, 0, sizeof(wait));
  for (b = 0; b < VIGIL__COUNTS_SIZE; b++) {
    uint32_t count = 0;

    for (kind = 0; kind < VIGIL__WORK_KINDS; kind++)
      count += (uint32_t) copy.wait[kind].count[b];
    wait.count[b] = count - begin->pool[b];
    wait.n += wait.count[b];
  }
  wait.max_ns = UINT64_MAX;
  f->valid |= VIGIL__FIGURE_POOL;
  f->pool_works = wait.n;
  f->pool_queued = copy.queued;
  f->pool_wait_ns = wait.n == 0 ? 0 : vigil__counts_quantile(&wait, 0.99);
  f->pool_max_ns = wait.n == 0 ? 0 : vigil__counts_quantile(&wait, 1);
  if (copy.oldest != 0 && now > copy.oldest) {
    if (now - copy.oldest > f->pool_wait_ns)
      f->pool_wait_ns = now - copy.oldest;
    if (now - copy.oldest > f->pool_max_ns)
      f->pool_max_ns = now - copy.oldest;
  }
  return true;
}
