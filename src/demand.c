/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "demand.h"

#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>   /* snprintf */
#include <string.h>
#include "uv.h"

#define SLOTS (8 * VIGIL__DEMANDS)

enum state { FREE, WAITING, RUNNING, DONE };

struct slot {
  enum state state;
  struct vigil__demand demand;
  int err;
  char path[VIGIL__DIR_MAX];
};

/* Under the mutex. */
static uv_mutex_t mutex;
static struct slot slots[SLOTS];
static uint64_t tickets;

/* Set by a signal handler, taken by the watch thread; nothing else is read by
 * way of it, so relaxed. */
static atomic_bool signalled;

int vigil__demand_init(void) {
  return uv_mutex_init(&mutex);
}

/* Where there is none, the oldest result that nobody fetched gives way: many
 * more fit than may wait, so its thread has most likely ended. */
static struct slot* room(void) {
  struct slot* s = NULL;
  unsigned waiting = 0;
  unsigned i;

  for (i = 0; i < SLOTS; i++) {
    waiting += slots[i].state == WAITING;
    if (s != NULL && s->state == FREE)
      continue;
    if (slots[i].state == FREE ||
        (slots[i].state == DONE &&
         (s == NULL || slots[i].demand.ticket < s->demand.ticket)))
      s = &slots[i];
  }
  return waiting < VIGIL__DEMANDS ? s : NULL;
}

uint64_t vigil__demand_ask(const struct vigil__demand* demand) {
  uint64_t ticket = 0;
  struct slot* s;

  uv_mutex_lock(&mutex);
  s = room();
  if (s != NULL) {
    memset(s, 0, sizeof(*s));
    s->demand = *demand;
    ticket = s->demand.ticket = ++tickets;
    s->state = WAITING;
  }
  uv_mutex_unlock(&mutex);
  return ticket;
}

void vigil__demand_signal(void) {
  atomic_store_explicit(&signalled, true, memory_order_relaxed);
}

bool vigil__demand_next(struct vigil__demand* demand) {
  struct slot* s = NULL;
  unsigned i;

  if (atomic_exchange_explicit(&signalled, false, memory_order_relaxed)) {
    memset(demand, 0, sizeof(*demand));
    return true;
  }
  uv_mutex_lock(&mutex);
  for (i = 0; i < SLOTS; i++) {
    if (slots[i].state == WAITING &&
        (s == NULL || slots[i].demand.ticket < s->demand.ticket))
      s = &slots[i];
  }
  if (s != NULL) {
    s->state = RUNNING;
    *demand = s->demand;
  }
  uv_mutex_unlock(&mutex);
  return s != NULL;
}

static struct slot* find(uint64_t ticket) {
  unsigned i;

  for (i = 0; i < SLOTS; i++) {
    if (slots[i].state != FREE && slots[i].demand.ticket == ticket)
      return &slots[i];
  }
  return NULL;
}

void vigil__demand_done(uint64_t ticket, int err, const char* path) {
  struct slot* s;

  uv_mutex_lock(&mutex);
  s = ticket == 0 ? NULL : find(ticket);
  if (s != NULL) {
    s->state = DONE;
    s->err = err;
    snprintf(s->path, sizeof(s->path), "%s", path);
  }
  uv_mutex_unlock(&mutex);
}

bool vigil__demand_look(uint64_t ticket, struct vigil__demand_look* look) {
  struct slot* s;

  memset(look, 0, sizeof(*look));
  uv_mutex_lock(&mutex);
  s = find(ticket);
  if (s != NULL) {
    look->waiting = s->state == WAITING;
    look->done = s->state == DONE;
    look->err = s->err;
    snprintf(look->path, sizeof(look->path), "%s", s->path);
  }
  uv_mutex_unlock(&mutex);
  return s != NULL;
}

int vigil__demand_result(uint64_t ticket, char* path, size_t size) {
  struct slot* s;
  int err = -ESRCH;

  uv_mutex_lock(&mutex);
  s = find(ticket);
  if (s != NULL && s->state != DONE) {
    err = -EINPROGRESS;
  } else if (s != NULL) {
    err = s->err;
    snprintf(path, size, "%s", s->path);
    s->state = FREE;
  }
  uv_mutex_unlock(&mutex);
  return err;
}
