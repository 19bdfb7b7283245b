/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "facts.h"

#include "os.h"

#include <pthread.h>
#include <time.h>  /* struct timespec */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t published = PTHREAD_COND_INITIALIZER;

/* One is told, under the mutex; the other one is the watch thread's. */
static struct vigil__facts facts[2];
static unsigned told;

const struct vigil__facts* vigil__facts_lock(void) {
  pthread_mutex_lock(&mutex);
  return &facts[told];
}

void vigil__facts_unlock(void) {
  pthread_mutex_unlock(&mutex);
}

void vigil__facts_wait(uint64_t age_ns, uint64_t wait_ns) {
  const vigil__mono_t now = vigil__os.mono();
  const vigil__mono_t least = now > age_ns ? now - age_ns : 1;
  const vigil__mono_t until = now + wait_ns;
  const struct timespec deadline = {
    .tv_sec = (time_t) (until / VIGIL__SEC),
    .tv_nsec = (long) (until % VIGIL__SEC)
  };

  pthread_mutex_lock(&mutex);
  while (facts[told].at < least &&
         pthread_cond_clockwait(&published, &mutex, CLOCK_MONOTONIC,
                                &deadline) == 0) {
  }
  pthread_mutex_unlock(&mutex);
}

struct vigil__facts* vigil__facts_begin(void) {
  return &facts[!told];
}

void vigil__facts_publish(void) {
  pthread_mutex_lock(&mutex);
  told = !told;
  pthread_cond_broadcast(&published);
  pthread_mutex_unlock(&mutex);
}
