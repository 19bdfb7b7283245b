/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "capture.h"

#include "evidence.h"
#include "helper.h"
#include "hold.h"
#include "hunt.h"
#include "job.h"
#include "os.h"
#include "probe.h"
#include "profile.h"
#include "sampler.h"
#include "snapshot.h"
#include "thread.h"

#include <errno.h>
#include <stdio.h>     /* snprintf */
#include <string.h>

/* A loop that reaches no safe point for so long is in native code or in a
 * system call, and a profile begun after that would show the aftermath. */
#define START_WAIT (30 * VIGIL__SEC)
#define NO_SAFE_POINT "the loop reached no safe point for 30 s"

/* What an incident holds of the time before it. */
#define BEFORE (60 * VIGIL__SEC)

/* A profile is long enough once the loop has recovered for this long. */
#define CALM (3 * VIGIL__SEC)

/* How often a child that writes is looked at. */
#define LOOK (50 * VIGIL__MS)

enum stage {
  IDLE, STARTING, PROFILING, STOPPING,
  TAKING,                       /* A job takes the snapshot, or forks... */
  RESTING,                      /* ...and will again, a little later. */
  WRITING,                      /* A child does. */
  RELEASING
};

/* Watch thread only, but `wake`, which does not change, and `incident.give_up`. */
static struct {
  const struct vigil__config* config;
  void (*wake)(void);
  enum stage stage;
  unsigned want;           /* VIGIL__CAPTURE_* */
  uint64_t profile_ns;
  vigil__mono_t begun;
  vigil__mono_t deadline;  /* Of STARTING, PROFILING and RESTING. */
  vigil__mono_t calm;      /* The loop is well since then; 0: it is not. */
  struct vigil__isolate* iso;
  struct vigil__probe* probe;
  struct vigil__incident incident;
  bool round;              /* It was one of a leak hunt, and succeeded. */
  char last[VIGIL__DIR_MAX];  /* Directory of the last incident; "": none. */
} c;

/* Own thread, in jobs and in hold.c; the watch thread reads it after
 * vigil__job_take(), or after it saw that the thread leaves. */
static struct vigil__evidence own;
static struct vigil__snapshot snapshot;

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
  const unsigned round = c.incident.trigger.leak;

  c.last[0] = '\0';
  c.round = false;
  if (round != 0) {
    c.round = vigil__snapshot_summary(&snapshot, &c.incident);
    if (c.round && round < VIGIL__HUNT_ROUNDS) {
      vigil__incident_abort(&c.incident);
      return;
    }
    vigil__hunt_write(&c.incident);
  } else {
    write_seen();
  }
  if (vigil__incident_finish(&c.incident, self) != 0)
    return;
  snprintf(c.last, sizeof(c.last), "%s/%s", c.incident.dir.path,
           c.incident.artifact.name);
  vigil__helper_incident();
}

static void end(bool left) {
  vigil__hold_end(left);
  vigil__evidence_free(&own);
  vigil__snapshot_free(&snapshot);
  vigil__probe_unref(c.probe);
  vigil__isolate_unref(c.iso);
  c.stage = IDLE;
}

static void none(unsigned wanted, enum vigil__piece piece, const char* why) {
  if (c.want & wanted)
    vigil__incident_none(&c.incident, piece, "%s", why);
}

static bool has(enum vigil__piece piece) {
  return c.incident.piece[piece].name[0] != '\0';
}

/* ---- the steps; each returns when to come back (0: when woken) */

/* A child writes: the isolate is needed no more. */
static uint64_t begin_writing(bool left) {
  c.stage = WRITING;
  vigil__hold_let_go(left);
  return LOOK;
}

static bool hold(void) {
  const struct vigil__held held = { &own, &snapshot, &c.incident };

  if (!vigil__hold_begin(c.iso, &held))
    return false;
  if (c.incident.trigger.last || snapshot.wait)
    vigil__hold_hurry_begin();
  return true;
}

static uint64_t step_writing(vigil__mono_t now) {
  switch (vigil__snapshot_poll(&snapshot, &c.incident, now)) {
    case VIGIL__SNAPSHOT_WRITES:
      return LOOK;
    case VIGIL__SNAPSHOT_LOCKED:
      if (hold() && vigil__snapshot_prepare(&snapshot, &c.incident)) {
        ask(TAKING, vigil__snapshot_take, &snapshot);
        return 0;
      }
      none(VIGIL__CAPTURE_HEAP, VIGIL__PIECE_HEAP, "the thread ended first");
      break;
    case VIGIL__SNAPSHOT_WRITTEN:
      break;
  }
  finish(&own.self);
  end(false);
  return 0;
}

/* The isolate leaves: no job runs any more. What it stopped or took is written
 * as long as leave() waits for it. */
static uint64_t step_leaving(void) {
  enum vigil__snapshot_next next = VIGIL__SNAPSHOT_NONE;
  struct vigil__self self;

  if (c.stage == RELEASING) {
    end(true);
    return 0;
  }
  vigil__evidence_profiles(&own, &c.incident);
  if (c.stage == TAKING && vigil__job_take())
    next = vigil__snapshot_after(&snapshot, &c.incident, &own.self);
  if (next == VIGIL__SNAPSHOT_CHILD)
    return begin_writing(true);
  if (!has(VIGIL__PIECE_CPU))
    none(VIGIL__CAPTURE_CPU, VIGIL__PIECE_CPU, "the thread ended first");
  if (next != VIGIL__SNAPSHOT_TAKEN)
    none(VIGIL__CAPTURE_HEAP, VIGIL__PIECE_HEAP, "the thread ended first");
  self = own.self;  /* leave() may write it from here on. */
  vigil__hold_let_go(true);
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
  snapshot.wait = vigil__hold_hurried();
  if (!(c.want & VIGIL__CAPTURE_HEAP) ||
      !vigil__snapshot_prepare(&snapshot, &c.incident))
    return ask_release();
  ask(TAKING, vigil__snapshot_take, &snapshot);
  return 0;
}

/* No memory for a snapshot: who allocates is told by an allocation profile. */
static uint64_t ask_alloc(void) {
  const unsigned had = c.want;

  c.want = own.want = 0;
  if (snapshot.wait || snapshot.leak != 0 || had & VIGIL__CAPTURE_ALLOC ||
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
    none(VIGIL__CAPTURE_CPU, VIGIL__PIECE_CPU, NO_SAFE_POINT);
    none(VIGIL__CAPTURE_ALLOC, VIGIL__PIECE_ALLOC, NO_SAFE_POINT);
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
  if (!has(VIGIL__PIECE_CPU))
    none(VIGIL__CAPTURE_CPU, VIGIL__PIECE_CPU,
         "the heap reached its limit first");
  return ask_snapshot();
}

uint64_t vigil__capture_step(vigil__mono_t now) {
  if (c.stage == IDLE)
    return 0;
  if (c.stage != WRITING && vigil__hold_leaving())
    return step_leaving();
  if (c.stage <= STOPPING && vigil__hold_hurried())
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
  c.config = config;
  c.wake = wake;
  return vigil__hold_init(config->exit_wait_ns, wake);
}

bool vigil__capture_running(void) {
  return c.stage != IDLE || vigil__hold_any();
}

const struct vigil__isolate* vigil__capture_of(void) {
  return c.stage == IDLE ? NULL : c.iso;
}

void vigil__capture_calm(bool calm, vigil__mono_t now) {
  if (!calm)
    c.calm = 0;
  else if (c.calm == 0)
    c.calm = now;
  if (c.stage == PROFILING && !c.incident.trigger.demand &&
      c.calm > c.begun && now - c.calm >= CALM && c.deadline > now)
    c.deadline = now;
}

void vigil__capture_row(const struct vigil__timeline* t) {
  vigil__timeline_take(&c.incident.timeline, t);
}

bool vigil__capture_round(void) {
  return c.round;
}

const char* vigil__capture_last(void) {
  return c.last;
}

int vigil__capture_begin(const struct vigil__trigger* trigger) {
  int err = vigil__incident_begin(&c.incident, c.config, trigger);

  if (err != 0)
    return err;
  vigil__thread_timeline(trigger->iso, &c.incident.timeline);
  c.iso = trigger->iso;
  c.probe = trigger->probe;
  vigil__evidence_init(&own, 0, c.iso, trigger->loop);
  vigil__snapshot_init(&snapshot, c.config, c.iso, trigger->loop);
  if (!hold()) {
    vigil__incident_abort(&c.incident);
    return -ESRCH;
  }
  vigil__isolate_ref(c.iso);
  vigil__probe_ref(c.probe);
  c.begun = vigil__os.mono();
  c.calm = 0;
  c.deadline = c.begun + START_WAIT;
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
