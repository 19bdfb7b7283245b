/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "job.h"

#include <stdatomic.h>
#include <stddef.h>

enum { FREE, ASKED, RUNNING, DONE };

/* number << 2 | state, in one word so that a late request sees both at once.
 * Releasing writes publish fn, arg, iso (ask) and the job's effects (done); the
 * acquiring reads in run(), serve() and take() pair with them. */
static _Atomic uint64_t current;
static void (*job_fn)(void* arg);
static void* job_arg;
static struct vigil__isolate* job_iso;
static void (*job_done)(void);

static unsigned state_of(uint64_t word) {
  return word & 3;
}

/* Moves `current` to state `to` if it is number/`from` still. */
static bool move(uint64_t number, unsigned from, unsigned to) {
  uint64_t expected = number << 2 | from;

  return atomic_compare_exchange_strong_explicit(
      &current, &expected, number << 2 | to,
      memory_order_acq_rel, memory_order_relaxed);
}

static void run(void* arg) {
  const uint64_t number = (uintptr_t) arg;

  if (!move(number, ASKED, RUNNING))
    return;
  job_fn(job_arg);
  atomic_store_explicit(&current, number << 2 | DONE, memory_order_release);
  job_done();
}

int vigil__job_ask(struct vigil__isolate* iso,
                   void (*fn)(void* arg),
                   void* arg,
                   void (*done)(void)) {
  const uint64_t number =
      (atomic_load_explicit(&current, memory_order_relaxed) >> 2) + 1;
  int err;

  job_fn = fn;
  job_arg = arg;
  job_iso = iso;
  job_done = done;
  atomic_store_explicit(&current, number << 2 | ASKED, memory_order_release);
  err = vigil__isolate_run(iso, run, (void*) (uintptr_t) number);
  if (err != 0)
    move(number, ASKED, FREE);
  return err;
}

void vigil__job_serve(struct vigil__isolate* iso) {
  const uint64_t word = atomic_load_explicit(&current, memory_order_acquire);

  if (state_of(word) == ASKED && job_iso == iso)
    run((void*) (uintptr_t) (word >> 2));
}

bool vigil__job_take(void) {
  const uint64_t word = atomic_load_explicit(&current, memory_order_acquire);

  return state_of(word) == DONE && move(word >> 2, DONE, FREE);
}

bool vigil__job_cancel(void) {
  const uint64_t word = atomic_load_explicit(&current, memory_order_acquire);

  return state_of(word) == FREE ||
         (state_of(word) == ASKED && move(word >> 2, ASKED, FREE));
}
