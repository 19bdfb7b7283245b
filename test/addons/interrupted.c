/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* System calls that end early when a signal comes, whatever SA_RESTART says.
 * Each blocks for so many ms and gives errno, 0 when nothing disturbed it. */

#include "addon.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>

static napi_value nanosleep_once(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);
  const uint64_t ns = ms_arg(env, a.value[0]);
  const struct timespec ts = { (time_t) (ns / 1000000000),
                               (long) (ns % 1000000000) };

  return number(env, nanosleep(&ts, NULL) == 0 ? 0 : errno);
}

static napi_value poll_once(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);

  return number(env, poll(NULL, 0, (int) number_arg(env, a.value[0])) == 0
                         ? 0 : errno);
}

static napi_value wait_for_semaphore(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);
  const uint64_t at = now() + ms_arg(env, a.value[0]);
  const struct timespec ts = { (time_t) (at / 1000000000),
                               (long) (at % 1000000000) };
  sem_t semaphore;

  sem_init(&semaphore, 0, 0);
  sem_clockwait(&semaphore, CLOCK_MONOTONIC, &ts);
  return number(env, errno == ETIMEDOUT ? 0 : errno);
}

NAPI_MODULE_INIT() {
  add(env, exports, "nanosleep", nanosleep_once);
  add(env, exports, "poll", poll_once);
  add(env, exports, "semaphore", wait_for_semaphore);
  return exports;
}
