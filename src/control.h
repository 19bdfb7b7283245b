/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CONTROL_H_
#define VIGIL_CONTROL_H_

#include "config.h"
#include "serve.h"

/* The control socket: what VIGIL_METRICS serves, and captures, limits and
 * incidents, for the user of the process and for root. docs/control.md describes
 * it. Telling thread.
 *
 * Without VIGIL_METRICS facts are collected only while somebody asks, so the
 * first answer waits for them, VIGIL__CONTROL_WAIT at most. */
#define VIGIL__CONTROL_WAIT (250 * VIGIL__MS)

/* Once. Serves on `loop`, as long as the process lives; where that is not
 * possible control_socket.h says so. `metrics` is the server of VIGIL_METRICS;
 * both must live on. */
void vigil__control_start(uv_loop_t* loop,
                          const struct vigil__config* config,
                          struct vigil__serve* metrics);

#endif  /* VIGIL_CONTROL_H_ */
