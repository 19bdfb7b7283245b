/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "capture.h"

#include "evidence.h"
#include "job.h"
#include "os.h"
#include "probe.h"
#include "profile.h"
#include "sampler.h"
#include "snapshot.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>     /* snprintf */
#include <string.h>
#include <unistd.h>    /* getpid */
#include "uv.h"

/* A loop that reaches no safe point for so long is in native code or in a
 * system call, and a profile begun after that would show the aftermath. */
#define START_WAIT (30 * VIGIL__SEC)

/* What an incident holds of the time before it. */
#define BEFORE (60 * VIGIL__SEC)

/* A profile is long enough once the loop has recovered for this long. */
#define CALM (3 * VIGIL__SEC)

/* To end a child and describe the incident without what it wrote. */
#define GIVE_UP (500 * VIGIL__MS)

/* How often a child that writes is looked at. */
#define LOOK (50 * VIGIL__MS)

enum stage {
  IDLE, STARTING, PROFILING, STOPPING,
  TAKING,                       /* A job takes the snapshot, or forks... */
  RESTING,                      /* ...and will again, a little later. */
  WRITING,                      /* A child does. */
  RELEASING
};

/* Watch thread only, but `config` and `wake`, which do not change, and
 * `incident.give_up`. */
static struct {
  const struct vigil__config* config;
  void (*wake)(void);
  pid_t pid;               /* A fork child has no watch thread. */
  enum stage stage;
  unsigned want;           /* VIGIL__CAPTURE_* */
  uint64_t profile_ns;
  vigil__mono_t begun;
  vigil__mono_t deadline;  /* Of STARTING, PROFILING and RESTING. */
  vigil__mono_t calm;      /* The loop is well since then; 0: it is not. */
  struct vigil__isolate* iso;
  struct vigil__probe* probe;
  struct vigil__incident incident;
  char last[VIGIL__DIR_MAX];  /* Directory of the last incident; "": none. */
} c;

/* Own thread, in jobs and in leave(); the watch thread reads it after
 * vigil__job_take(), or after it saw `leaving`. */
static struct vigil__evidence own;
static struct vigil__snapshot snapshot;

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
/* Set by hurry() in the same way. */
static atomic_bool hurried;

/* On failure the isolate has gone, and leave() is about to wake us. */
static void ask(enum stage stage, void (*fn)(void* arg), void* arg) {
  c.stage = stage;
  vigil__job_ask(c.iso, fn, arg, c.wake);
}

/* ---- the end, on the watch thread */

static int fill_before(void* what, vigil__sink sink, void* arg) {
  struct vigil__probe* p = what;

  return vigil__profile_write(
      &p->recorder, p->frames,
      c.begun > BEFORE ? c.begun - BEFORE : 0, c.begun, VIGIL__SAMPLER_NS,
      sink, arg);
}

/* What the watch thread has seen by itself. */
static void write_seen(void) {
  struct vigil__json json = { .limit = 8 << 20 };

  if (vigil__stalls_write(&c.probe->stalls, c.probe->frames,
                          c.begun > BEFORE ? c.begun - BEFORE : 0,
                          &json) != 0) {
    vigil__json_finish(&json);
    vigil__incident_write(&c.incident, VIGIL__PIECE_STALLS,
                          vigil__evidence_fill, &json);
  }
  vigil__json_free(&json);
}

static void finish(const struct vigil__self* self) {
  write_seen();
  c.last[0] = '\0';
  if (vigil__incident_finish(&c.incident, self) == 0)
    snprintf(c.last, sizeof(c.last), "%s/%s", c.incident.dir.path,
             c.incident.artifact.name);
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
  vigil__evidence_free(&own);
  vigil__snapshot_free(&snapshot);
  vigil__probe_unref(c.probe);
  vigil__isolate_unref(c.iso);
  c.stage = IDLE;
}

static void ended_first(unsigned wanted, enum vigil__piece piece) {
  if (c.want & wanted && c.incident.piece[piece].name[0] == '\0')
    vigil__incident_none(&c.incident, piece, "the thread ended first");
}

/* ---- the steps; each returns when to come back (0: when woken) */

/* A child writes: the isolate is needed no more. */
static uint64_t begin_writing(bool left) {
  c.stage = WRITING;
  uv_mutex_lock(&lock);
  reading = false;
  if (!left)
    holding = NULL;
  uv_cond_broadcast(&changed);
  uv_mutex_unlock(&lock);
  return LOOK;
}

static uint64_t step_writing(vigil__mono_t now) {
  if (!vigil__snapshot_poll(&snapshot, &c.incident, now))
    return LOOK;
  finish(&own.self);
  end(true);
  return 0;
}

/* The isolate leaves: no job runs any more. What it stopped or took is written
 * as long as leave() waits for it. */
static uint64_t step_leaving(void) {
  struct vigil__self self;

  if (c.stage == RELEASING) {
    end(true);
    return 0;
  }
  vigil__evidence_profiles(&own, &c.incident);
  if (c.stage == TAKING && vigil__job_take() &&
      vigil__snapshot_after(&snapshot, &c.incident, &own.self) ==
          VIGIL__SNAPSHOT_CHILD)
    return begin_writing(true);
  ended_first(VIGIL__CAPTURE_CPU, VIGIL__PIECE_CPU);
  ended_first(VIGIL__CAPTURE_HEAP, VIGIL__PIECE_HEAP);
  self = own.self;  /* leave() may write it from here on. */
  stop_reading();
  finish(&self);
  end(true);
  return 0;
}

static uint64_t ask_release(void) {
  finish(&own.self);
  ask(RELEASING, vigil__snapshot_release, &snapshot);
  return 0;
}

static uint64_t ask_snapshot(void) {
  snapshot.wait = atomic_load_explicit(&hurried, memory_order_relaxed);
  if (!(c.want & VIGIL__CAPTURE_HEAP) ||
      !vigil__snapshot_prepare(&snapshot, &c.incident))
    return ask_release();
  ask(TAKING, vigil__snapshot_take, &snapshot);
  return 0;
}

/* No memory for a snapshot: who allocates is told by an allocation profile. */
static uint64_t ask_alloc(void) {
  const unsigned has = c.want;

  c.want = own.want = 0;
  if (snapshot.wait || has & VIGIL__CAPTURE_ALLOC ||
      !(c.config->capture & VIGIL__CAPTURE_ALLOC))
    return ask_release();
  c.want = own.want = VIGIL__CAPTURE_ALLOC;
  c.deadline = vigil__os.mono() + START_WAIT;
  ask(STARTING, vigil__evidence_start, &own);
  return 0;
}

static uint64_t after_taking(vigil__mono_t now) {
  switch (vigil__snapshot_after(&snapshot, &c.incident, &own.self)) {
    case VIGIL__SNAPSHOT_AGAIN:
      c.stage = RESTING;
      c.deadline = now + VIGIL__SNAPSHOT_LATER;
      return VIGIL__SNAPSHOT_LATER;
    case VIGIL__SNAPSHOT_CHILD:
      return begin_writing(false);
    case VIGIL__SNAPSHOT_NO_MEMORY:
      return ask_alloc();
    default:
      return ask_release();
  }
}

static uint64_t after_start(vigil__mono_t now) {
  if (!vigil__job_take()) {
    if (now < c.deadline)
      return c.deadline - now;
    if (!vigil__job_cancel())
      return 0;
    vigil__incident_none(&c.incident, c.want & VIGIL__CAPTURE_CPU
                                          ? VIGIL__PIECE_CPU
                                          : VIGIL__PIECE_ALLOC,
                         "the loop reached no safe point for %d s",
                         (int) (START_WAIT / VIGIL__SEC));
    return ask_snapshot();
  }
  if (!vigil__evidence_started(&own)) {
    vigil__evidence_profiles(&own, &c.incident);
    return ask_snapshot();
  }
  c.stage = PROFILING;
  c.deadline = now + c.profile_ns;
  return c.profile_ns;
}

/* The heap has reached its limit: what was begun has been stopped. */
static uint64_t step_hurried(void) {
  vigil__evidence_profiles(&own, &c.incident);
  if (c.want & VIGIL__CAPTURE_CPU && c.incident.piece[VIGIL__PIECE_CPU].name[0] == '\0')
    vigil__incident_none(&c.incident, VIGIL__PIECE_CPU,
                         "the heap reached its limit first");
  return ask_snapshot();
}

uint64_t vigil__capture_step(vigil__mono_t now) {
  if (c.stage == IDLE)
    return 0;
  if (c.stage != WRITING &&
      atomic_load_explicit(&leaving, memory_order_acquire))
    return step_leaving();
  if (c.stage >= STARTING && c.stage <= STOPPING &&
      atomic_load_explicit(&hurried, memory_order_acquire))
    return step_hurried();
  switch (c.stage) {
    case STARTING:
      return after_start(now);
    case PROFILING:
      if (now < c.deadline)
        return c.deadline - now;
      ask(STOPPING, vigil__evidence_stop, &own);
      return 0;
    case STOPPING:
      if (!vigil__job_take())
        return 0;
      vigil__evidence_profiles(&own, &c.incident);
      return ask_snapshot();
    case TAKING:
      return vigil__job_take() ? after_taking(now) : 0;
    case RESTING:
      if (now < c.deadline)
        return c.deadline - now;
      ask(TAKING, vigil__snapshot_take, &snapshot);
      return 0;
    case WRITING:
      return step_writing(now);
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

const struct vigil__isolate* vigil__capture_of(void) {
  return c.stage == IDLE ? NULL : c.iso;
}

void vigil__capture_calm(bool calm, vigil__mono_t now) {
  if (!calm)
    c.calm = 0;
  else if (c.calm == 0)
    c.calm = now;
  if (c.stage == PROFILING && !c.incident.trigger.demand && c.calm > c.begun && now - c.calm >= CALM &&
      c.deadline > now)
    c.deadline = now;
}

const char* vigil__capture_last(void) {
  return c.last;
}

int vigil__capture_begin(const struct vigil__trigger* trigger) {
  int err = vigil__incident_begin(&c.incident, c.config, trigger);

  if (err != 0)
    return err;
  uv_mutex_lock(&lock);
  if (vigil__isolate_gone(trigger->iso)) {
    uv_mutex_unlock(&lock);
    vigil__incident_abort(&c.incident);
    return -ESRCH;
  }
  vigil__isolate_ref(trigger->iso);
  vigil__probe_ref(trigger->probe);
  c.iso = trigger->iso;
  c.probe = trigger->probe;
  vigil__evidence_init(&own, 0, trigger->iso, trigger->loop);
  vigil__snapshot_init(&snapshot, c.config, trigger->iso, trigger->loop);
  atomic_store_explicit(&leaving, false, memory_order_relaxed);
  atomic_store_explicit(&hurried, false, memory_order_relaxed);
  holding = trigger->iso;
  reading = unfinished = true;
  uv_mutex_unlock(&lock);
  c.begun = vigil__os.mono();
  c.calm = 0;
  c.deadline = c.begun + START_WAIT;
  if (trigger->last)
    atomic_store_explicit(&hurried, true, memory_order_relaxed);
  c.profile_ns = trigger->profile_ns != 0 ? trigger->profile_ns
                                          : c.config->cpu_profile_ns;
  c.want = own.want = vigil__evidence_plan(&c.incident);
  if (c.want & (VIGIL__CAPTURE_CPU | VIGIL__CAPTURE_ALLOC)) {
    if (c.want & VIGIL__CAPTURE_CPU)
      vigil__incident_name(&c.incident, VIGIL__PIECE_CPU);
    ask(STARTING, vigil__evidence_start, &own);
  }
  /* While the profile gets going. */
  if (c.want & VIGIL__CAPTURE_BEFORE && c.config->recorder)
    vigil__incident_write(&c.incident, VIGIL__PIECE_BEFORE, fill_before, c.probe);
  if (c.stage == IDLE) {
    c.stage = RELEASING;
    ask_snapshot();
  }
  return 0;
}

bool vigil__capture_unfinished(void) {
  bool is;

  uv_mutex_lock(&lock);
  is = unfinished;
  uv_mutex_unlock(&lock);
  return is;
}

bool vigil__capture_hurry(struct vigil__isolate* iso) {
  bool mine;

  uv_mutex_lock(&lock);
  mine = unfinished && holding == iso && getpid() == c.pid;
  if (mine && vigil__job_cancel()) {
    /* What V8 allocates for it could be what ends the program. */
    own.alloc_dropped = true;
    vigil__evidence_stop(&own);
    atomic_store_explicit(&hurried, true, memory_order_release);
  }
  uv_mutex_unlock(&lock);
  if (mine)
    c.wake();
  return mine;
}

/* Under the lock. */
static void wait_for_the_end(uint64_t ns) {
  vigil__mono_t now = vigil__mono_now();
  const vigil__mono_t until = now + ns;

  while (unfinished && now < until) {
    uv_cond_timedwait(&changed, &lock, until - now);
    now = vigil__mono_now();
  }
}

void vigil__capture_leave(struct vigil__isolate* iso, bool last) {
  uv_mutex_lock(&lock);
  vigil__isolate_close(iso);
  if (getpid() != c.pid || (holding != iso && !(last && unfinished))) {
    uv_mutex_unlock(&lock);
    return;
  }
  if (holding == iso) {
    vigil__job_cancel();
    vigil__evidence_stop(&own);
    atomic_store_explicit(&leaving, true, memory_order_release);
  }
  c.wake();
  wait_for_the_end(c.config->exit_wait_ns);
  atomic_store_explicit(&c.incident.give_up, true, memory_order_relaxed);
  if (holding != iso) {
    wait_for_the_end(GIVE_UP);
    uv_mutex_unlock(&lock);
    return;
  }
  while (reading)
    uv_cond_wait(&changed, &lock);
  vigil__snapshot_release(&snapshot);
  holding = NULL;
  uv_mutex_unlock(&lock);
}
