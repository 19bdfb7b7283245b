/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "helper_lock.h"

#include "os.h"
#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>     /* snprintf */
#include <string.h>
#include <sys/file.h>  /* LOCK_EX */

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* As budget_ask.c, whose folder it is. */
static int open_folder(int dir) {
  const uid_t uid = vigil__os.geteuid();
  char name[32];
  struct stat st;
  int fd;
  int r;

  snprintf(name, sizeof(name), ".budget-%u", (unsigned) uid);
  r = vigil__os.mkdirat(dir, name, 0700);
  if (r < 0 && r != -EEXIST)
    return r;
  fd = vigil__os.openat(dir, name, OPEN_DIR, 0);
  if (fd < 0)
    return fd;
  r = vigil__os.fstat(fd, &st);
  if (r == 0 && st.st_uid == uid)
    return fd;
  vigil__os.close(fd);
  return r < 0 ? r : -EPERM;
}

int vigil__helper_lock(const struct vigil__artifact_dir* dir) {
  const int folder = open_folder(dir->fd);
  int fd;
  int r;

  if (folder < 0)
    return folder;
  fd = vigil__os.openat(folder, "helper",
                        O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  vigil__os.close(folder);
  if (fd < 0)
    return fd;
  do
    r = vigil__os.flock(fd, LOCK_EX | LOCK_NB);
  while (r == -EINTR);
  if (r != -EWOULDBLOCK)
    return fd;
  vigil__os.close(fd);
  return r;
}

/* The mark: a file that says so near its beginning. */
static bool is_shipped(int incident) {
  const int fd = vigil__os.openat(incident, "shipped.json",
                                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
                                  O_CLOEXEC, 0);
  char buf[512];
  const char* is;

  if (fd < 0)
    return false;
  if (vigil__procfs_read(fd, buf, sizeof(buf)) <= 0)
    buf[0] = '\0';
  vigil__os.close(fd);
  is = strstr(buf, "\"done\"");
  if (is == NULL)
    return false;
  is += strlen("\"done\"");
  is += strspn(is, ": ");
  return strncmp(is, "true", 4) == 0;
}

struct search {
  int dir;
  bool found;
};

static void look_at(void* arg, const char* name) {
  static const char prefix[] = "incident-";
  struct search* s = arg;
  struct stat st;
  int fd;

  if (s->found || strncmp(name, prefix, sizeof(prefix) - 1) != 0)
    return;
  fd = vigil__os.openat(s->dir, name, OPEN_DIR, 0);
  if (fd < 0)
    return;
  s->found = vigil__os.fstat(fd, &st) == 0 &&
             st.st_uid == vigil__os.geteuid() &&
             !is_shipped(fd);
  vigil__os.close(fd);
}

bool vigil__helper_has_work(const char* path) {
  struct search s = { .found = false };

  s.dir = vigil__os.openat(AT_FDCWD, path, OPEN_DIR, 0);
  if (s.dir < 0)
    return false;
  vigil__os.list(s.dir, look_at, &s);
  vigil__os.close(s.dir);
  return s.found;
}
