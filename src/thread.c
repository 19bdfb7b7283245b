/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "thread.h"

#include "os.h"

#include <stdio.h>   /* snprintf */
#include <stdlib.h>  /* calloc, free */
#include "uv.h"

static uv_mutex_t mutex;
static struct vigil__thread* first;

int vigil__threads_init(void) {
  return uv_mutex_init(&mutex);
}

void vigil__threads_lock(void) {
  uv_mutex_lock(&mutex);
}

void vigil__threads_unlock(void) {
  uv_mutex_unlock(&mutex);
}

struct vigil__thread* vigil__threads_first(void) {
  return first;
}

struct vigil__loop* vigil__thread_add(const void* uv, vigil__mono_t now) {
  struct vigil__thread* t = calloc(1, sizeof(*t));

  if (t == NULL)
    return NULL;
  t->loop = vigil__loop_new(now);
  if (t->loop == NULL) {
    free(t);
    return NULL;
  }
  t->uv = uv;
  snprintf(t->name, sizeof(t->name), "a loop that runs no JavaScript");
  vigil__threads_lock();
  t->next = first;
  first = t;
  vigil__threads_unlock();
  return t->loop;
}

static void drop(struct vigil__isolate* iso, struct vigil__probe* probe) {
  if (iso != NULL)
    vigil__isolate_unref(iso);
  if (probe != NULL)
    vigil__probe_unref(probe);
}

static void free_thread(struct vigil__thread* t) {
  drop(t->iso, t->probe);
  vigil__window_free(t->window);
  vigil__timeline_free(t->timeline);
  if (t->loop != NULL)
    vigil__loop_free(t->loop);
  free(t);
}

void vigil__thread_remove(struct vigil__loop* loop) {
  struct vigil__thread** p;
  struct vigil__thread* t = NULL;

  vigil__threads_lock();
  for (p = &first; *p != NULL; p = &(*p)->next) {
    if ((*p)->loop == loop) {
      t = *p;
      break;
    }
  }
  if (t != NULL && t->window != NULL && t->kind != VIGIL__THREAD_OTHER) {
    /* What happened since the last tick; then only the window is left. */
    vigil__window_tick(t->window, loop);
    vigil__loop_free(loop);
    t->loop = NULL;
    t->uv = NULL;
    t->ended = vigil__os.mono();
    t = NULL;
  } else if (t != NULL) {
    *p = t->next;
  }
  vigil__threads_unlock();
  if (t != NULL)
    free_thread(t);
}

void vigil__threads_forget(vigil__mono_t before) {
  struct vigil__thread** p = &first;
  struct vigil__thread* t;
  unsigned ended = 0;

  /* The newest are first in the list. */
  while ((t = *p) != NULL) {
    if (t->loop == NULL &&
        (t->ended < before || ++ended > VIGIL__THREADS_ENDED)) {
      *p = t->next;
      free_thread(t);
    } else {
      p = &t->next;
    }
  }
}

void vigil__thread_attach(const void* uv,
                          struct vigil__isolate* iso,
                          struct vigil__probe* probe,
                          uint64_t id,
                          const char* name) {
  struct vigil__thread* t;

  vigil__threads_lock();
  for (t = first; t != NULL; t = t->next) {
    if (t->uv != uv)
      continue;
    drop(t->iso, t->probe);
    t->iso = iso;
    t->probe = probe;
    if (probe != NULL) {
      probe->iso = iso;
      probe->loop = t->loop;
    }
    t->id = id;
    t->kind = id == 0 ? VIGIL__THREAD_MAIN : VIGIL__THREAD_WORKER;
    if (id == 0)
      snprintf(t->name, sizeof(t->name), "main thread");
    else
      snprintf(t->name, sizeof(t->name), "worker %llu%s%.40s%s",
               (unsigned long long) id, name[0] ? " (" : "", name,
               name[0] ? ")" : "");
    break;
  }
  vigil__threads_unlock();
  if (t == NULL)
    drop(iso, probe);
}

void vigil__thread_detach(struct vigil__isolate* iso) {
  struct vigil__probe* probe = NULL;
  struct vigil__thread* t;

  vigil__threads_lock();
  for (t = first; t != NULL && t->iso != iso; t = t->next);
  if (t != NULL) {
    probe = t->probe;
    t->iso = NULL;
    t->probe = NULL;
  }
  vigil__threads_unlock();
  if (t != NULL)
    drop(iso, probe);
}

void vigil__thread_timeline(const struct vigil__isolate* iso,
                            struct vigil__timeline_copy* to) {
  struct vigil__thread* t;

  vigil__threads_lock();
  for (t = first; t != NULL && t->iso != iso; t = t->next);
  if (t != NULL && t->timeline != NULL)
    vigil__timeline_take(to, t->timeline);
  vigil__threads_unlock();
}
