/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "snapshot.h"

#include "figures.h"
#include "hunt.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>  /* PRIu64 */
#include <signal.h>    /* SIGKILL */
#include <string.h>

#define MB (UINT64_C(1) << 20)

/* Of a leak hunt: some MB at most. */
#define SUMMARY_MOST (64 * MB)

/* In the process, where a fork is not allowed: a bigger heap would stop the
 * loop for too long. */
#define INPROCESS_MOST (128 * MB)

/* A collection that is under way is mostly done in less; after the last try it
 * is interrupted. */
#define TRIES 10

/* Each thread that holds a lock in the instant of the fork can spoil one. */
#define CHILDREN 6

struct vigil__snapshot_counts vigil__snapshot_counts;
#define COUNT(what) vigil__add(&vigil__snapshot_counts.what, 1)

/* Of all that were taken; changed by the watch thread while no job runs. */
static struct vigil__room_learnt learnt;
static uint64_t file_permille = 1000;  /* Size of the file to that of the heap. */

void vigil__snapshot_init(struct vigil__snapshot* s,
                          const struct vigil__config* config,
                          struct vigil__isolate* iso,
                          struct vigil__loop* loop) {
  memset(s, 0, sizeof(*s));
  s->config = config;
  s->iso = iso;
  s->loop = loop;
  s->mode = (enum vigil__heap_mode) config->heap_mode;
}

static int fill(void* what, vigil__sink sink, void* arg);

static bool open_child(struct vigil__snapshot* s, struct vigil__incident* i) {
  int err;

  s->leak = i->trigger.leak;
  if (s->leak == 0)
    return vigil__incident_child(i, VIGIL__PIECE_HEAP, &s->child) == 0;
  err = vigil__artifact_memory_open(&s->memory, SUMMARY_MOST);
  if (err == 0) {
    err = vigil__child_open(&s->child, &s->memory);
    if (err != 0)
      vigil__artifact_file_drop(&s->memory);
  }
  if (err != 0)
    vigil__incident_none(i, VIGIL__PIECE_LEAK, "%s", strerror(-err));
  return err == 0;
}

bool vigil__snapshot_prepare(struct vigil__snapshot* s,
                             struct vigil__incident* i) {
  if (s->mode == VIGIL__HEAP_OFF) {
    vigil__incident_none(i, VIGIL__PIECE_HEAP, s->fell_back
                             ? "VIGIL_HEAP_FALLBACK is off"
                             : "VIGIL_HEAP_MODE is off");
    return false;
  }
  if (i->trigger.leak != 0 && s->mode != VIGIL__HEAP_FORK) {
    vigil__incident_none(i, VIGIL__PIECE_LEAK,
                         "it needs VIGIL_HEAP_MODE=fork, and a fork");
    return false;
  }
  vigil__figures_room(&s->room);
  s->disk = i->grant.bytes;
  i->snapshot.mode = s->mode == VIGIL__HEAP_FORK ? "fork" : "inprocess";
  if (s->mode != VIGIL__HEAP_FORK)
    return true;
  if (!open_child(s, i))
    return false;
  s->child.memory = s->room.bytes;
  s->child.time_ns = s->config->heap_time_ns;
  s->child.urgent = s->wait;
  s->child.fill = fill;
  s->child.what = s;
  return true;
}

/* ---- on the isolate's own thread */

static bool has_room(struct vigil__snapshot* s) {
  s->heap = vigil__heap_used(s->iso);
  s->need = vigil__room_need(&learnt, s->heap);
  if (s->fell_back && s->heap > INPROCESS_MOST)
    s->error = -EFBIG;
  else if (s->need > s->room.bytes)
    s->error = -ENOMEM;
  else if (s->leak == 0 && s->heap / 1000 * file_permille > s->disk)
    s->error = -ENOSPC;
  return s->error == 0;
}

static void child_run(void* arg) {
  struct vigil__snapshot* s = arg;

  vigil__child_run(&s->child);
}

static void child_failed(void* arg, int error) {
  struct vigil__snapshot* s = arg;

  vigil__child_fail(&s->child, error);
}

static int child_fork(void* arg) {
  struct vigil__snapshot* s = arg;

  return vigil__child_fork(&s->child);
}

static const struct vigil__forking forked = {
  child_fork, child_run, child_failed
};

static void take(struct vigil__snapshot* s) {
  int r;

  if (s->mode == VIGIL__HEAP_INPROCESS) {
    s->error = vigil__heap_snapshot_take(s->iso, s->config->redact != 0,
                                         &s->taken);
    return;
  }
  r = vigil__heap_fork(s->iso, s->wait || s->tries >= TRIES, &forked, s);
  s->error = r < 0 ? r : 0;
}

void vigil__snapshot_take(void* arg) {
  struct vigil__snapshot* s = arg;

  vigil__loop_self_begin(s->loop, vigil__mono_now());
  s->error = 0;
  s->tries++;
  if (has_room(s))
    take(s);
  s->stopped_ns = vigil__loop_self_end(s->loop, vigil__mono_now());
}

void vigil__snapshot_release(void* arg) {
  struct vigil__snapshot* s = arg;

  if (s->taken == NULL)
    return;
  vigil__loop_self_begin(s->loop, vigil__mono_now());
  vigil__heap_snapshot_free(s->taken);
  s->taken = NULL;
  vigil__loop_self_end(s->loop, vigil__mono_now());
}

/* ---- the watch thread again, and the child */

static int write_taken(void* what, vigil__sink sink, void* arg) {
  return vigil__heap_snapshot_write(what, sink, arg);
}

/* In the child. */
static int fill(void* what, vigil__sink sink, void* arg) {
  struct vigil__snapshot* s = what;
  struct vigil__heap_snapshot* taken;
  int err;

  if (s->leak != 0)
    return vigil__hunt_summarize(s->iso, s->room.bytes, sink, arg);
  err = vigil__heap_snapshot_take(s->iso, s->config->redact != 0, &taken);
  return err != 0 ? err : vigil__heap_snapshot_write(taken, sink, arg);
}

/* A fork that is not allowed: said once. */
static void fall_back(struct vigil__snapshot* s) {
  static bool said;

  if (!said)
    vigil__log("a heap snapshot cannot be taken in a child process (%s): "
               "VIGIL_HEAP_FALLBACK=%s is used",
               s->error == -ENOTSUP ? "not with these V8 options"
                                    : strerror(-s->error),
               s->config->heap_fallback == VIGIL__HEAP_OFF ? "off"
                                                           : "inprocess");
  said = true;
  s->fell_back = true;
  s->mode = (enum vigil__heap_mode) s->config->heap_fallback;
  s->error = 0;
  vigil__child_close(&s->child);
}

static enum vigil__snapshot_next none(struct vigil__snapshot* s,
                                      struct vigil__incident* i) {
  vigil__child_close(&s->child);
  if (s->error == -ENOMEM && s->need > s->room.bytes) {
    vigil__incident_none(i, VIGIL__PIECE_HEAP,
                         "it may need %" PRIu64 " MB of memory, %s has %" PRIu64
                         " MB left", s->need / MB, s->room.of,
                         s->room.bytes / MB);
    COUNT(refused);
    return VIGIL__SNAPSHOT_NO_MEMORY;
  }
  if (s->error == -ENOSPC || s->error == -EFBIG)
    COUNT(refused);
  else
    COUNT(failed);
  if (s->error == -ENOSPC)
    vigil__incident_none(i, VIGIL__PIECE_HEAP,
                         "it may take %" PRIu64 " MB of disk, VIGIL_DISK and "
                         "VIGIL_DISK_FREE leave %" PRIu64 " MB",
                         s->heap / MB * file_permille / 1000, s->disk / MB);
  else if (s->error == -EFBIG)
    vigil__incident_none(i, VIGIL__PIECE_HEAP,
                         "the heap has %" PRIu64 " MB, and without a child one "
                         "of more than %" PRIu64 " MB would stop the loop for "
                         "long", s->heap / MB, INPROCESS_MOST / MB);
  else
    vigil__incident_none(i, VIGIL__PIECE_HEAP, "V8 says %s",
                         strerror(-s->error));
  return VIGIL__SNAPSHOT_NONE;
}

enum vigil__snapshot_next vigil__snapshot_after(struct vigil__snapshot* s,
                                                struct vigil__incident* i,
                                                struct vigil__self* self) {
  self->snapshot_ns += s->stopped_ns;
  i->snapshot.tries = s->tries;
  i->snapshot.heap_bytes = s->heap;
  if (s->error == -EBUSY)
    return VIGIL__SNAPSHOT_AGAIN;
  if (s->child.pid != 0) {
    i->snapshot.fork_ns = s->child.fork_ns;
    i->snapshot.rest_ns = s->stopped_ns - s->child.fork_ns;
    return VIGIL__SNAPSHOT_CHILD;
  }
  if (s->taken != NULL) {
    vigil__incident_write(i, VIGIL__PIECE_HEAP, write_taken, s->taken);
    COUNT(taken);
    return VIGIL__SNAPSHOT_TAKEN;
  }
  if (s->mode == VIGIL__HEAP_FORK && s->need <= s->room.bytes &&
      s->error != -ENOSPC) {
    fall_back(s);
    return vigil__snapshot_prepare(s, i) ? VIGIL__SNAPSHOT_AGAIN
                                         : VIGIL__SNAPSHOT_NONE;
  }
  return none(s, i);
}

/* For the next one. */
static void learn(const struct vigil__snapshot* s,
                  const struct vigil__child_end* end) {
  const bool whole = s->leak == 0;
  const uint64_t wrote = end->error == 0 ? s->child.file->bytes : s->disk;

  if (whole && end->error == 0)
    vigil__room_learn(&learnt, s->heap, end->own_bytes);
  if (end->error == -ENOMEM)
    vigil__room_too_little(&learnt, s->heap, s->room.bytes);
  /* The kernel may have taken it for want of memory, or anybody. */
  if (end->signal == SIGKILL && !end->late)
    vigil__room_too_little(&learnt, s->heap, s->need);
  if (whole && (end->error == 0 || end->error == -EFBIG) && s->heap > MB &&
      wrote / (s->heap / 1000) > file_permille)
    file_permille = wrote / (s->heap / 1000);
}

static void tell(const struct vigil__snapshot* s,
                 struct vigil__incident* i,
                 const struct vigil__child_end* end) {
  if (atomic_load_explicit(&i->give_up, memory_order_relaxed) &&
      end->error != 0)
    vigil__incident_none(i, VIGIL__PIECE_HEAP, "the process ended first");
  else if (end->late)
    vigil__incident_none(i, VIGIL__PIECE_HEAP,
                         "its child was not done after %" PRIu64 " s",
                         s->config->heap_time_ns / VIGIL__SEC);
  else if (end->signal != 0 && end->error != 0)
    vigil__incident_none(i, VIGIL__PIECE_HEAP,
                         "its child was ended by signal %d (%s)", end->signal,
                         strsignal(end->signal));
  else if (end->error == -ENOMEM)
    vigil__incident_none(i, VIGIL__PIECE_HEAP,
                         "its child ran out of the %" PRIu64 " MB that %s has "
                         "left", s->room.bytes / MB, s->room.of);
  else if (end->error == -EDEADLK)
    vigil__incident_none(i, VIGIL__PIECE_HEAP,
                         "another thread held a lock at each of %d forks",
                         CHILDREN);
  else if (end->error == -ECANCELED)
    vigil__incident_none(i, VIGIL__PIECE_HEAP, "its child ended too soon");
  else if (s->leak != 0 && end->error != 0)
    vigil__incident_none(i, VIGIL__PIECE_HEAP, "%s", strerror(-end->error));
  else
    vigil__incident_ended(i, VIGIL__PIECE_HEAP, end->error);
}

static void count(const struct vigil__child_end* end) {
  if (end->error == 0)
    COUNT(taken);
  else if (end->late)
    COUNT(late);
  else
    COUNT(failed);
}

bool vigil__snapshot_summary(struct vigil__snapshot* s,
                             struct vigil__incident* i) {
  const struct vigil__artifact_file* f = &s->memory;
  char* why = i->piece[VIGIL__PIECE_HEAP].note;
  int err = -ECANCELED;

  if (s->child.file == f && f->complete)
    err = vigil__hunt_add(s->iso, s->leak, f->fd, f->bytes);
  if (err != 0)
    vigil__incident_none(i, VIGIL__PIECE_LEAK, "round %u: %s", s->leak,
                         why[0] != '\0' ? why : strerror(-err));
  why[0] = '\0';
  return err == 0;
}

enum vigil__snapshot_state vigil__snapshot_poll(struct vigil__snapshot* s,
                                                struct vigil__incident* i,
                                                vigil__mono_t now) {
  struct vigil__child_end end;

  if (atomic_load_explicit(&i->give_up, memory_order_relaxed))
    vigil__child_kill(&s->child);
  if (vigil__child_poll(&s->child, now, &end) != 0)
    return VIGIL__SNAPSHOT_WRITES;
  if (end.error == -EDEADLK && ++s->locked < CHILDREN) {
    vigil__child_close(&s->child);
    return VIGIL__SNAPSHOT_LOCKED;
  }
  i->snapshot.child_ns = end.ns;
  i->snapshot.child_bytes = end.own_bytes;
  learn(s, &end);
  tell(s, i, &end);
  count(&end);
  return VIGIL__SNAPSHOT_WRITTEN;
}

void vigil__snapshot_free(struct vigil__snapshot* s) {
  vigil__child_close(&s->child);
}
