/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "control_socket.h"

#include "artifact.h"
#include "log.h"
#include "os.h"
#include "serve_bind.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>    /* kill */
#include <stdatomic.h>
#include <stdio.h>     /* snprintf */
#include <string.h>
#include <unistd.h>    /* getpid */

#define SAME_PID 16u   /* Processes that share a folder. */

/* Under the mutex, which the end of the process only tries. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct vigil__listen where;
static struct stat made;          /* The socket, to know it again. */
static char created[VIGIL__DIR_MAX];  /* A folder of ours; "": none. */
static pid_t self;                /* 0: no socket. A fork child has another pid. */

/* The end of the process has begun. Set before the mutex is tried, and looked at
 * before it is given back: one of the two removes the socket. */
static atomic_bool ended;

static const char* number(const char* s, unsigned* value) {
  const char* from = s;

  for (*value = 0; *s >= '0' && *s <= '9' && s - from < 9; s++)
    *value = *value * 10 + (unsigned) (*s - '0');
  return s > from && *from != '0' ? s : NULL;
}

unsigned vigil__control_pid(const char* name) {
  static const char prefix[] = "control-";
  unsigned pid;
  unsigned n;

  if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
    return 0;
  name = number(name + sizeof(prefix) - 1, &pid);
  if (name != NULL && *name == '-')
    name = number(name + 1, &n);
  return name != NULL && strcmp(name, ".sock") == 0 ? pid : 0;
}

/* ---- the folder */

static void clean_one(void* arg, const char* name) {
  const char* folder = arg;
  const unsigned pid = vigil__control_pid(name);
  char path[VIGIL__LISTEN_PATH];

  /* Of one that is there the socket is its own; asking them all would make a
   * start slow where there are many. */
  if (pid == 0 || kill((pid_t) pid, 0) == 0 || errno != ESRCH ||
      (size_t) snprintf(path, sizeof(path), "%s/%s", folder, name) >=
          sizeof(path))
    return;
  vigil__serve_remove_stale(path);
}

static void clean(int dir, char* folder) {
  vigil__os.list(dir, clean_one, folder);
}

/* VIGIL_DIR, as an incident would open it. */
static int open_dir(const struct vigil__config* config, char* folder) {
  struct vigil__artifact_dir dir;
  struct stat st;
  const bool there = vigil__os.fstatat(AT_FDCWD, config->dir, &st) == 0;
  const int err = vigil__artifact_dir_open(&dir, config->dir, NULL);

  if (err != 0)
    return err;
  if (!there)
    strcpy(created, dir.path);
  strcpy(folder, dir.path);
  clean(dir.fd, folder);
  vigil__artifact_dir_close(&dir);
  return 0;
}

static int open_folder(const char* path, char* folder) {
  size_t len = strlen(path);
  int fd;

  while (len > 1 && path[len - 1] == '/')
    len--;
  memcpy(folder, path, len);
  folder[len] = '\0';
  fd = vigil__os.openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0)
    return fd;
  clean(fd, folder);
  vigil__os.close(fd);
  return 0;
}

/* ---- the socket */

static int bind_one(void) {
  char at[VIGIL__SERVE_WHERE];
  const int fd = vigil__serve_bind(&where, 0600, at);
  int err;

  if (fd < 0)
    return fd;
  err = vigil__os.fstatat(AT_FDCWD, where.path, &made);
  if (err != 0) {
    vigil__os.close(fd);
    return err;
  }
  self = getpid();
  return fd;
}

static int bind_in(const char* folder) {
  const int pid = getpid();
  int err = -EADDRINUSE;
  char suffix[8] = "";
  unsigned n;

  for (n = 1; n <= SAME_PID && err == -EADDRINUSE; n++) {
    if (n > 1)
      snprintf(suffix, sizeof(suffix), "-%u", n);
    if ((size_t) snprintf(where.path, sizeof(where.path),
                          "%s/control-%d%s.sock", folder, pid, suffix) >=
        sizeof(where.path))
      return -ENAMETOOLONG;
    err = bind_one();
  }
  return err;
}

/* Also when the other one has it: then it is that one's. */
static void remove_socket(void) {
  struct stat st;

  if (self == getpid() &&
      vigil__os.fstatat(AT_FDCWD, where.path, &st) == 0 &&
      st.st_ino == made.st_ino && st.st_dev == made.st_dev)
    vigil__os.unlinkat(AT_FDCWD, where.path, 0);
  if (self == getpid() && created[0] != '\0')
    vigil__os.unlinkat(AT_FDCWD, created, AT_REMOVEDIR);
  self = 0;
}

static void complain(const struct vigil__config* config, int err) {
  char text[64];

  if (err == -ENAMETOOLONG)
    vigil__log("no control socket: its path would be longer than the %d bytes "
               "that a UNIX socket can have; VIGIL_CONTROL can name a shorter "
               "folder, or be off", VIGIL__LISTEN_PATH - 1);
  else if (config->control[0] == '/')
    vigil__log("VIGIL_CONTROL=\"%s\" cannot be used (%s)", config->control,
               strerror_r(-err, text, sizeof(text)));
}

int vigil__control_bind(const struct vigil__config* config) {
  const char* path = config->control;
  char folder[VIGIL__DIR_MAX];
  int err = 0;

  pthread_mutex_lock(&mutex);
  if (path[0] == '/' && path[strlen(path) - 1] != '/') {
    strcpy(where.path, path);
    err = bind_one();
  } else {
    err = path[0] == '/' ? open_folder(path, folder)
                         : open_dir(config, folder);
    if (err == 0)
      err = bind_in(folder);
  }
  if (err < 0) {
    complain(config, err);
    if (created[0] != '\0')
      vigil__os.unlinkat(AT_FDCWD, created, AT_REMOVEDIR);
  } else if (atomic_load(&ended)) {
    remove_socket();
  }
  pthread_mutex_unlock(&mutex);
  return err;
}

void vigil__control_unbind(void) {
  atomic_store(&ended, true);
  if (pthread_mutex_trylock(&mutex) != 0)
    return;
  if (self != 0)
    remove_socket();
  pthread_mutex_unlock(&mutex);
}
