/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* An add-on that blocks the loop it is called on, runs it again from inside of
 * itself, and looks at it from outside: its busy periods as prepare and check
 * handles see them, and what malloc has given out. */

#include "addon.h"

#include <malloc.h>
#include <stdlib.h>
#include <uv.h>

static napi_value spin(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);

  return ms_of(env, block_spin(ms_arg(env, a.value[0])));
}

static napi_value sleep_in_kernel(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);

  return ms_of(env, block_sleep(ms_arg(env, a.value[0])));
}

static uv_loop_t* loop_of(napi_env env) {
  uv_loop_t* loop = NULL;

  napi_get_uv_event_loop(env, &loop);
  return loop;
}

/* Runs the loop that runs us. */
static napi_value run_again(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);
  char mode[32];

  string_arg(env, a.value[0], mode);
  return number(env, uv_run(loop_of(env), strcmp(mode, "once") == 0
                                              ? UV_RUN_ONCE : UV_RUN_NOWAIT));
}

/* Bytes that malloc has given out and not got back, in all threads. */
static napi_value allocated(napi_env env, napi_callback_info info) {
  const struct mallinfo2 m = mallinfo2();

  (void) info;
  return number(env, (double) m.uordblks + (double) m.hblkhd);
}

/* ---- periods: check handles run right after the I/O callbacks of a poll,
 * prepare handles right before the next one. Without I/O, what lies between is
 * the busy period but for some 100 ns at each end. */

#define PERIODS 100000

static uv_prepare_t prepare;
static uv_check_t check;
static double period[2 * PERIODS];  /* Begin and end of each. */
static size_t periods;
static double begin;

static void on_check(uv_check_t* handle) {
  (void) handle;
  begin = (double) now();
}

static void on_prepare(uv_prepare_t* handle) {
  (void) handle;
  if (begin == 0 || periods == PERIODS)
    return;
  period[2 * periods] = begin;
  period[2 * periods++ + 1] = (double) now();
}

/* Handles that are started last run first: start this early, and Node's own
 * check handle, which runs immediates, is inside. */
static napi_value watch_periods(napi_env env, napi_callback_info info) {
  uv_loop_t* loop = loop_of(env);

  (void) info;
  uv_prepare_init(loop, &prepare);
  uv_prepare_start(&prepare, on_prepare);
  uv_unref((uv_handle_t*) &prepare);
  uv_check_init(loop, &check);
  uv_check_start(&check, on_check);
  uv_unref((uv_handle_t*) &check);
  return NULL;
}

static napi_value get_periods(napi_env env, napi_callback_info info) {
  const size_t bytes = 2 * periods * sizeof(period[0]);
  napi_value buffer;
  napi_value array;
  void* data;

  (void) info;
  napi_create_arraybuffer(env, bytes, &data, &buffer);
  memcpy(data, period, bytes);
  napi_create_typedarray(env, napi_float64_array, 2 * periods, buffer, 0,
                         &array);
  return array;
}

/* ---- loops that are made, run once and closed */

/* Argument: how many to keep open. Gives the bytes that they took. */
static napi_value cost_of_loops(napi_env env, napi_callback_info info) {
  struct args a = get_args(env, info);
  const size_t n = (size_t) number_arg(env, a.value[0]);
  uv_loop_t* loop = calloc(n, sizeof(*loop));
  double before;
  double after;
  size_t i;

  if (loop == NULL)
    return throw_error(env, "no memory");
  before = (double) mallinfo2().uordblks + (double) mallinfo2().hblkhd;
  for (i = 0; i < n; i++)
    if (uv_loop_init(&loop[i]) != 0)
      break;
  after = (double) mallinfo2().uordblks + (double) mallinfo2().hblkhd;
  while (i > 0) {
    uv_run(&loop[--i], UV_RUN_NOWAIT);
    uv_loop_close(&loop[i]);
  }
  free(loop);
  return number(env, after - before);
}

NAPI_MODULE_INIT() {
  add(env, exports, "spin", spin);
  add(env, exports, "sleep", sleep_in_kernel);
  add(env, exports, "runAgain", run_again);
  add(env, exports, "allocated", allocated);
  add(env, exports, "watchPeriods", watch_periods);
  add(env, exports, "periods", get_periods);
  add(env, exports, "costOfLoops", cost_of_loops);
  return exports;
}
