/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "vigil.h"

#include "capture.h"
#include "clock.h"
#include "config.h"
#include "control_socket.h"
#include "demand.h"
#include "helper.h"
#include "hold.h"
#include "limit.h"
#include "log.h"
#include "loop.h"
#include "pool.h"
#include "probe.h"
#include "report.h"
#include "thread.h"
#include "vigil_uv.h"
#include "watch.h"

#include <signal.h>  /* sigaction */
#include <stdbool.h>
#include <stdlib.h>  /* getenv */
#include <string.h>
#include <unistd.h>  /* getcwd, getuid, environ */
#include "uv.h"

static struct vigil__config config;
static bool on;

/* ---- called by libuv */

static void* loop_init(struct uv_loop_s* loop) {
  return vigil__watch_is_self() ? NULL
                                : vigil__thread_add(loop, vigil__mono_now());
}

static void loop_close(void* record) {
  vigil__thread_remove(record);
}

static void run_begin(void* record) {
  vigil__loop_run_begin(record, vigil__mono_now());
}

static void run_end(void* record) {
  vigil__loop_run_end(record, vigil__mono_now());
}

static void poll_enter(void* record) {
  vigil__loop_poll_enter(record, vigil__mono_now());
}

static void poll_exit(void* record, int nevents) {
  vigil__loop_poll_exit(record, vigil__mono_now(), nevents);
}

static void turn(void* record) {
  vigil__loop_turn(record);
}

static void timer(void* record, uint64_t due_ms) {
  vigil__loop_timer(record, due_ms * VIGIL__MS, vigil__mono_now());
}

static void work_submit(const void* work, unsigned kind) {
  vigil__pool_submit(work, kind, vigil__mono_now());
}

static void work_begin(const void* work, int is_slow) {
  vigil__pool_begin(work, is_slow, vigil__mono_now());
}

static void work_end(void) {
  vigil__pool_end(vigil__mono_now());
}

static void serves(void* record) {
  (void) record;
  if (!vigil__watch_armed())
    vigil__watch_arm();
}

static const struct vigil_uv_hooks hooks = {
  .loop_init = loop_init,
  .loop_close = loop_close,
  .run_begin = run_begin,
  .run_end = run_end,
  .poll_enter = poll_enter,
  .poll_exit = poll_exit,
  .turn = turn,
  .timer = timer,
  .serves = serves,
  .work_submit = work_submit,
  .work_begin = work_begin,
  .work_cancel = vigil__pool_cancel,
  .work_end = work_end
};

/* ---- called by Node */

static const char* get(void* arg, const char* name) {
  (void) arg;
  return getenv(name);
}

static void complain(void* arg, const char* line) {
  (void) arg;
  vigil__log_event(VIGIL__LOG_CONFIG, NULL, NULL, "%s", line);
}

/* A program may change its folder; VIGIL_DIR means the one it began in. */
static void make_dir_absolute(void) {
  char path[VIGIL__DIR_MAX];
  size_t len;

  if (config.dir[0] == '/' || getcwd(path, sizeof(path)) == NULL)
    return;
  len = strlen(path);
  if (len + 1 + strlen(config.dir) >= sizeof(path))
    return;
  path[len] = '/';
  strcpy(path + len + 1, config.dir);
  strcpy(config.dir, path);
}

void vigil_init(void) {
  vigil__log_init(getenv("VIGIL_LOG"));  /* It tells of the others, too. */
  vigil__config_read(&config, (unsigned) getuid(), get, complain, NULL);
  vigil__report_init(&config);
  if (config.mode == VIGIL__MODE_OFF)
    return;
  make_dir_absolute();
  if (vigil__threads_init() != 0 || vigil__demand_init() != 0 ||
      vigil__capture_init(&config, vigil__watch_wake) != 0) {
    vigil__log("cannot start: this process is not watched");
    return;
  }
  vigil__watch_init(&config);
  vigil__limit_init(&config, vigil__watch_wake);
  vigil__helper_init(&config, environ);
  on = true;
  uv__vigil_hooks = &hooks;
}

static struct vigil__isolate* main_iso;

static void leaving(struct vigil__isolate* iso) {
  vigil__thread_detach(iso);
  vigil__hold_leave(iso, iso == main_iso);
  if (iso == main_iso) {
    vigil__helper_leave();
    vigil__control_unbind();
  }
}

bool vigil__on(void) {
  return on;
}

static void on_signal(int signal) {
  (void) signal;
  vigil__demand_signal();
  vigil__watch_wake();
}

/* After Node has set up its own, and before the program's first handler, which
 * replaces this one. */
static void take_signal(void) {
  struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
  struct sigaction old;

  if (sigaction((int) config.signal, NULL, &old) != 0 ||
      old.sa_handler != SIG_DFL ||
      sigaction((int) config.signal, &action, NULL) != 0)
    vigil__log("VIGIL_SIGNAL: the signal is taken by something else");
  else
    vigil__watch_start();
}

void vigil_attach(void* isolate,
                  void* env,
                  struct uv_loop_s* loop,
                  uint64_t thread_id,
                  const char* name,
                  bool own_heap_limit) {
  struct vigil__isolate* iso;
  struct vigil__probe* probe;

  if (!on)
    return;
  iso = vigil__isolate_attach(isolate, env, leaving);
  if (iso == NULL) {
    vigil__log("no memory to watch thread %llu",
               (unsigned long long) thread_id);
    return;
  }
  probe = vigil__probe_new();
  if (probe == NULL)
    vigil__log("no memory to look into thread %llu",
               (unsigned long long) thread_id);
  else
    vigil__isolate_code_range(iso, &probe->jit.lo, &probe->jit.hi);
  vigil__thread_attach(loop, iso, probe, thread_id, name);
  if (thread_id == 0)
    main_iso = iso;
  if (thread_id == 0 && own_heap_limit && config.near_heap_limit != 0)
    vigil__isolate_watch_limit(iso, vigil__limit_reached);
  if (thread_id == 0 && config.signal != 0)
    take_signal();
  if (config.mode == VIGIL__MODE_ON)
    vigil__watch_arm();
  else if (config.metrics[0] != '\0')
    vigil__watch_start();  /* What is told begins with the start. */
}
