/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* An add-on against Node-API: a function, and work on the thread pool. */

#include <node_api.h>
#include <stdlib.h>

struct square {
  napi_async_work work;
  napi_deferred deferred;
  double x;
};

static void execute(napi_env env, void* data) {
  struct square* s = data;

  (void) env;
  s->x *= s->x;
}

static void complete(napi_env env, napi_status status, void* data) {
  struct square* s = data;
  napi_value result;

  (void) status;
  napi_create_double(env, s->x, &result);
  napi_resolve_deferred(env, s->deferred, result);
  napi_delete_async_work(env, s->work);
  free(s);
}

static napi_value square(napi_env env, napi_callback_info info) {
  struct square* s = calloc(1, sizeof(*s));
  napi_value promise;
  napi_value name;
  napi_value arg;
  size_t argc = 1;

  napi_get_cb_info(env, info, &argc, &arg, NULL, NULL);
  napi_get_value_double(env, arg, &s->x);
  napi_create_promise(env, &s->deferred, &promise);
  napi_create_string_utf8(env, "square", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, execute, complete, s, &s->work);
  napi_queue_async_work(env, s->work);
  return promise;
}

NAPI_MODULE_INIT() {
  napi_value fn;

  napi_create_function(env, "square", NAPI_AUTO_LENGTH, square, NULL, &fn);
  napi_set_named_property(env, exports, "square", fn);
  return exports;
}
