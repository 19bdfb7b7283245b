/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* What the patches to Node call. */

#ifndef VIGIL_H_
#define VIGIL_H_

#include <stdbool.h>
#include <stdint.h>

/* process.versions.vigil, and the N of the package node-v24.21.0-vigil.N. */
#define VIGIL_VERSION "1"

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

/* Reads the environment and installs the hooks in libuv. Main thread, once,
 * before the first loop is made. With VIGIL=off nothing happens, then or later.
 * Never fails: what cannot be set up is logged and left out. */
void vigil_init(void);

/* An environment is complete and about to run on its thread: `isolate` is its
 * v8::Isolate*, `env` its node::Environment*, `loop` the loop it runs on,
 * `thread_id` Node's (0: main thread), `name` what the program calls it or "";
 * `own_heap_limit`: Node itself does nothing when the heap reaches its limit.
 * Detaches by itself when the environment goes. */
void vigil_attach(void* isolate,
                  void* env,
                  struct uv_loop_s* loop,
                  uint64_t thread_id,
                  const char* name,
                  bool own_heap_limit);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_H_ */
