/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* An add-on whose objects are freed by finalizers under a lock that a thread of
 * its own holds most of the time. */

#include "addon.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static double freed;

static void* work(void* arg) {
  (void) arg;
  for (;;) {
    pthread_mutex_lock(&mutex);
    block_sleep(200000);
    pthread_mutex_unlock(&mutex);
    block_sleep(20000);
  }
  return NULL;
}

static void finalize(napi_env env, void* data, void* hint) {
  (void) env;
  (void) hint;
  pthread_mutex_lock(&mutex);
  freed++;
  pthread_mutex_unlock(&mutex);
  free(data);
}

/* Argument: size. An object with a native part, and a buffer of it. */
static napi_value wrap(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);
  size_t size = (size_t) number_arg(env, a.value[0]);
  napi_value object;
  napi_value bytes;

  napi_create_object(env, &object);
  napi_wrap(env, object, malloc(size), finalize, NULL, NULL);
  if (napi_create_external_arraybuffer(env, malloc(size), size, finalize, NULL,
                                       &bytes) == napi_ok)
    napi_set_named_property(env, object, "bytes", bytes);
  return object;
}

static napi_value get_freed(napi_env env, napi_callback_info info) {
  (void) info;
  return number(env, freed);
}

NAPI_MODULE_INIT() {
  static int started;
  pthread_t thread;

  if (!started++ && pthread_create(&thread, NULL, work, NULL) == 0)
    pthread_detach(thread);
  add(env, exports, "wrap", wrap);
  add(env, exports, "freed", get_freed);
  return exports;
}
