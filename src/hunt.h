/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_HUNT_H_
#define VIGIL_HUNT_H_

#include "artifact.h"
#include "config.h"
#include "incident.h"
#include "v8_bridge.h"

#include <stdbool.h>
#include <stdint.h>

/* The leak hunt: three heaps of one thread, each read in the forked child that
 * takes it, and what they have in common. leak.h does the comparing. One hunt at
 * a time; watch thread, but for summarize(). */
#define VIGIL__HUNT_ROUNDS 3u

/* Once. `config` must live on. */
void vigil__hunt_init(const struct vigil__config* config);

/* In the child: takes the snapshot, and writes a summary of it through the sink.
 * As vigil__fill; `iso` is the isolate. `memory`: bytes it may use. */
int vigil__hunt_summarize(struct vigil__isolate* iso,
                          uint64_t memory,
                          vigil__sink sink,
                          void* arg);

/* The round was taken: its summary is `bytes` long, in `fd`. The first one begins
 * a hunt; one of another thread, or out of turn, ends it. 0 or -errno. */
int vigil__hunt_add(const struct vigil__isolate* iso,
                    unsigned round,
                    int fd,
                    uint64_t bytes);

/* After the last round: leak.json and leak.txt, and the headline. */
void vigil__hunt_write(struct vigil__incident* i);

/* The round that the clock asks for (VIGIL_LEAK), to be taken now; 0: none.
 * Once a second. */
unsigned vigil__hunt_due(vigil__mono_t now, bool armed);

#endif  /* VIGIL_HUNT_H_ */
