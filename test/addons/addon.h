/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef ADDON_H_
#define ADDON_H_

/* What the add-ons for test/integration/3*.mjs share. Lengths of time are in ns
 * of CLOCK_MONOTONIC, which process.hrtime() has too; a double holds 100 days
 * of them exactly. */

#include <node_api.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

static inline uint64_t now(void) {
  struct timespec ts;

  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

/* Both give how long it really took, never less than asked for. */
static inline uint64_t block_spin(uint64_t ns) {
  const uint64_t begin = now();
  uint64_t end;

  do
    end = now();
  while (end - begin < ns);
  return end - begin;
}

static inline uint64_t block_sleep(uint64_t ns) {
  const uint64_t begin = now();
  uint64_t end = begin;

  while (end - begin < ns) {
    const uint64_t rest = ns - (end - begin);
    const struct timespec ts = { (time_t) (rest / 1000000000),
                                 (long) (rest % 1000000000) };

    nanosleep(&ts, NULL);
    end = now();
  }
  return end - begin;
}

struct args {
  napi_value value[8];
  size_t count;
};

static inline struct args get_args(napi_env env, napi_callback_info info) {
  struct args a = { .count = sizeof(a.value) / sizeof(a.value[0]) };

  napi_get_cb_info(env, info, &a.count, a.value, NULL, NULL);
  return a;
}

static inline double number_arg(napi_env env, napi_value value) {
  double x = 0;

  napi_get_value_double(env, value, &x);
  return x;
}

/* An argument in ms, as ns. */
static inline uint64_t ms_arg(napi_env env, napi_value value) {
  return (uint64_t) (number_arg(env, value) * 1e6);
}

static inline void string_arg(napi_env env, napi_value value, char text[32]) {
  size_t len;

  text[0] = '\0';
  napi_get_value_string_utf8(env, value, text, 32, &len);
}

static inline napi_value number(napi_env env, double x) {
  napi_value v;

  napi_create_double(env, x, &v);
  return v;
}

static inline napi_value ms_of(napi_env env, uint64_t ns) {
  return number(env, (double) ns / 1e6);
}

static inline napi_value throw_error(napi_env env, const char* what) {
  napi_throw_error(env, NULL, what);
  return NULL;
}

static inline void add(napi_env env, napi_value exports, const char* name,
                          napi_callback callback) {
  napi_value fn;

  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &fn);
  napi_set_named_property(env, exports, name, fn);
}

#endif  /* ADDON_H_ */
