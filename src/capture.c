/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "capture.h"

#include "job.h"
#include "os.h"

#include <errno.h>
#include <inttypes.h>  /* PRIu64 */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>    /* getpid */
#include "uv.h"

#define SAMPLE_US 1000  /* Chrome DevTools' own default. */
/* A loop that reaches no safe point for so long is in native code or in a
 * system call, and a profile begun after that would show the aftermath. */
#define START_WAIT (30 * VIGIL__SEC)

enum stage { IDLE, STARTING, PROFILING, STOPPING, SNAPSHOTTING, RELEASING };

/* Watch thread only, but `config` and `wake`, which do not change, and
 * `incident.give_up`. */
static struct {
  const struct vigil__config* config;
  void (*wake)(void);
  pid_t pid;               /* A fork child has no watch thread. */
  enum stage stage;
  vigil__mono_t deadline;  /* Of STARTING and PROFILING. */
  struct vigil__isolate* iso;
  struct vigil__incident incident;
} c;

/* Own thread, in jobs and in leave(); the watch thread reads them after
 * vigil__job_take(), or after it saw `leaving`. */
static struct {
  struct vigil__cpu_profile* profile;
  struct vigil__heap_snapshot* snapshot;
  struct vigil__loop* loop;
  struct vigil__isolate* iso;
  int profile_error;
  int snapshot_error;
  uint64_t snapshot_need;
  uint64_t snapshot_have;
  uint64_t self_ns;
} own;

/* The handshake with an isolate that leaves, all under `lock`. From begin()
 * until the isolate's memory is given back, `holding` is set; while `reading`,
 * the watch thread may touch that memory. */
static uv_mutex_t lock;
static uv_cond_t changed;
static struct vigil__isolate* holding;
static bool reading;
static bool unfinished;
/* Set by leave() with release, so that the watch thread sees the stopped
 * profile; read with acquire. */
static atomic_bool leaving;

static vigil__mono_t self_begin(void) {
  vigil__loop_self(own.loop, 0);
  return vigil__mono_now();
}

static void self_end(vigil__mono_t begin) {
  const uint64_t ns = vigil__mono_now() - begin;

  own.self_ns += ns;
  vigil__loop_self(own.loop, ns);
}

/* ---- jobs, on the isolate's own thread */

static void free_profile(void) {
  if (own.profile != NULL)
    vigil__cpu_profile_free(own.profile);
  own.profile = NULL;
}

static void job_start(void* arg) {
  const vigil__mono_t begin = self_begin();

  (void) arg;
  own.profile_error =
      vigil__cpu_profile_start(own.iso, SAMPLE_US, &own.profile);
  self_end(begin);
}

static void job_stop(void* arg) {
  const vigil__mono_t begin = self_begin();

  (void) arg;
  vigil__cpu_profile_stop(own.profile);
  self_end(begin);
}

static void job_snapshot(void* arg) {
  const vigil__mono_t begin = self_begin();

  (void) arg;
  free_profile();
  own.snapshot_error =
      vigil__heap_snapshot_take(own.iso, &own.snapshot,
                                &own.snapshot_need, &own.snapshot_have);
  self_end(begin);
}

static void job_release(void* arg) {
  const vigil__mono_t begin = self_begin();

  (void) arg;
  free_profile();
  if (own.snapshot != NULL)
    vigil__heap_snapshot_free(own.snapshot);
  own.snapshot = NULL;
  self_end(begin);
}

/* On failure the isolate has gone, and leave() is about to wake us. */
static void ask(enum stage stage, void (*fn)(void* arg)) {
  c.stage = stage;
  vigil__job_ask(c.iso, fn, NULL, c.wake);
}

/* ---- the end, on the watch thread */

static void write_profile(void) {
  if (own.profile != NULL)
    vigil__incident_profile(&c.incident, own.profile);
}

static void write_snapshot(void) {
  if (own.snapshot != NULL)
    vigil__incident_snapshot(&c.incident, own.snapshot);
}

/* The watch thread needs the isolate's memory no more. */
static void stop_reading(void) {
  uv_mutex_lock(&lock);
  reading = false;
  uv_cond_broadcast(&changed);
  uv_mutex_unlock(&lock);
}

/* `left`: leave() gives the memory back and clears `holding` itself. */
static void end(bool left) {
  uv_mutex_lock(&lock);
  reading = unfinished = false;
  if (!left)
    holding = NULL;
  uv_cond_broadcast(&changed);
  uv_mutex_unlock(&lock);
  vigil__isolate_unref(c.iso);
  c.stage = IDLE;
}

/* The isolate leaves: no job runs any more. What it stopped or took is written
 * as long as leave() waits for it. */
static uint64_t step_leaving(void) {
  uint64_t self_ns;

  if (c.stage == RELEASING) {
    end(true);
    return 0;
  }
  if (c.stage == SNAPSHOTTING)
    write_snapshot();
  else if (own.profile != NULL)
    write_profile();
  else
    vigil__incident_no_profile(&c.incident, "the thread ended first");
  if (c.incident.heap_name[0] == '\0')
    vigil__incident_no_snapshot(&c.incident, "the thread ended first");
  self_ns = own.self_ns;  /* leave() may write it from here on. */
  stop_reading();
  vigil__incident_finish(&c.incident, self_ns);
  end(true);
  return 0;
}

/* ---- the steps; each returns when to come back (0: when woken) */

static uint64_t ask_release(void) {
  vigil__incident_finish(&c.incident, own.self_ns);
  ask(RELEASING, job_release);
  return 0;
}

static uint64_t ask_snapshot(void) {
  if (!c.config->heap_snapshot) {
    vigil__incident_no_snapshot(&c.incident, "VIGIL_HEAP_SNAPSHOT is off");
    return ask_release();
  }
  ask(SNAPSHOTTING, job_snapshot);
  return 0;
}

static uint64_t after_start(vigil__mono_t now) {
  if (!vigil__job_take()) {
    if (now < c.deadline)
      return c.deadline - now;
    if (!vigil__job_cancel())
      return 0;
    vigil__incident_no_profile(&c.incident,
                               "the loop reached no safe point for %d s",
                               (int) (START_WAIT / VIGIL__SEC));
    return ask_snapshot();
  }
  if (own.profile_error != 0) {
    vigil__incident_no_profile(&c.incident, "V8 says %s",
                               strerror(-own.profile_error));
    return ask_snapshot();
  }
  c.stage = PROFILING;
  c.deadline = now + c.config->cpu_profile_ns;
  return c.config->cpu_profile_ns;
}

static uint64_t after_snapshot(void) {
  if (own.snapshot_error == -ENOMEM)
    vigil__incident_no_snapshot(
        &c.incident,
        "it may need %" PRIu64 " MB of memory, %" PRIu64 " MB are left",
        own.snapshot_need >> 20, own.snapshot_have >> 20);
  else if (own.snapshot_error != 0)
    vigil__incident_no_snapshot(&c.incident, "V8 says %s",
                                strerror(-own.snapshot_error));
  write_snapshot();
  return ask_release();
}

uint64_t vigil__capture_step(vigil__mono_t now) {
  if (c.stage == IDLE)
    return 0;
  if (atomic_load_explicit(&leaving, memory_order_acquire))
    return step_leaving();
  switch (c.stage) {
    case STARTING:
      return after_start(now);
    case PROFILING:
      if (now < c.deadline)
        return c.deadline - now;
      ask(STOPPING, job_stop);
      return 0;
    case STOPPING:
      if (!vigil__job_take())
        return 0;
      write_profile();
      return ask_snapshot();
    case SNAPSHOTTING:
      return vigil__job_take() ? after_snapshot() : 0;
    case RELEASING:
      if (vigil__job_take())
        end(false);
      return 0;
    default:
      return 0;
  }
}

/* ---- called from outside */

int vigil__capture_init(const struct vigil__config* config,
                        void (*wake)(void)) {
  int err;

  c.config = config;
  c.wake = wake;
  c.pid = getpid();
  err = uv_mutex_init(&lock);
  return err != 0 ? err : uv_cond_init(&changed);
}

bool vigil__capture_running(void) {
  bool held;

  uv_mutex_lock(&lock);
  held = holding != NULL;
  uv_mutex_unlock(&lock);
  return held || c.stage != IDLE;
}

int vigil__capture_begin(const struct vigil__cause* cause) {
  int err = vigil__incident_begin(&c.incident, c.config, cause);

  if (err != 0)
    return err;
  uv_mutex_lock(&lock);
  if (vigil__isolate_gone(cause->iso)) {
    uv_mutex_unlock(&lock);
    vigil__incident_abort(&c.incident);
    return -ESRCH;
  }
  vigil__isolate_ref(cause->iso);
  c.iso = cause->iso;
  memset(&own, 0, sizeof(own));
  own.iso = cause->iso;
  own.loop = cause->loop;
  atomic_store_explicit(&leaving, false, memory_order_relaxed);
  holding = cause->iso;
  reading = unfinished = true;
  uv_mutex_unlock(&lock);
  c.deadline = vigil__os.mono() + START_WAIT;
  if (c.config->cpu_profile_ns == 0) {
    vigil__incident_no_profile(&c.incident, "VIGIL_CPU_PROFILE is off");
    ask_snapshot();
    return 0;
  }
  vigil__incident_name_profile(&c.incident);
  ask(STARTING, job_start);
  return 0;
}

void vigil__capture_leave(struct vigil__isolate* iso) {
  vigil__mono_t now;
  vigil__mono_t until;

  uv_mutex_lock(&lock);
  vigil__isolate_close(iso);
  if (holding != iso || getpid() != c.pid) {
    uv_mutex_unlock(&lock);
    return;
  }
  vigil__job_cancel();
  if (own.profile != NULL)
    vigil__cpu_profile_stop(own.profile);
  atomic_store_explicit(&leaving, true, memory_order_release);
  c.wake();
  now = vigil__mono_now();
  until = now + VIGIL__CAPTURE_LEAVE_NS;
  while (unfinished && now < until) {
    uv_cond_timedwait(&changed, &lock, until - now);
    now = vigil__mono_now();
  }
  atomic_store_explicit(&c.incident.give_up, true, memory_order_relaxed);
  while (reading)
    uv_cond_wait(&changed, &lock);
  job_release(NULL);
  holding = NULL;
  uv_mutex_unlock(&lock);
}
