/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* The hot path as functions of their own, for hotpath.sh to look at. */

#include "loop.h"

void hot_poll_enter(struct vigil__loop* l, vigil__mono_t now) {
  vigil__loop_poll_enter(l, now);
}

void hot_poll_exit(struct vigil__loop* l, vigil__mono_t now, int nevents) {
  vigil__loop_poll_exit(l, now, nevents);
}

void hot_run_begin(struct vigil__loop* l, vigil__mono_t now) {
  vigil__loop_run_begin(l, now);
}

void hot_run_end(struct vigil__loop* l, vigil__mono_t now) {
  vigil__loop_run_end(l, now);
}

/* What must not go unnoticed. */
#ifdef WITH_LOCK
uint64_t hot_broken(struct vigil__loop* l) {
  return atomic_fetch_add_explicit(&l->polls, 1, memory_order_relaxed);
}
#endif

#ifdef WITH_FENCE
void hot_broken(struct vigil__loop* l) {
  atomic_store(&l->polls, 1);
}
#endif

#ifdef WITH_CALL
void hot_broken(struct vigil__loop* l) {
  l->born = vigil__mono_now() + 1;
}
#endif
