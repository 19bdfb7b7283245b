/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "capture.h"

#include "artifact.h"
#include "job.h"
#include "log.h"
#include "manifest.h"
#include "os.h"
#include "sha256.h"

#include <errno.h>
#include <inttypes.h>  /* PRIu64 */
#include <stdatomic.h>
#include <stdio.h>     /* snprintf */
#include <string.h>
#include <unistd.h>    /* getpid */
#include "uv.h"

#define SAMPLE_US 1000              /* Chrome DevTools' own default. */
#define FILE_MAX (UINT64_C(16) << 30)
/* A loop that reaches no safe point for so long is in native code or in a
 * system call, and a profile begun after that would show the aftermath. */
#define START_WAIT (30 * VIGIL__SEC)

enum stage { IDLE, STARTING, PROFILING, STOPPING, SNAPSHOTTING, RELEASING };

/* Watch thread only, except where it says otherwise. */
static struct {
  const struct vigil__config* config;
  void (*wake)(void);
  enum stage stage;
  vigil__mono_t deadline;           /* Of STARTING and PROFILING. */
  struct vigil__capture_cause cause;
  struct vigil__artifact_dir dir;
  struct vigil__artifact artifact;
  uint64_t trigger_wall_ns;
  char cpu_note[160];
  char heap_note[160];
  char cpu_name[VIGIL__ARTIFACT_NAME];   /* "": not written. */
  char heap_name[VIGIL__ARTIFACT_NAME];
} c;

/* Own thread, in jobs and in leave(); the watch thread reads them after
 * vigil__job_take(), or after it saw `leaving`. */
static struct {
  struct vigil__cpu_profile* profile;
  struct vigil__heap_snapshot* snapshot;
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
 * profile; read with acquire. `give_up` only shortens work: relaxed. */
static atomic_bool leaving;
static atomic_bool give_up;

static vigil__mono_t self_begin(void) {
  vigil__loop_self(c.cause.loop, 0);
  return vigil__mono_now();
}

static void self_end(vigil__mono_t begin) {
  const uint64_t ns = vigil__mono_now() - begin;

  own.self_ns += ns;
  vigil__loop_self(c.cause.loop, ns);
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
      vigil__cpu_profile_start(c.cause.iso, SAMPLE_US, &own.profile);
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
      vigil__heap_snapshot_take(c.cause.iso, &own.snapshot,
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
  vigil__job_ask(c.cause.iso, fn, NULL, c.wake);
}

/* ---- writing, on the watch thread */

static int sink(void* arg, const char* data, size_t len) {
  if (atomic_load_explicit(&give_up, memory_order_relaxed))
    return -ECANCELED;
  return vigil__artifact_file_write(arg, data, len);
}

static void file_name(char* name, const char* kind, const char* suffix) {
  snprintf(name, VIGIL__ARTIFACT_NAME, "%s-%" PRIu64 ".%s", kind,
           vigil__os.wall() / VIGIL__SEC, suffix);
}

/* Opens `name`, has `write` fill it, closes it. Empties `name` on failure and
 * says why in `note`. */
static void write_file(char* name,
                       char note[160],
                       int (*write)(struct vigil__artifact_file* file)) {
  struct vigil__artifact_file* file;
  int err;
  int r;

  err = vigil__artifact_file_open(&c.artifact, name, FILE_MAX, &file);
  if (err == 0) {
    err = write(file);
    if (err != 0 && file->error == 0)
      vigil__artifact_file_drop(file);
    else if ((r = vigil__artifact_file_close(file)) != 0)
      err = r;
  }
  if (err != 0) {
    snprintf(note, 160, "writing %s failed: %s", name, strerror(-err));
    name[0] = '\0';
  }
}

static int fill_profile(struct vigil__artifact_file* file) {
  return vigil__cpu_profile_write(own.profile, sink, file);
}

static int fill_snapshot(struct vigil__artifact_file* file) {
  return vigil__heap_snapshot_write(own.snapshot, sink, file);
}

static void write_profile(void) {
  if (own.profile != NULL)
    write_file(c.cpu_name, c.cpu_note, fill_profile);
}

static void write_snapshot(void) {
  if (own.snapshot == NULL)
    return;
  file_name(c.heap_name, "heap", "heapsnapshot");
  write_file(c.heap_name, c.heap_note, fill_snapshot);
}

/* ---- the end of an incident */

static void say(void) {
  const uint64_t span_ms =
      (c.cause.span.end - c.cause.span.begin) / VIGIL__MS;
  const char* names[2] = { c.cpu_name, c.heap_name };
  const char* notes[2] = { c.cpu_note, c.heap_note };
  char text[VIGIL__LOG_LINE];
  size_t len = 0;
  int i;

  text[0] = '\0';
  for (i = 0; i < 2; i++) {
    if (names[i][0] != '\0')
      len += snprintf(text + len, sizeof(text) - len, "%s%s/%s/%s",
                      len == 0 ? "; captured " : " and ", c.dir.path,
                      c.artifact.name, names[i]);
  }
  if (len == 0)
    len = snprintf(text, sizeof(text), "; wrote %s/%s/incident.json",
                   c.dir.path, c.artifact.name);
  for (i = 0; i < 2; i++) {
    if (names[i][0] == '\0')
      len += snprintf(text + len, sizeof(text) - len, "; %s", notes[i]);
  }
  vigil__log("event loop lag p99 is %" PRIu64 " ms over the last %" PRIu64
             ".%" PRIu64 " s (limit %" PRIu64 " ms, %s)%s",
             c.cause.lag.p99_ns / VIGIL__MS, span_ms / 1000,
             span_ms % 1000 / 100, c.config->lag_p99_ns / VIGIL__MS,
             c.cause.thread, text);
}

static void finish(void) {
  struct vigil__json json = { .limit = 0 };
  struct vigil__manifest m = {
    .config = c.config, .cause = &c.cause, .artifact = &c.artifact,
    .trigger_wall_ns = c.trigger_wall_ns, .end_wall_ns = vigil__os.wall(),
    .self_ns = own.self_ns, .cpu_note = c.cpu_note, .heap_note = c.heap_note
  };
  int err;

  vigil__manifest_write(&json, &m);
  err = vigil__artifact_finish(&c.artifact, &json);
  vigil__json_free(&json);
  if (err == 0)
    say();
  else
    vigil__log("event loop lag p99 is %" PRIu64 " ms (%s), but the incident "
               "could not be written to %s: %s",
               c.cause.lag.p99_ns / VIGIL__MS, c.cause.thread, c.dir.path,
               strerror(-err));
  vigil__artifact_dir_close(&c.dir);
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
  vigil__isolate_unref(c.cause.iso);
  c.stage = IDLE;
}

/* The isolate leaves: no job runs any more. What it stopped or took is written
 * as long as leave() waits for it. */
static uint64_t step_leaving(void) {
  if (c.stage == RELEASING) {
    end(true);
    return 0;
  }
  if (c.stage == SNAPSHOTTING)
    write_snapshot();
  else
    write_profile();
  if (c.cpu_name[0] == '\0' && c.cpu_note[0] == '\0')
    snprintf(c.cpu_note, sizeof(c.cpu_note), "the thread ended first");
  if (c.heap_name[0] == '\0' && c.heap_note[0] == '\0')
    snprintf(c.heap_note, sizeof(c.heap_note), "the thread ended first");
  stop_reading();
  finish();
  end(true);
  return 0;
}

/* ---- the steps; each returns when to come back (0: when woken) */

static uint64_t ask_release(void) {
  finish();
  ask(RELEASING, job_release);
  return 0;
}

static uint64_t ask_snapshot(void) {
  if (!c.config->heap_snapshot) {
    snprintf(c.heap_note, sizeof(c.heap_note), "VIGIL_HEAP_SNAPSHOT=off");
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
    snprintf(c.cpu_note, sizeof(c.cpu_note),
             "no profile: the loop reached no safe point for %d s",
             (int) (START_WAIT / VIGIL__SEC));
    c.cpu_name[0] = '\0';
    return ask_snapshot();
  }
  if (own.profile_error != 0) {
    snprintf(c.cpu_note, sizeof(c.cpu_note), "no profile: V8 says %s",
             strerror(-own.profile_error));
    c.cpu_name[0] = '\0';
    return ask_snapshot();
  }
  c.stage = PROFILING;
  c.deadline = now + c.config->cpu_profile_ns;
  return c.config->cpu_profile_ns;
}

static uint64_t after_snapshot(void) {
  if (own.snapshot_error == -ENOMEM)
    snprintf(c.heap_note, sizeof(c.heap_note),
             "no heap snapshot: it may need %" PRIu64 " MB of memory, %" PRIu64
             " MB are left",
             own.snapshot_need >> 20, own.snapshot_have >> 20);
  else if (own.snapshot_error != 0)
    snprintf(c.heap_note, sizeof(c.heap_note), "no heap snapshot: V8 says %s",
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

int vigil__capture_init(const struct vigil__config* config,
                        void (*wake)(void)) {
  int err;

  c.config = config;
  c.wake = wake;
  c.dir.fd = -1;
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

int vigil__capture_begin(const struct vigil__capture_cause* cause) {
  int err;

  err = vigil__artifact_dir_open(&c.dir, c.config->dir, &vigil__sha256_openssl);
  c.trigger_wall_ns = vigil__os.wall();
  if (err == 0) {
    err = vigil__artifact_begin(&c.artifact, &c.dir, c.trigger_wall_ns,
                                getpid());
    if (err != 0)
      vigil__artifact_dir_close(&c.dir);
  }
  if (err != 0) {
    vigil__log("event loop lag p99 is %" PRIu64 " ms (%s), but nothing can be "
               "captured: %s",
               cause->lag.p99_ns / VIGIL__MS, cause->thread,
               c.dir.error[0] != '\0' ? c.dir.error : strerror(-err));
    return err;
  }
  uv_mutex_lock(&lock);
  if (vigil__isolate_gone(cause->iso)) {
    uv_mutex_unlock(&lock);
    vigil__artifact_abort(&c.artifact);
    vigil__artifact_dir_close(&c.dir);
    return -ESRCH;
  }
  c.cause = *cause;
  vigil__isolate_ref(cause->iso);
  memset(&own, 0, sizeof(own));
  c.cpu_note[0] = c.heap_note[0] = c.cpu_name[0] = c.heap_name[0] = '\0';
  atomic_store_explicit(&give_up, false, memory_order_relaxed);
  atomic_store_explicit(&leaving, false, memory_order_relaxed);
  holding = cause->iso;
  reading = unfinished = true;
  uv_mutex_unlock(&lock);
  c.deadline = vigil__os.mono() + START_WAIT;
  if (c.config->cpu_profile_ns == 0) {
    snprintf(c.cpu_note, sizeof(c.cpu_note), "VIGIL_CPU_PROFILE=off");
    ask_snapshot();
    return 0;
  }
  file_name(c.cpu_name, "cpu", "cpuprofile");
  ask(STARTING, job_start);
  return 0;
}

void vigil__capture_leave(struct vigil__isolate* iso) {
  vigil__mono_t now;
  vigil__mono_t until;

  uv_mutex_lock(&lock);
  vigil__isolate_close(iso);
  if (holding != iso) {
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
  atomic_store_explicit(&give_up, true, memory_order_relaxed);
  while (reading)
    uv_cond_wait(&changed, &lock);
  job_release(NULL);
  holding = NULL;
  uv_mutex_unlock(&lock);
}
