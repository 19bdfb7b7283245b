/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "report_loops.h"

#include "os.h"
#include "watch.h"

#include <errno.h>
#include <stdlib.h>  /* free, qsort */

static int rank(const struct vigil__thread* t) {
  switch (t->kind) {
    case VIGIL__THREAD_MAIN: return 0;
    case VIGIL__THREAD_WORKER: return 1;
    default: return 2;
  }
}

static vigil__mono_t born(const struct vigil__thread* t) {
  return t->loop == NULL ? 0 : t->loop->born;
}

/* The main thread, Workers by id, others by age. */
static int compare(const void* a, const void* b) {
  const struct vigil__thread* s = *(const struct vigil__thread* const*) a;
  const struct vigil__thread* t = *(const struct vigil__thread* const*) b;

  if (rank(s) != rank(t))
    return rank(s) - rank(t);
  if (s->id != t->id)
    return s->id < t->id ? -1 : 1;
  return born(s) < born(t) ? -1 : born(s) > born(t);
}

static void put_identity(struct vigil__json* j, const struct vigil__thread* t) {
  static const char* const kinds[] = {
    [VIGIL__THREAD_OTHER] = "other",
    [VIGIL__THREAD_MAIN] = "main",
    [VIGIL__THREAD_WORKER] = "worker"
  };

  if (t->kind == VIGIL__THREAD_OTHER)
    vigil__json_null(j, "threadId");
  else
    vigil__json_uint(j, "threadId", t->id);
  vigil__json_string(j, "name", t->name);
  vigil__json_string(j, "kind", kinds[t->kind]);
  vigil__json_bool(j, "ended", t->loop == NULL);
}

/* Node makes a loop for its tracing agent that hardly ever runs, and an add-on
 * may do such a thing too: nobody wants to read of them. */
static bool never_ran(const struct vigil__thread* t) {
  return t->kind == VIGIL__THREAD_OTHER && t->loop != NULL &&
         vigil__load(&t->loop->startup_ns) == 0;
}

void vigil__report_loops(struct vigil__json* j,
                         bool with_ended,
                         void (*put)(struct vigil__json* j,
                                     const struct vigil__thread* t,
                                     uint64_t arg),
                         uint64_t arg) {
  struct vigil__thread** all = NULL;
  struct vigil__thread* t;
  size_t n = 0;
  size_t i;

  vigil__json_array(j, "loops");
  if (vigil__on()) {
    vigil__threads_lock();
    for (t = vigil__threads_first(); t != NULL; t = t->next)
      n++;
    if (n != 0)
      all = vigil__os.realloc(NULL, n * sizeof(*all));
    if (n != 0 && all == NULL) {
      if (j->error == 0)
        j->error = -ENOMEM;
      n = 0;
    }
    for (i = 0, t = vigil__threads_first(); i < n; t = t->next)
      all[i++] = t;
    if (n != 0)
      qsort(all, n, sizeof(*all), compare);
    for (i = 0; i < n; i++) {
      if (never_ran(all[i]) || (all[i]->loop == NULL && !with_ended))
        continue;
      vigil__json_object(j, NULL);
      put_identity(j, all[i]);
      put(j, all[i], arg);
      vigil__json_end(j);
    }
    vigil__threads_unlock();
    free(all);
  }
  vigil__json_end(j);
}
