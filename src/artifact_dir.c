/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "artifact.h"

#include "clock.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>     /* snprintf */
#include <string.h>
#include <sys/file.h>  /* LOCK_EX */
#include <time.h>

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct entries {
  int dir;
};

static void remove_entry(void* arg, const char* name) {
  vigil__os.unlinkat(*(int*) arg, name, 0);
}

void vigil__artifact_remove(int parent, const char* name, int fd) {
  vigil__os.list(fd, remove_entry, &fd);
  vigil__os.unlinkat(parent, name, AT_REMOVEDIR);
  /* Last, for it gives the lock back. */
  vigil__os.close(fd);
}

/* Who writes an incident holds a lock on its temporary directory, and the
 * kernel gives it back when that process ends, however it ends. Where locks do
 * not work nothing is removed. */
static void remove_stale(void* arg, const char* name) {
  static const char prefix[] = VIGIL__ARTIFACT_TMP "incident-";
  const struct entries* e = arg;
  struct stat st;
  int fd;

  if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
    return;
  fd = vigil__os.openat(e->dir, name, OPEN_DIR, 0);
  if (fd < 0)
    return;
  if (vigil__os.fstat(fd, &st) == 0 && st.st_uid == vigil__os.geteuid() &&
      vigil__os.flock(fd, LOCK_EX | LOCK_NB) == 0)
    vigil__artifact_remove(e->dir, name, fd);
  else
    vigil__os.close(fd);
}

/* Says why not; `r` is the error that a call gave. */
static int refuse(struct vigil__artifact_dir* d, int r, const char* why) {
  char text[64];

  if (why == NULL)
    why = strerror_r(-r, text, sizeof(text));
  snprintf(d->error, sizeof(d->error), "%s", why);
  if (d->fd >= 0)
    vigil__os.close(d->fd);
  d->fd = -1;
  return r;
}

static int check(struct vigil__artifact_dir* d) {
  struct stat st;
  int r = vigil__os.fstat(d->fd, &st);

  if (r < 0)
    return refuse(d, r, NULL);
  if (st.st_uid != 0 && st.st_uid != vigil__os.geteuid())
    return refuse(d, -EPERM, "it belongs to another user");
  if ((st.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH)
    return refuse(d, -EPERM,
                  "everybody can write to it and it is not sticky; use a "
                  "directory inside of it");
  return 0;
}

int vigil__artifact_dir_open(struct vigil__artifact_dir* d,
                             const char* path,
                             const struct vigil__sha256* sha256) {
  size_t len = strlen(path);
  struct entries e;
  struct stat st;
  int r;

  memset(d, 0, sizeof(*d));
  d->fd = -1;
  d->sha256 = sha256;
  /* With a slash at the end O_NOFOLLOW would follow a link. */
  while (len > 1 && path[len - 1] == '/')
    len--;
  if (len == 0 || len >= sizeof(d->path))
    return refuse(d, len == 0 ? -ENOENT : -ENAMETOOLONG, NULL);
  memcpy(d->path, path, len);

  r = vigil__os.mkdirat(AT_FDCWD, d->path, 0700);
  if (r < 0 && r != -EEXIST)
    return refuse(d, r, NULL);
  d->fd = vigil__os.openat(AT_FDCWD, d->path, OPEN_DIR, 0);
  if (d->fd < 0) {
    r = d->fd;
    if (vigil__os.fstatat(AT_FDCWD, d->path, &st) == 0 &&
        S_ISLNK(st.st_mode))
      return refuse(d, -ELOOP, "it is a symbolic link");
    return refuse(d, r, NULL);
  }
  r = check(d);
  if (r < 0)
    return r;
  e = (struct entries) { .dir = d->fd };
  r = vigil__os.list(d->fd, remove_stale, &e);
  return r < 0 ? refuse(d, r, NULL) : 0;
}

void vigil__artifact_dir_close(struct vigil__artifact_dir* d) {
  if (d->fd >= 0)
    vigil__os.close(d->fd);
  d->fd = -1;
}

void vigil__artifact_name(char name[VIGIL__ARTIFACT_NAME],
                          uint64_t wall_ns,
                          int pid,
                          unsigned n) {
  const time_t wall = (time_t) (wall_ns / VIGIL__SEC);
  char suffix[16] = "";
  char utc[24];
  struct tm tm;

  gmtime_r(&wall, &tm);
  strftime(utc, sizeof(utc), "%Y%m%dT%H%M%SZ", &tm);
  if (n != 0)
    snprintf(suffix, sizeof(suffix), "-%u", n);
  snprintf(name, VIGIL__ARTIFACT_NAME, "incident-%s-%d%s", utc, pid, suffix);
}
