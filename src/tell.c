/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "tell.h"

#include "accept.h"
#include "facts.h"
#include "http.h"
#include "json.h"
#include "listen.h"
#include "log.h"
#include "metrics.h"
#include "os.h"
#include "serve.h"
#include "serve_bind.h"
#include "status.h"
#include "watch.h"

#include <pthread.h>  /* pthread_setname_np */
#include <stdlib.h>   /* free */
#include <string.h>
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

/* ---- what is served */

static void give(struct vigil__http_answer* a, const char* text) {
  a->len = strlen(text);
  a->body = vigil__os.realloc(NULL, a->len);
  if (a->body != NULL)
    memcpy(a->body, text, a->len);
}

static void on_metrics(void* arg,
                       const struct vigil__http_request* request,
                       struct vigil__http_answer* answer) {
  const enum vigil__exposition format = vigil__accept(request->accept);
  struct vigil__metrics m = {
    .openmetrics = format != VIGIL__EXPOSITION_TEXT
  };
  const struct vigil__facts* f = vigil__facts_lock();

  (void) arg;
  vigil__metrics_lag(&m, f);
  vigil__metrics_v8(&m, f);
  vigil__metrics_judged(&m, f);
  vigil__metrics_process(&m, f, vigil__os.mono());
  vigil__facts_unlock();
  vigil__metrics_server(&m, &server.site->totals, &server.totals, server.open);
  answer->type = vigil__accept_type(format);
  if (vigil__metrics_finish(&m) != 0) {
    free(m.data);
    return;
  }
  answer->body = m.data;
  answer->len = m.len;
}

static void on_status(void* arg,
                      const struct vigil__http_request* request,
                      struct vigil__http_answer* answer) {
  struct vigil__json j = { .limit = 4 << 20 };
  const struct vigil__facts* f = vigil__facts_lock();

  (void) arg;
  (void) request;
  vigil__status_write(&j, f, vigil__os.mono(), vigil__os.wall());
  vigil__facts_unlock();
  answer->type = "application/json";
  if (vigil__json_finish(&j) != 0) {
    vigil__json_free(&j);
    return;
  }
  answer->body = j.data;
  answer->len = j.len;
}

static void on_ready(void* arg,
                     const struct vigil__http_request* request,
                     struct vigil__http_answer* answer) {
  const struct vigil__facts* f = vigil__facts_lock();
  uint64_t wait_ns;
  const bool ready = vigil__status_ready(f, vigil__os.mono(), &wait_ns);

  vigil__facts_unlock();
  (void) arg;
  (void) request;
  answer->type = "text/plain; charset=utf-8";
  answer->status = ready ? 200 : 503;
  give(answer, ready ? "ready\n"
               : wait_ns == UINT64_MAX
                   ? "not ready: an incident lasts\n"
                   : "not ready: an incident was over a short while ago\n");
}

static void on_live(void* arg,
                    const struct vigil__http_request* request,
                    struct vigil__http_answer* answer) {
  (void) arg;
  (void) request;
  answer->type = "text/plain; charset=utf-8";
  give(answer, "live\n");
}

static const struct vigil__http_route routes[] = {
  { "/metrics", VIGIL__HTTP_GET, on_metrics },
  { "/status", VIGIL__HTTP_GET, on_status },
  { "/ready", VIGIL__HTTP_GET, on_ready },
  { "/live", VIGIL__HTTP_GET, on_live },
};

static struct vigil__http_site site = {
  .route = routes, .routes = sizeof(routes) / sizeof(routes[0])
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
  const int fd = vigil__serve_bind(&where, at);

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
    vigil__log("there is no loop to serve VIGIL_METRICS on");
    return;
  }
  server.loop = &loop;
  server.site = &site;
  uv_timer_start(&retry, on_retry, 0, 0);
  uv_run(&loop, UV_RUN_DEFAULT);
}

void vigil__tell_start(const struct vigil__config* c) {
  static bool started;
  uv_thread_options_t options = { .flags = UV_THREAD_HAS_STACK_SIZE,
                                  .stack_size = 1 << 20 };
  uv_thread_t thread;
  int err;

  if (started || !vigil__listen_parse(&where, c->metrics))
    return;
  started = true;
  config = c;
  /* The watch thread, which starts it, has all signals blocked. */
  err = uv_thread_create_ex(&thread, &options, run, NULL);
  if (err != 0)
    vigil__log("VIGIL_METRICS: there is no thread to serve on (%s)",
               uv_strerror(err));
  else
    pthread_detach(thread);
}
