/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* An add-on whose work on the thread pool lasts until it is let go, so that a
 * test decides what waits, runs and is cancelled. */

#include "addon.h"

#include <uv.h>

#define WORKS 64

struct work {
  uv_work_t req;
  uint64_t submitted;           /* Before, and right after the call. */
  uint64_t queued;
  uint64_t began;               /* In the pool's thread, 0: never. */
  uint64_t ended;
  uint64_t done;                /* Back on the loop. */
  int status;
};

static struct work works[WORKS];
static size_t count;
static size_t back;
static uv_mutex_t mutex;
static uv_cond_t cond;
static int released;
static uint64_t released_at;

static void execute(uv_work_t* req) {
  struct work* w = req->data;

  w->began = now();
  uv_mutex_lock(&mutex);
  while (!released)
    uv_cond_wait(&cond, &mutex);
  uv_mutex_unlock(&mutex);
  w->ended = now();
}

static void complete(uv_work_t* req, int status) {
  struct work* w = req->data;

  w->done = now();
  w->status = status;
  back++;
}

/* Argument: how many more. */
static napi_value hold(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);
  size_t n = (size_t) number_arg(env, a.value[0]);
  uv_loop_t* loop;

  napi_get_uv_event_loop(env, &loop);
  for (; n > 0 && count < WORKS; n--) {
    struct work* w = &works[count++];

    w->req.data = w;
    w->submitted = now();
    if (uv_queue_work(loop, &w->req, execute, complete) != 0)
      return throw_error(env, "uv_queue_work");
    w->queued = now();
  }
  return NULL;
}

/* Argument: which one. Gives "" or the name of the error. */
static napi_value cancel(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);
  struct work* w = &works[(size_t) number_arg(env, a.value[0])];
  const int r = uv_cancel((uv_req_t*) &w->req);
  napi_value v;

  napi_create_string_utf8(env, r == 0 ? "" : uv_err_name(r), NAPI_AUTO_LENGTH,
                          &v);
  return v;
}

static napi_value release(napi_env env, napi_callback_info info) {
  (void) env;
  (void) info;
  uv_mutex_lock(&mutex);
  released_at = now();
  released = 1;
  uv_cond_broadcast(&cond);
  uv_mutex_unlock(&mutex);
  return NULL;
}

static napi_value get_back(napi_env env, napi_callback_info info) {
  (void) info;
  return number(env, (double) back);
}

/* [[submitted, queued, began, ended, done, status], ...] and, last, when
 * release() was called. */
static napi_value stamps(napi_env env, napi_callback_info info) {
  napi_value list;
  napi_value one;
  size_t i;

  (void) info;
  napi_create_array(env, &list);
  for (i = 0; i < count; i++) {
    const struct work* w = &works[i];
    const uint64_t at[] = { w->submitted, w->queued, w->began, w->ended,
                            w->done };
    uint32_t k;

    napi_create_array(env, &one);
    for (k = 0; k < 5; k++)
      napi_set_element(env, one, k, number(env, (double) at[k]));
    napi_set_element(env, one, 5, number(env, w->status));
    napi_set_element(env, list, (uint32_t) i, one);
  }
  napi_set_element(env, list, (uint32_t) count,
                   number(env, (double) released_at));
  return list;
}

NAPI_MODULE_INIT() {
  uv_mutex_init(&mutex);
  uv_cond_init(&cond);
  add(env, exports, "hold", hold);
  add(env, exports, "cancel", cancel);
  add(env, exports, "release", release);
  add(env, exports, "back", get_back);
  add(env, exports, "stamps", stamps);
  return exports;
}
