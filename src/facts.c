/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "facts.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

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

struct vigil__facts* vigil__facts_begin(void) {
  return &facts[!told];
}

void vigil__facts_publish(void) {
  pthread_mutex_lock(&mutex);
  told = !told;
  pthread_mutex_unlock(&mutex);
}
