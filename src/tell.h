/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_TELL_H_
#define VIGIL_TELL_H_

#include "config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The telling thread: serves /metrics, /status, /ready and /live where
 * VIGIL_METRICS says, and the control socket where VIGIL_CONTROL says, on a libuv
 * loop of its own. One per process, for all its threads. Of the process it reads
 * nothing but the published facts, so neither a blocked loop nor a watch thread
 * that writes an incident delays it; who asks for incidents has it read the disk.
 * It wakes up only for who asks, and ends when there is nothing to serve on.
 *
 * Where it cannot listen for VIGIL_METRICS, as when another process of the same
 * program does, it says so once and goes on trying quietly. Watch thread; again
 * and again is fine. `config` must live on. */
void vigil__tell_start(const struct vigil__config* config);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_TELL_H_ */
