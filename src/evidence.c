/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "evidence.h"

#include <errno.h>
#include <string.h>

#define SAMPLE_US 1000  /* Chrome DevTools' own default. */
#define ALLOC_MOST (16u << 20)  /* Bytes of an allocation profile. */

void vigil__evidence_init(struct vigil__evidence* e,
                          unsigned want,
                          struct vigil__isolate* iso,
                          struct vigil__loop* loop) {
  memset(e, 0, sizeof(*e));
  e->want = want;
  e->iso = iso;
  e->loop = loop;
  e->alloc.limit = ALLOC_MOST;
  e->alloc.compact = true;
}

/* ---- jobs, on the isolate's own thread */

void vigil__evidence_start(void* arg) {
  struct vigil__evidence* e = arg;

  vigil__loop_self_begin(e->loop, vigil__mono_now());
  if (e->want & VIGIL__CAPTURE_CPU) {
    e->profile_error = vigil__cpu_profile_start(e->iso, SAMPLE_US, &e->profile);
    e->profile_runs = e->profile_error == 0;
  }
  if (e->want & VIGIL__CAPTURE_ALLOC) {
    e->alloc_error = vigil__alloc_profile_start(e->iso);
    e->alloc_runs = e->alloc_error == 0;
  }
  e->self.start_ns += vigil__loop_self_end(e->loop, vigil__mono_now());
}

void vigil__evidence_stop(void* arg) {
  struct vigil__evidence* e = arg;

  vigil__loop_self_begin(e->loop, vigil__mono_now());
  if (e->profile_runs)
    vigil__cpu_profile_stop(e->profile);
  if (e->alloc_runs)
    e->alloc_error = vigil__alloc_profile_stop(
        e->iso, e->alloc_dropped ? NULL : &e->alloc);
  e->profile_runs = e->alloc_runs = false;
  e->self.stop_ns += vigil__loop_self_end(e->loop, vigil__mono_now());
}

/* ---- on the watch thread */

bool vigil__evidence_started(const struct vigil__evidence* e) {
  return e->profile != NULL ||
         (e->want & VIGIL__CAPTURE_ALLOC && e->alloc_error == 0);
}

static int fill_profile(void* what, vigil__sink sink, void* arg) {
  return vigil__cpu_profile_write(what, sink, arg);
}

int vigil__evidence_fill(void* what, vigil__sink sink, void* arg) {
  const struct vigil__json* json = what;

  return json->error != 0 ? json->error : sink(arg, json->data, json->len);
}

void vigil__evidence_profiles(struct vigil__evidence* e,
                              struct vigil__incident* i) {
  if (e->profile != NULL) {
    vigil__incident_write(i, VIGIL__PIECE_CPU, fill_profile, e->profile);
    vigil__cpu_profile_free(e->profile);
    e->profile = NULL;
  } else if (e->profile_error != 0) {
    vigil__incident_none(i, VIGIL__PIECE_CPU, "V8 says %s",
                         strerror(-e->profile_error));
  }
  if (e->alloc.len != 0)
    vigil__incident_write(i, VIGIL__PIECE_ALLOC, vigil__evidence_fill, &e->alloc);
  else if (e->alloc_error != 0)
    vigil__incident_none(i, VIGIL__PIECE_ALLOC, "V8 says %s",
                         strerror(-e->alloc_error));
}

void vigil__evidence_free(struct vigil__evidence* e) {
  vigil__json_free(&e->alloc);
}
