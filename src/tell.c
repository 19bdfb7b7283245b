/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "tell.h"

#include "answers.h"
#include "control.h"
#include "http.h"
#include "listen.h"
#include "log.h"
#include "serve.h"
#include "serve_bind.h"
#include "watch.h"

#include <pthread.h>  /* pthread_setname_np */
#include "uv.h"

/* Another process may end, or an address come up. */
#define RETRY_MIN_MS 1000u
#define RETRY_MAX_MS 30000u

static const struct vigil__config* config;

/* The telling thread's own. */
static uv_loop_t loop;
static uv_timer_t retry;
static uint64_t retry_ms = RETRY_MIN_MS;
static struct vigil__listen where;
static struct vigil__serve server;

static const struct vigil__http_route routes[] = {
  { "/metrics", VIGIL__HTTP_GET, vigil__answer_metrics },
  { "/status", VIGIL__HTTP_GET, vigil__answer_status },
  { "/ready", VIGIL__HTTP_GET, vigil__answer_ready },
  { "/live", VIGIL__HTTP_GET, vigil__answer_live },
};

static struct vigil__http_site site = {
  .route = routes, .routes = sizeof(routes) / sizeof(routes[0]), .arg = &server
};

/* ---- the thread */

static void serve(int fd, const char* at) {
  const bool is_unix = where.path[0] != '\0';
  const int err = vigil__serve_start(&server, fd, is_unix);

  if (err != 0)
    vigil__log("VIGIL_METRICS=\"%s\" cannot be used (%s)", config->metrics,
               uv_strerror(err));
  /* Where it is, unless that is what was asked for. */
  else if (!is_unix && (where.first == 0 || where.first != where.last))
    vigil__log_event(VIGIL__LOG_NOTE, NULL, NULL, "metrics are at %s/metrics",
                     at);
}

static void on_retry(uv_timer_t* handle) {
  static bool said;
  char at[VIGIL__SERVE_WHERE];
  const int fd = vigil__serve_bind(&where, 0660, at);

  (void) handle;
  if (fd >= 0) {
    uv_close((uv_handle_t*) &retry, NULL);
    serve(fd, at);
    return;
  }
  if (!said)
    vigil__log("VIGIL_METRICS=\"%s\" cannot be used now (%s): trying again, "
               "quietly", config->metrics, uv_strerror(fd));
  said = true;
  uv_timer_start(&retry, on_retry, retry_ms, 0);
  retry_ms = 2 * retry_ms < RETRY_MAX_MS ? 2 * retry_ms : RETRY_MAX_MS;
}

static void run(void* arg) {
  (void) arg;
  vigil__watch_own_thread();
  pthread_setname_np(pthread_self(), "vigil-tell");
  if (uv_loop_init(&loop) != 0 || uv_timer_init(&loop, &retry) != 0) {
    vigil__log("there is no loop to serve metrics and control on");
    return;
  }
  server.loop = &loop;
  server.site = &site;
  if (config->control[0] != '\0')
    vigil__control_start(&loop, config, &server);
  if (config->metrics[0] != '\0')
    uv_timer_start(&retry, on_retry, 0, 0);
  uv_run(&loop, UV_RUN_DEFAULT);
}

void vigil__tell_start(const struct vigil__config* c) {
  static bool started;
  uv_thread_options_t options = { .flags = UV_THREAD_HAS_STACK_SIZE,
                                  .stack_size = 1 << 20 };
  uv_thread_t thread;
  int err;

  if (started || (c->control[0] == '\0' &&
                  !vigil__listen_parse(&where, c->metrics)))
    return;
  started = true;
  if (c->metrics[0] != '\0')
    vigil__listen_parse(&where, c->metrics);
  config = c;
  /* The watch thread, which starts it, has all signals blocked. */
  err = uv_thread_create_ex(&thread, &options, run, NULL);
  if (err != 0)
    vigil__log("there is no thread to serve metrics and control on (%s)",
               uv_strerror(err));
  else
    pthread_detach(thread);
}
