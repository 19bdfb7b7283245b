/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "hold.h"

#include "job.h"

#include <stdatomic.h>
#include <unistd.h>    /* getpid */
#include "uv.h"

/* To end a child and describe the incident without what it wrote. */
#define GIVE_UP (500 * VIGIL__MS)

static uint64_t exit_wait_ns;
static void (*wake)(void);
static pid_t self;  /* A fork child has no watch thread. */

/* All under `lock`. From begin() until the isolate's memory is given back,
 * `holding` is set; while `reading`, the watch thread may touch that memory. */
static uv_mutex_t lock;
static uv_cond_t changed;
static struct vigil__isolate* holding;
static struct vigil__held held;
static bool reading;
static bool unfinished;

/* Set by leave() and hurry() with release, so that the watch thread sees the
 * stopped profile; read with acquire. */
static atomic_bool leaving;
static atomic_bool hurried;

int vigil__hold_init(uint64_t ns, void (*w)(void)) {
  int err;

  exit_wait_ns = ns;
  wake = w;
  self = getpid();
  err = uv_mutex_init(&lock);
  return err != 0 ? err : uv_cond_init(&changed);
}

/* ---- watch thread */

bool vigil__hold_begin(struct vigil__isolate* iso,
                       const struct vigil__held* h) {
  bool there;

  uv_mutex_lock(&lock);
  there = !vigil__isolate_gone(iso);
  if (there) {
    atomic_store_explicit(&leaving, false, memory_order_relaxed);
    atomic_store_explicit(&hurried, false, memory_order_relaxed);
    holding = iso;
    held = *h;
    reading = unfinished = true;
  }
  uv_mutex_unlock(&lock);
  return there;
}

static void release(bool left, bool ended) {
  uv_mutex_lock(&lock);
  reading = false;
  if (ended)
    unfinished = false;
  if (!left)
    holding = NULL;
  uv_cond_broadcast(&changed);
  uv_mutex_unlock(&lock);
}

void vigil__hold_let_go(bool left) {
  release(left, false);
}

void vigil__hold_end(bool left) {
  release(left, true);
}

bool vigil__hold_any(void) {
  bool any;

  uv_mutex_lock(&lock);
  any = holding != NULL;
  uv_mutex_unlock(&lock);
  return any;
}

bool vigil__hold_leaving(void) {
  return atomic_load_explicit(&leaving, memory_order_acquire);
}

bool vigil__hold_hurried(void) {
  return atomic_load_explicit(&hurried, memory_order_acquire);
}

void vigil__hold_hurry_begin(void) {
  atomic_store_explicit(&hurried, true, memory_order_relaxed);
}

/* ---- the isolate's own thread */

bool vigil__hold_unfinished(void) {
  bool is;

  uv_mutex_lock(&lock);
  is = unfinished;
  uv_mutex_unlock(&lock);
  return is;
}

bool vigil__hold_hurry(struct vigil__isolate* iso) {
  bool mine;

  uv_mutex_lock(&lock);
  mine = unfinished && holding == iso && getpid() == self;
  if (mine && vigil__job_cancel()) {
    /* What V8 allocates for it could be what ends the program. */
    held.evidence->alloc_dropped = true;
    vigil__evidence_stop(held.evidence);
    atomic_store_explicit(&hurried, true, memory_order_release);
  }
  uv_mutex_unlock(&lock);
  if (mine)
    wake();
  return mine;
}

/* Under the lock. */
static void wait_for_the_end(uint64_t ns) {
  vigil__mono_t now = vigil__mono_now();
  const vigil__mono_t until = now + ns;

  while (unfinished && now < until) {
    uv_cond_timedwait(&changed, &lock, until - now);
    now = vigil__mono_now();
  }
}

static void give_up(void) {
  atomic_store_explicit(&held.incident->give_up, true, memory_order_relaxed);
}

void vigil__hold_leave(struct vigil__isolate* iso, bool last) {
  uv_mutex_lock(&lock);
  vigil__isolate_close(iso);
  if (getpid() == self && holding == iso) {
    vigil__job_cancel();
    vigil__evidence_stop(held.evidence);
    atomic_store_explicit(&leaving, true, memory_order_release);
    wake();
    wait_for_the_end(exit_wait_ns);
    give_up();
    while (reading)
      uv_cond_wait(&changed, &lock);
    vigil__snapshot_release(held.snapshot);
    holding = NULL;
  } else if (getpid() == self && last && unfinished) {
    wait_for_the_end(exit_wait_ns);
    give_up();
    wait_for_the_end(GIVE_UP);
  }
  uv_mutex_unlock(&lock);
}
