/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_INCIDENT_H_
#define VIGIL_INCIDENT_H_

#include "artifact.h"
#include "config.h"
#include "gc.h"
#include "lag.h"
#include "loop.h"
#include "v8_bridge.h"
#include "window.h"

#include <stdatomic.h>
#include <stdint.h>

/* One incident: its directory, what goes into it, and the line that tells of
 * it. Watch thread only. */

/* What the rule saw. */
struct vigil__cause {
  struct vigil__isolate* iso;
  struct vigil__loop* loop;     /* Lives as long as the isolate. */
  uint64_t thread_id;           /* Node's; 0: main thread. */
  char thread[64];              /* For people: "main thread", "worker 2 (x)". */
  struct vigil__lag lag;
  struct vigil__window_span span;
  struct vigil__gc_copy gc;     /* Totals at the trigger. */
  uint64_t gc_window_ns;        /* GC pauses within the window. */
};

#define VIGIL__NOTE 160

struct vigil__incident {
  const struct vigil__config* config;
  struct vigil__cause cause;
  struct vigil__artifact_dir dir;
  struct vigil__artifact artifact;
  uint64_t trigger_wall_ns;             /* Unix time. */
  char cpu_name[VIGIL__ARTIFACT_NAME];  /* "": not written... */
  char cpu_note[VIGIL__NOTE];           /* ...and why. */
  char heap_name[VIGIL__ARTIFACT_NAME];
  char heap_note[VIGIL__NOTE];
  /* Set by anyone: what is being written is dropped soon. Only shortens work,
   * so relaxed on both sides. */
  atomic_bool give_up;
};

/* Opens it. 0, or -errno after a line that says why. */
int vigil__incident_begin(struct vigil__incident* i,
                          const struct vigil__config* config,
                          const struct vigil__cause* cause);

/* Names the profile after the time of the call, when it starts. */
void vigil__incident_name_profile(struct vigil__incident* i);

/* Write a stopped profile, a taken snapshot; failures become notes. */
void vigil__incident_profile(struct vigil__incident* i,
                             struct vigil__cpu_profile* profile);
void vigil__incident_snapshot(struct vigil__incident* i,
                              struct vigil__heap_snapshot* snapshot);

/* There is none, and why. Keeps an earlier note. */
__attribute__((format(printf, 2, 3)))
void vigil__incident_no_profile(struct vigil__incident* i,
                                const char* format, ...);
__attribute__((format(printf, 2, 3)))
void vigil__incident_no_snapshot(struct vigil__incident* i,
                                 const char* format, ...);

/* Completes it and says so in one line. `self_ns`: what it cost the loop. */
void vigil__incident_finish(struct vigil__incident* i, uint64_t self_ns);
void vigil__incident_abort(struct vigil__incident* i);

#endif  /* VIGIL_INCIDENT_H_ */
