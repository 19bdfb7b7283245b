/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "budget_ask.h"

#include "budget_dir.h"
#include "budget_file.h"
#include "log.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>     /* snprintf */
#include <string.h>
#include <sys/file.h>  /* LOCK_EX */
#include <unistd.h>    /* getpid */

#define SLOTS 64u      /* As many as VIGIL_HOST_CAPTURES may say. */
#define TRIES 20       /* For the lock... */
#define WAIT_MS 10     /* ...with this between them. */

/* The folder, while we have its lock. */
struct keeper {
  const struct vigil__artifact_dir* dir;
  int folder;
  int lock;
  char boot[VIGIL__BUDGET_BOOT];
  bool damaged;
  struct vigil__budget_state state;
  struct vigil__budget_survey survey;
};

/* Closing alone would leave the lock to a child that forks just now. */
static void unlock(int fd) {
  vigil__os.flock(fd, LOCK_UN);
  vigil__os.close(fd);
}

static void leave(struct keeper* k) {
  vigil__budget_survey_free(&k->survey);
  if (k->lock >= 0)
    unlock(k->lock);
  if (k->folder >= 0)
    vigil__os.close(k->folder);
}

static int open_folder(struct keeper* k) {
  const uid_t uid = vigil__os.geteuid();
  char name[32];
  struct stat st;
  int r;

  snprintf(name, sizeof(name), ".budget-%u", (unsigned) uid);
  r = vigil__os.mkdirat(k->dir->fd, name, 0700);
  if (r < 0 && r != -EEXIST)
    return r;
  k->folder = vigil__os.openat(
      k->dir->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  if (k->folder < 0)
    return k->folder;
  r = vigil__os.fstat(k->folder, &st);
  return r == 0 && st.st_uid != uid ? -EPERM : r;
}

/* 0, -EWOULDBLOCK when another process has it, or another error. Where there
 * are no locks everybody has them. */
static int try_lock(int fd) {
  int r;

  do
    r = vigil__os.flock(fd, LOCK_EX | LOCK_NB);
  while (r == -EINTR);
  return r == -ENOLCK || r == -ENOTSUP || r == -ENOSYS || r == -EINVAL ? 0 : r;
}

/* Tries for a while and no longer: the holder may be stopped. */
static int take_lock(struct keeper* k) {
  int r;
  int i;

  k->lock = vigil__os.openat(k->folder, "lock",
                             O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (k->lock < 0)
    return k->lock;
  r = try_lock(k->lock);
  for (i = 0; i < TRIES && r == -EWOULDBLOCK; i++) {
    vigil__os.poll(NULL, 0, WAIT_MS);
    r = try_lock(k->lock);
  }
  return r;
}

static void count_damage(struct keeper* k) {
  static bool said;

  if (!said)
    vigil__log("%s/.budget-%u/state is damaged: it counts as one incident now",
               k->dir->path, (unsigned) vigil__os.geteuid());
  said = k->damaged = true;
  vigil__budget_add(&k->state, &(struct vigil__budget_event) {
    .wall_ns = k->state.wall_ns, .mono = k->state.mono, .ratio = 1000,
    .finished = true });
}

static int look(struct keeper* k) {
  int r;

  vigil__budget_survey_free(&k->survey);
  r = vigil__budget_survey(&k->survey, k->dir);
  if (r < 0)
    return r;
  vigil__budget_survey_apply(&k->survey, &k->state);
  return vigil__budget_os.space(k->folder, &k->state.free_bytes,
                                &k->state.total_bytes);
}

/* On an error, leave too. */
static int enter(struct keeper* k, const struct vigil__artifact_dir* dir) {
  int r;

  memset(k, 0, sizeof(*k));
  k->dir = dir;
  k->folder = k->lock = -1;
  r = open_folder(k);
  if (r == 0)
    r = take_lock(k);
  if (r < 0)
    return r;
  k->state.wall_ns = vigil__os.wall();
  k->state.mono = vigil__os.mono();
  vigil__budget_boot(k->boot);
  r = vigil__budget_load(&k->state, k->folder, k->boot);
  if (r == -EBADMSG)
    count_damage(k);
  else if (r < 0)
    return r;
  return look(k);
}

/* Opens and locks a slot. -EWOULDBLOCK: another process has it. */
static int lock_slot(const struct keeper* k, unsigned n, int create) {
  char name[16];
  int fd;
  int r;

  snprintf(name, sizeof(name), "slot-%u", n);
  fd = vigil__os.openat(k->folder, name,
                        O_RDWR | O_NOFOLLOW | O_CLOEXEC | create, 0600);
  if (fd < 0)
    return fd;
  r = try_lock(fd);
  if (r == 0)
    return fd;
  vigil__os.close(fd);
  return r;
}

/* Which events are being captured: the newest of each slot that is locked. */
static void find_alive(struct keeper* k) {
  struct vigil__budget_event* newest;
  struct vigil__budget_event* e;
  unsigned n;
  int fd;

  for (n = 0; n < SLOTS; n++) {
    fd = lock_slot(k, n, 0);
    if (fd >= 0)
      unlock(fd);
    /* What cannot be asked is taken to be in use. */
    if (fd >= 0 || fd == -ENOENT)
      continue;
    k->state.capturing++;
    newest = NULL;
    for (e = k->state.event; e < k->state.event + k->state.events; e++)
      if (!e->finished && e->slot == n &&
          (newest == NULL || vigil__budget_age(&k->state, e) <
                             vigil__budget_age(&k->state, newest)))
        newest = e;
    if (newest != NULL)
      newest->alive = true;
  }
}

/* Room, a slot, and a note of it. As vigil__budget_ask(). */
static int take(struct keeper* k,
                const struct vigil__config* config,
                const struct vigil__budget_request* request,
                struct vigil__budget_grant* grant) {
  struct vigil__budget_event e = {
    .wall_ns = k->state.wall_ns, .mono = k->state.mono,
    .ratio = request->ratio, .pid = (uint32_t) getpid()
  };
  int r;

  if (vigil__budget_survey_remove(
          &k->survey,
          vigil__budget_excess(&k->state, config, request->expect_bytes), 0) &&
      (r = look(k)) < 0)
    return r;
  grant->bytes = vigil__budget_room(&k->state, config);
  if (grant->bytes < VIGIL__BUDGET_LEAST)
    return VIGIL__BUDGET_DISK;
  do
    grant->slot = lock_slot(k, e.slot, O_CREAT);
  while (grant->slot == -EWOULDBLOCK && ++e.slot < config->host_captures);
  if (grant->slot < 0)
    return grant->slot == -EWOULDBLOCK ? VIGIL__BUDGET_HOST : grant->slot;
  vigil__budget_add(&k->state, &e);
  grant->wall_ns = e.wall_ns;
  grant->suppressed = k->state.suppressed;
  r = vigil__budget_save(&k->state, k->folder, k->boot);
  if (r < 0)
    unlock(grant->slot);
  return r;
}

int vigil__budget_ask(const struct vigil__artifact_dir* dir,
                      const struct vigil__config* config,
                      const struct vigil__budget_request* request,
                      struct vigil__budget_grant* grant) {
  struct keeper k;
  bool count;
  int r;

  memset(grant, 0, sizeof(*grant));
  grant->slot = -1;
  r = enter(&k, dir);
  if (r == 0) {
    find_alive(&k);
    r = request->fleet_refused
        ? VIGIL__BUDGET_FLEET
        : (int) vigil__budget_decide(&k.state, config, request->ratio);
    if (r == VIGIL__BUDGET_ALLOW && !request->look)
      r = take(&k, config, request, grant);
    count = r > 0 && request->ratio != 0 && !request->again;
    k.state.suppressed += count;
    /* Not being able to count it does not change the answer. */
    if (count || (r > 0 && k.damaged))
      vigil__budget_save(&k.state, k.folder, k.boot);
  }
  leave(&k);
  if (r != VIGIL__BUDGET_ALLOW)
    *grant = (struct vigil__budget_grant) { .slot = -1 };
  /* So busy are the others. */
  return r == -EWOULDBLOCK ? VIGIL__BUDGET_HOST : r;
}

/* The incident is on disk, and the suppressed ones were said. */
static int note_end(struct keeper* k,
                    const struct vigil__budget_grant* grant) {
  struct vigil__budget_event* e = k->state.event;

  for (; e < k->state.event + k->state.events; e++)
    if (e->wall_ns == grant->wall_ns && e->pid == (uint32_t) getpid())
      e->finished = true;
  k->state.suppressed -= grant->suppressed < k->state.suppressed
      ? grant->suppressed : k->state.suppressed;
  return vigil__budget_save(&k->state, k->folder, k->boot);
}

int vigil__budget_end(const struct vigil__artifact_dir* dir,
                      const struct vigil__config* config,
                      struct vigil__budget_grant* grant,
                      bool finished) {
  struct keeper k;
  int r = 0;

  if (grant->slot < 0)
    return 0;
  if (finished) {
    r = enter(&k, dir);
    if (r == 0) {
      r = note_end(&k, grant);
      /* Incidents may have become bigger than they were to be. */
      vigil__budget_survey_remove(
          &k.survey, vigil__budget_excess(&k.state, config, 0), 1);
    }
    leave(&k);
  }
  unlock(grant->slot);
  grant->slot = -1;
  return r;
}
