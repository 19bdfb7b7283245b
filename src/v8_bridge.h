/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_V8_BRIDGE_H_
#define VIGIL_V8_BRIDGE_H_

#include "gc.h"
#include "json.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The one place that talks to V8 and Node, which have no C API. "Own thread"
 * is the thread that runs the isolate; nothing here runs JavaScript. */
struct vigil__code;
struct vigil__isolate;
struct vigil__cpu_profile;
struct vigil__heap_snapshot;

/* Takes one chunk. Not 0: stop writing. */
typedef int (*vigil__sink)(void* arg, const char* data, size_t len);

/* Own thread. Hooks the GC callbacks; calls `leaving` on the own thread
 * when the environment goes (end of a Worker, exit of the process): it must
 * call vigil__isolate_close(), and after it only unref is allowed. The caller owns one reference. NULL when there
 * is no memory, or for an isolate that is being made into a snapshot. */
struct vigil__isolate* vigil__isolate_attach(void* isolate,
                                             void* env,
                                             void (*leaving)(
                                                 struct vigil__isolate* iso));
/* Any thread. */
void vigil__isolate_ref(struct vigil__isolate* iso);
void vigil__isolate_unref(struct vigil__isolate* iso);
/* No job runs from now on; own thread. Whether that was called; any thread. */
void vigil__isolate_close(struct vigil__isolate* iso);
int vigil__isolate_gone(struct vigil__isolate* iso);
/* Any thread. */
void vigil__isolate_gc(struct vigil__isolate* iso, struct vigil__gc_copy* copy);
/* Any thread; it lives as long as the isolate. */
struct vigil__gc* vigil__isolate_pauses(struct vigil__isolate* iso);

/* Own thread, once: V8 calls `reached` on it when the heap is at its limit, before
 * it gives the program up. */
void vigil__isolate_watch_limit(struct vigil__isolate* iso,
                                void (*reached)(struct vigil__isolate* iso,
                                                uint64_t limit));

/* Own thread. The addresses at which V8 puts compiled code; 0, 0: anywhere. */
void vigil__isolate_code_range(struct vigil__isolate* iso,
                               uint64_t* lo,
                               uint64_t* hi);

/* Any thread: has `fn(arg)` run on the own thread at its next safe point, in
 * running JavaScript or from the loop, whichever comes first. It may never run
 * when the environment goes. 0, or -ESRCH when that has happened. */
int vigil__isolate_run(struct vigil__isolate* iso,
                       void (*fn)(void* arg),
                       void* arg);

/* Own thread, once: has V8 write into `code`, from now on and first what there
 * is, which takes time in the number of functions. It ends before `leaving` is
 * called. 0, -ENOMEM. */
int vigil__isolate_listen(struct vigil__isolate* iso,
                          struct vigil__code* code);

/* Own thread. 0, -EBUSY when V8 refuses, -ENOMEM. */
int vigil__cpu_profile_start(struct vigil__isolate* iso,
                             unsigned interval_us,
                             struct vigil__cpu_profile** profile);
/* Own thread, once. After it V8 has no more part in the profile. */
void vigil__cpu_profile_stop(struct vigil__cpu_profile* profile);
/* Any one thread, when it is stopped. 0, or what the sink gave. */
int vigil__cpu_profile_write(struct vigil__cpu_profile* profile,
                             vigil__sink sink,
                             void* arg);
/* The same; with many functions it takes a while. */
void vigil__cpu_profile_free(struct vigil__cpu_profile* profile);

/* Own thread. Bytes that objects take, garbage included. */
uint64_t vigil__heap_used(struct vigil__isolate* iso);

/* Own thread; stops the world for its whole length. `redact`: the strings show
 * their lengths only. 0; -ENOMEM; -ECANCELED, V8 gave it up. */
int vigil__heap_snapshot_take(struct vigil__isolate* iso,
                              int redact,
                              struct vigil__heap_snapshot** snapshot);
/* Any one thread, as above. */
int vigil__heap_snapshot_write(struct vigil__heap_snapshot* snapshot,
                               vigil__sink sink,
                               void* arg);
/* Own thread. */
void vigil__heap_snapshot_free(struct vigil__heap_snapshot* snapshot);

/* Own thread. Brings V8's helpers to rest, has `fork(arg)` fork (like fork(2),
 * but -errno), and lets them go on; stops the loop for that long. In the child
 * `child(arg)` runs, which must not return and may take snapshots; when V8
 * cannot go on there, `failed(arg, -ENOMEM)` ends it. `wait`: also for what V8
 * sweeps of C++ objects, else -EBUSY while it does. The child's process id, or
 * -errno; -ENOTSUP: not with this program's V8 flags. */
struct vigil__forking {
  int (*fork)(void* arg);
  void (*child)(void* arg);
  void (*failed)(void* arg, int error);
};
int vigil__heap_fork(struct vigil__isolate* iso,
                     int wait,
                     const struct vigil__forking* what,
                     void* arg);

/* Own thread. A sampling allocation profile; V8 has one for all who want it.
 * 0, or -EBUSY: somebody else's runs. */
int vigil__alloc_profile_start(struct vigil__isolate* iso);
/* Own thread. Writes it as a whole .heapprofile (`j` may be NULL: drop it).
 * 0; -ECANCELED, the app ended it; or the error of `j`. */
int vigil__alloc_profile_stop(struct vigil__isolate* iso,
                              struct vigil__json* j);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_V8_BRIDGE_H_ */
