/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_EVIDENCE_H_
#define VIGIL_EVIDENCE_H_

#include "incident.h"
#include "json.h"
#include "loop.h"
#include "v8_bridge.h"

/* What V8 gives for an incident. The jobs run on the isolate's own thread and
 * do only what must happen there; the watch thread writes what came of them,
 * when it knows that the job has ended. */
struct vigil__evidence {
  unsigned want;                /* VIGIL__CAPTURE_* */
  struct vigil__isolate* iso;
  struct vigil__loop* loop;
  struct vigil__self self;      /* What the jobs cost the loop. */
  bool profile_runs;            /* Own thread only, as the next one. */
  bool alloc_runs;
  bool alloc_dropped;           /* It shall be stopped, not looked at. */
  struct vigil__cpu_profile* profile;
  struct vigil__json alloc;     /* The allocation profile as a file. */
  int profile_error;
  int alloc_error;
};

/* Watch thread. VIGIL__CAPTURE_* that the incident should hold; what is missing
 * then gets its reason. */
unsigned vigil__evidence_plan(struct vigil__incident* i);

/* Watch thread, before the first job. */
void vigil__evidence_init(struct vigil__evidence* e,
                          unsigned want,
                          struct vigil__isolate* iso,
                          struct vigil__loop* loop);

/* Jobs; `arg` is the evidence. */
void vigil__evidence_start(void* arg);
void vigil__evidence_stop(void* arg);

/* Watch thread, after the start: whether anything runs. */
bool vigil__evidence_started(const struct vigil__evidence* e);

/* Watch thread. Writes what was stopped, or taken, or why there is none, and
 * frees what is not V8's. */
void vigil__evidence_profiles(struct vigil__evidence* e,
                              struct vigil__incident* i);

/* Watch thread, at the end. */
void vigil__evidence_free(struct vigil__evidence* e);

/* Writes a buffer as a piece. */
int vigil__evidence_fill(void* json, vigil__sink sink, void* arg);

#endif  /* VIGIL_EVIDENCE_H_ */
