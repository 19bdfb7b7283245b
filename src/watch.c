/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "watch.h"

#include "artifact.h"
#include "capture.h"
#include "log.h"
#include "os.h"
#include "thread.h"

#include <pthread.h>   /* pthread_sigmask, pthread_setname_np */
#include <signal.h>    /* sigfillset */
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>  /* stat */
#include "uv.h"

#define TICK_MS 1000

static const struct vigil__config* config;
static struct vigil__rule_config rule;
static uv_once_t once = UV_ONCE_INIT;
static _Thread_local bool is_self;

/* The watch thread's own. */
static uv_loop_t loop;
static uv_timer_t tick;
static uv_timer_t capture_timer;
static uint64_t last_wall_ns;

/* A flag of its own: nothing is read by way of it, so relaxed will do. */
static atomic_bool armed;

static uv_async_t async;
/* Set with release once `async` may be sent to; acquired by wake(). */
static atomic_bool ready;

static void on_capture_time(uv_timer_t* handle);

static void step_capture(void) {
  const uint64_t rest_ns = vigil__capture_step(vigil__os.mono());

  if (rest_ns == 0)
    uv_timer_stop(&capture_timer);
  else
    uv_timer_start(&capture_timer, on_capture_time,
                   (rest_ns + VIGIL__MS - 1) / VIGIL__MS, 0);
}

static void on_capture_time(uv_timer_t* handle) {
  (void) handle;
  step_capture();
}

static void on_wake(uv_async_t* handle) {
  (void) handle;
  step_capture();
}

/* When the newest incident in the directory happened, without making one. */
static uint64_t last_incident(void) {
  struct vigil__artifact_dir dir;
  struct stat st;
  int64_t last;

  if (stat(config->dir, &st) != 0 ||
      vigil__artifact_dir_open(&dir, config->dir, NULL) != 0)
    return 0;
  last = vigil__artifact_last(&dir);
  vigil__artifact_dir_close(&dir);
  return last > 0 ? (uint64_t) last : 0;
}

/* GC pauses of the last `seconds` ticks. */
static uint64_t gc_in_window(const struct vigil__thread* t,
                             uint64_t seconds,
                             uint64_t total) {
  const uint64_t back = seconds < t->ticks ? seconds : t->ticks;

  if (back == 0 || back >= VIGIL__GC_SECONDS)
    return 0;
  return total - t->gc_pause_ns[(t->ticks - back) % VIGIL__GC_SECONDS];
}

static void describe(const struct vigil__thread* t,
                     const struct vigil__lag* lag,
                     const struct vigil__window_span* span,
                     struct vigil__cause* cause) {
  memset(cause, 0, sizeof(*cause));
  cause->iso = t->iso;
  cause->loop = t->loop;
  cause->thread_id = t->id;
  memcpy(cause->thread, t->name, sizeof(cause->thread));
  cause->lag = *lag;
  cause->span = *span;
  vigil__isolate_gc(t->iso, &cause->gc);
  cause->gc_window_ns =
      gc_in_window(t, (span->end - span->begin + VIGIL__SEC / 2) / VIGIL__SEC,
                   cause->gc.pause_ns);
}

/* Adds a slice to the window of one loop. Under the lock. */
static bool measure(struct vigil__thread* t) {
  struct vigil__gc_copy gc;

  if (t->window == NULL)
    t->window = vigil__window_new();
  if (t->window == NULL)
    return false;
  vigil__window_tick(t->window, t->loop);
  if (t->iso != NULL) {
    vigil__isolate_gc(t->iso, &gc);
    t->gc_pause_ns[t->ticks++ % VIGIL__GC_SECONDS] = gc.pause_ns;
  }
  return true;
}

/* One loop, under the lock. True: the rule fired, and `cause` says why. */
static bool evaluate(struct vigil__thread* t,
                     bool capturing,
                     struct vigil__cause* cause) {
  struct vigil__window_span span;
  struct vigil__rule_input in;
  struct vigil__lag lag;

  if (vigil__window_lag(t->window, config->window_ns, VIGIL__WINDOW_MASKED,
                        &lag, &span) != 0)
    return false;
  memset(&in, 0, sizeof(in));
  in.now = vigil__os.mono();
  if (t->rule.start == 0)
    t->rule.start = in.now;  /* The grace period counts from arming. */
  in.p99_ns = lag.p99_ns;
  in.filled = span.filled;
  in.capturing = capturing;
  in.wall_ns = vigil__os.wall();
  in.last_wall_ns = last_wall_ns;
  if (vigil__rule_eval(&rule, &t->rule, &in, NULL) != VIGIL__RULE_FIRE)
    return false;
  describe(t, &lag, &span, cause);
  return true;
}

static void on_tick(uv_timer_t* handle) {
  const vigil__mono_t now = vigil__os.mono();
  struct vigil__cause cause;
  struct vigil__thread* t;
  bool capturing = vigil__capture_running();
  bool fired = false;

  (void) handle;
  vigil__threads_lock();
  vigil__threads_forget(now > config->window_ns ? now - config->window_ns : 0);
  for (t = vigil__threads_first(); t != NULL; t = t->next) {
    if (t->loop == NULL || !measure(t) || t->iso == NULL ||
        !vigil__watch_armed())
      continue;
    if (evaluate(t, capturing, &cause)) {
      /* Keeps it until the capture has its own reference. */
      vigil__isolate_ref(cause.iso);
      capturing = fired = true;
    }
  }
  vigil__threads_unlock();
  if (!fired)
    return;
  /* Another process may have written one since we looked. */
  last_wall_ns = last_incident();
  if (last_wall_ns == 0 ||
      vigil__os.wall() - last_wall_ns >= config->cooldown_ns) {
    if (vigil__capture_begin(&cause) == 0) {
      last_wall_ns = vigil__os.wall();
      step_capture();
    }
  }
  vigil__isolate_unref(cause.iso);
}

static void run(void* arg) {
  (void) arg;
  is_self = true;
  pthread_setname_np(pthread_self(), "vigil-watch");
  if (uv_loop_init(&loop) != 0 ||
      uv_async_init(&loop, &async, on_wake) != 0 ||
      uv_timer_init(&loop, &tick) != 0 ||
      uv_timer_init(&loop, &capture_timer) != 0) {
    vigil__log("the watch thread has no loop: nothing will be captured");
    return;
  }
  atomic_store_explicit(&ready, true, memory_order_release);
  last_wall_ns = last_incident();
  uv_timer_start(&tick, on_tick, 0, TICK_MS);
  uv_run(&loop, UV_RUN_DEFAULT);
}

static void start(void) {
  uv_thread_options_t options = { .flags = UV_THREAD_HAS_STACK_SIZE,
                                  .stack_size = 1 << 20 };
  uv_thread_t thread;
  sigset_t all;
  sigset_t old;
  int err;

  /* Signals are the program's: none may be delivered to our thread. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  err = uv_thread_create_ex(&thread, &options, run, NULL);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (err != 0)
    vigil__log("the watch thread cannot be started (%s): nothing will be "
               "captured", uv_strerror(err));
  else
    pthread_detach(thread);
}

void vigil__watch_init(const struct vigil__config* c) {
  config = c;
  rule.limit_ns = c->lag_p99_ns;
  rule.for_ns = c->for_ns;
  rule.grace_ns = c->grace_ns;
  rule.cooldown_ns = c->cooldown_ns;
}

void vigil__watch_start(void) {
  uv_once(&once, start);
}

void vigil__watch_arm(void) {
  if (!atomic_exchange_explicit(&armed, true, memory_order_relaxed))
    vigil__watch_start();
}

bool vigil__watch_armed(void) {
  return atomic_load_explicit(&armed, memory_order_relaxed);
}

void vigil__watch_wake(void) {
  if (atomic_load_explicit(&ready, memory_order_acquire))
    uv_async_send(&async);
}

bool vigil__watch_is_self(void) {
  return is_self;
}
