/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "watch.h"

#include "capture.h"
#include "demand.h"
#include "facts.h"
#include "figures.h"
#include "fire.h"
#include "helper.h"
#include "hunt.h"
#include "judge.h"
#include "log.h"
#include "os.h"
#include "sampler.h"
#include "tell.h"
#include "thread.h"

#include <errno.h>
#include <pthread.h>   /* pthread_sigmask, pthread_setname_np */
#include <signal.h>    /* sigfillset */
#include <stdatomic.h>
#include <string.h>
#include "uv.h"

#define TICK_MS 1000
/* What is due this little before or after a tick is done by it. */
#define WITH_TICK_MS 20
/* For so long after a request there are facts. */
#define WANTED_NS (10 * VIGIL__SEC)

static const struct vigil__config* config;
static uv_once_t once = UV_ONCE_INIT;
static _Thread_local bool is_self;

/* The watch thread's own. */
static uv_loop_t loop;
static uv_timer_t tick;
static uv_timer_t capture_timer;
static uv_timer_t helper_timer;
static uv_timer_t sample;
static vigil__mono_t due;       /* When it next wants to run; 0: not yet known. */

/* A flag of its own: nothing is read by way of it, so relaxed will do. */
static atomic_bool armed;

static uv_async_t async;
/* Set with release once `async` may be sent to; acquired by wake(). */
static atomic_bool ready;

/* Until then somebody is told. The watch thread sees it at a tick, or when it
 * is woken; nothing is read by way of it: relaxed. */
static _Atomic uint64_t wanted;
static vigil__mono_t collected;  /* The watch thread's own. */

static void on_capture_time(uv_timer_t* handle);
static void on_sample(uv_timer_t* handle);

static void step_capture(void) {
  const vigil__mono_t begin = vigil__os.mono();
  const uint64_t rest_ns = vigil__capture_step(begin);
  const vigil__mono_t now = vigil__os.mono();

  /* What that took was our own doing. */
  if (due > begin && due < now)
    due = now;

  if (rest_ns == 0)
    uv_timer_stop(&capture_timer);
  else
    uv_timer_start(&capture_timer, on_capture_time,
                   (rest_ns + VIGIL__MS - 1) / VIGIL__MS, 0);
}

static void serve_demand(void);
static void on_helper_time(uv_timer_t* handle);

/* The helper, and what waits for it; last, for captures give it work. */
static void step_helper(void) {
  uint64_t rest_ns = vigil__helper_step(vigil__os.mono());

  if (vigil__fire_step()) {
    step_capture();
    rest_ns = vigil__helper_step(vigil__os.mono());
  }
  if (rest_ns == 0)
    uv_timer_stop(&helper_timer);
  else
    uv_timer_start(&helper_timer, on_helper_time,
                   (rest_ns + VIGIL__MS - 1) / VIGIL__MS, 0);
}

static void on_helper_time(uv_timer_t* handle) {
  (void) handle;
  step_helper();
}

static void on_capture_time(uv_timer_t* handle) {
  (void) handle;
  step_capture();
  serve_demand();
  step_helper();
}

/* Who is not watched does not take the port from who is: `npm start` has the
 * same environment as the server. */
static void tell(void) {
  const vigil__mono_t now = vigil__os.mono();
  const vigil__mono_t until =
      atomic_load_explicit(&wanted, memory_order_relaxed);

  if (config->metrics[0] != '\0' || now < until) {
    vigil__facts_collect(config, now < until);
    collected = now;
  }
  if (vigil__watch_armed())
    vigil__tell_start(config);
}

static void on_wake(uv_async_t* handle) {
  (void) handle;
  vigil__judge_take_limits();
  /* Who asks first need not wait for the next tick. */
  if (atomic_load_explicit(&wanted, memory_order_relaxed) > collected &&
      vigil__os.mono() - collected > TICK_MS * VIGIL__MS)
    tell();
  step_capture();
  serve_demand();
  step_helper();
}

/* Adds a slice to the window of one loop. Under the lock. */
static bool measure(struct vigil__thread* t, uint64_t pool_wait_ns) {
  uint64_t gc_ns = VIGIL__TIMELINE_NONE;
  struct vigil__gc_copy gc;
  int r;

  if (t->window == NULL)
    t->window = vigil__window_new();
  if (t->window == NULL)
    return false;
  if (t->timeline == NULL)
    t->timeline = vigil__timeline_new();
  r = vigil__window_tick(t->window, t->loop);
  if (t->iso != NULL)
    gc_ns = vigil__gc_pauses(vigil__isolate_pauses(t->iso),
                             t->window->now.now);
  if (t->timeline != NULL)
    vigil__timeline_add(t->timeline, t->window, r, gc_ns, pool_wait_ns);
  if (t->iso != NULL) {
    vigil__isolate_gc(t->iso, &gc);
    t->gc_pause_ns[t->ticks++ % VIGIL__GC_SECONDS] = gc.pause_ns;
    if (t->probe != NULL)
      vigil__figures_second(t->probe, vigil__os.mono(), gc.pause_ns);
  }
  return true;
}

/* Looks at all loops. True: a rule fired, and `trigger`, `result` say which. */
static bool evaluate(struct vigil__trigger* trigger,
                     struct vigil__rule_result* result) {
  const vigil__mono_t now = vigil__os.mono();
  const uint64_t pool_wait_ns = vigil__figures_pool_second();
  bool capturing = vigil__capture_running() || vigil__fire_asks();
  struct vigil__rule_result r;
  struct vigil__thread* t;
  bool fired = false;

  vigil__threads_lock();
  vigil__threads_forget(now > config->window_ns ? now - config->window_ns : 0);
  for (t = vigil__threads_first(); t != NULL; t = t->next) {
    if (t->loop == NULL || !measure(t, pool_wait_ns) || t->iso == NULL || t->probe == NULL ||
        !vigil__watch_armed())
      continue;
    if (vigil__capture_of() == t->iso) {
      vigil__capture_calm(vigil__judge_calm(t), now);
      if (t->timeline != NULL)
        vigil__capture_row(t->timeline);
    }
    r = vigil__judge(t, capturing);
    if (r.decision != VIGIL__RULE_FIRE || capturing)
      continue;
    *result = r;
    vigil__judge_begin(t, trigger);
    capturing = fired = true;
  }
  vigil__threads_unlock();
  return fired;
}

/* ---- captures that somebody asks for */

static struct vigil__demand demand;  /* The one under way... */
static bool demanded;                /* ...if one is. */

static bool find(uint64_t thread_id, struct vigil__trigger* trigger) {
  struct vigil__thread* t;

  vigil__threads_lock();
  for (t = vigil__threads_first(); t != NULL; t = t->next) {
    if (t->iso != NULL && t->probe != NULL && t->id == thread_id) {
      vigil__judge_begin(t, trigger);
      break;
    }
  }
  vigil__threads_unlock();
  return t != NULL;
}

static void serve_demand(void) {
  struct vigil__trigger trigger;
  const char* path;
  int err = -ESRCH;

  if (vigil__capture_running())
    return;
  if (demanded) {
    path = vigil__capture_last();
    vigil__demand_done(demand.ticket,
                       path[0] != '\0' || vigil__capture_round() ? 0 : -EIO,
                       path);
    demanded = false;
  }
  if (!vigil__demand_next(&demand))
    return;
  if (find(demand.thread_id, &trigger)) {
    trigger.want = demand.want;
    trigger.profile_ns = demand.profile_ns;
    if (demand.leak != 0)
      vigil__judge_leak(&trigger, demand.leak);
    else if (demand.heap_limit != 0)
      vigil__judge_limit(&trigger, demand.heap_limit);
    else
      vigil__judge_end(&trigger, NULL,
                       demand.ticket == 0 ? "a signal"
                       : demand.who != NULL ? demand.who : "node:vigil");
    err = vigil__capture_begin(&trigger);
    vigil__judge_drop(&trigger);
  }
  demanded = err == 0;
  if (demanded) {
    step_capture();
    return;
  }
  vigil__demand_done(demand.ticket, err, "");
}

/* ---- timers */

static bool looks(void) {
  return vigil__watch_armed() && (config->recorder || config->stall_ns != 0);
}

/* Looks at the threads, and comes back when they want it; where the next tick
 * is about as early, that does it, to wake up once. */
static void look(void) {
  const uint64_t tick_ms = uv_timer_get_due_in(&tick);
  const vigil__mono_t now = vigil__os.mono();
  const vigil__mono_t next = vigil__sampler_step(now);
  const uint64_t ms = next > now ? (next - now + VIGIL__MS - 1) / VIGIL__MS : 1;

  if (ms + WITH_TICK_MS >= tick_ms && ms > WITH_TICK_MS) {
    uv_timer_stop(&sample);
    due = now + tick_ms * VIGIL__MS;
  } else {
    uv_timer_start(&sample, on_sample, ms, 0);
    due = now + ms * VIGIL__MS;
  }
}

static void on_sample(uv_timer_t* handle) {
  (void) handle;
  vigil__figures_beat(vigil__os.mono(), due);
  look();
}

static void hunt(void) {
  const struct vigil__demand round = {
    .leak = vigil__hunt_due(vigil__os.mono(), vigil__watch_armed())
  };

  if (round.leak != 0)
    vigil__demand_ask(&round);
}

static void on_tick(uv_timer_t* handle) {
  struct vigil__rule_result result;
  struct vigil__trigger trigger;
  bool fired;

  (void) handle;
  vigil__figures_beat(vigil__os.mono(), due);
  vigil__figures_tick(vigil__os.mono());
  vigil__judge_take_limits();
  fired = evaluate(&trigger, &result);
  tell();  /* Before what takes time. */
  if (fired) {
    if (vigil__fire(&trigger, &result))
      step_capture();
    vigil__judge_drop(&trigger);
  }
  if (vigil__capture_of() != NULL)
    step_capture();  /* It may be calm, and so done. */
  hunt();
  serve_demand();
  if (vigil__watch_armed())
    vigil__helper_armed();
  step_helper();
  due = vigil__os.mono() + TICK_MS * VIGIL__MS;
  if (looks())
    look();
}

static void run(void* arg) {
  (void) arg;
  is_self = true;
  pthread_setname_np(pthread_self(), "vigil-watch");
  if (uv_loop_init(&loop) != 0 ||
      uv_async_init(&loop, &async, on_wake) != 0 ||
      uv_timer_init(&loop, &tick) != 0 ||
      uv_timer_init(&loop, &capture_timer) != 0 ||
      uv_timer_init(&loop, &helper_timer) != 0 ||
      uv_timer_init(&loop, &sample) != 0) {
    vigil__log("the watch thread has no loop: nothing will be captured");
    return;
  }
  atomic_store_explicit(&ready, true, memory_order_release);
  vigil__log_check();
  vigil__figures_init();
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

  /* Signals are the program's: none is delivered to our thread, but one. */
  sigfillset(&all);
  /* What the end of a helper sends to the thread that started it: blocked there
   * it would be kept, and wake another thread from its sleep, only for nothing. */
  sigdelset(&all, SIGCHLD);
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
  vigil__judge_init(c);
  vigil__sampler_init(c);
  vigil__hunt_init(c);
  vigil__facts_init();
  vigil__fire_init(c);
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

void vigil__watch_tell(void) {
  const vigil__mono_t now = vigil__os.mono();

  if (atomic_exchange_explicit(&wanted, now + WANTED_NS,
                               memory_order_relaxed) <= now)
    vigil__watch_wake();
}

bool vigil__watch_is_self(void) {
  return is_self;
}

void vigil__watch_own_thread(void) {
  is_self = true;
}
