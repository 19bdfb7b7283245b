/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "serve_bind.h"

#include "os.h"

#include <arpa/inet.h>  /* inet_pton */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>      /* snprintf */
#include <string.h>
#include <sys/file.h>   /* LOCK_EX */
#include <sys/socket.h>
#include <sys/un.h>

#define BACKLOG 128
#define FLAGS (SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  struct sockaddr_un un;
};

static int fail(int fd) {
  const int err = -errno;

  vigil__os.close(fd);
  return err;
}

static int bind_port(const struct vigil__listen* l, uint16_t port) {
  union address a = { .any.sa_family = l->is_ipv6 ? AF_INET6 : AF_INET };
  const int fd = socket(a.any.sa_family, FLAGS, 0);
  const int on = 1;

  if (fd < 0)
    return -errno;
  if (l->is_ipv6) {
    inet_pton(AF_INET6, l->host, &a.v6.sin6_addr);
    a.v6.sin6_port = htons(port);
  } else {
    inet_pton(AF_INET, l->host, &a.v4.sin_addr);
    a.v4.sin_port = htons(port);
  }
  /* Else the last one's closed connections would hold the port for a while. */
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd, &a.any, l->is_ipv6 ? sizeof(a.v6) : sizeof(a.v4)) != 0 ||
      listen(fd, BACKLOG) != 0)
    return fail(fd);
  return fd;
}

static int bind_tcp(const struct vigil__listen* l, char* where) {
  unsigned port = l->first;
  union address a;
  socklen_t len = sizeof(a);
  int fd;

  do
    fd = bind_port(l, (uint16_t) port);
  while (fd == -EADDRINUSE && port++ < l->last);
  if (fd < 0)
    return fd;
  if (getsockname(fd, &a.any, &len) != 0)
    return fail(fd);
  port = ntohs(l->is_ipv6 ? a.v6.sin6_port : a.v4.sin_port);
  snprintf(where, VIGIL__SERVE_WHERE,
           l->is_ipv6 ? "http://[%s]:%u" : "http://%s:%u", l->host, port);
  return fd;
}

/* It is a socket of ours, and nobody listens: its process has ended. */
static bool is_stale(const union address* a) {
  const int fd = socket(AF_UNIX, FLAGS, 0);
  struct stat st;
  bool stale;

  if (fd < 0)
    return false;
  stale = vigil__os.fstatat(AT_FDCWD, a->un.sun_path, &st) == 0 &&
          S_ISSOCK(st.st_mode) && st.st_uid == vigil__os.geteuid() &&
          connect(fd, &a->any, sizeof(a->un)) != 0 && errno == ECONNREFUSED;
  vigil__os.close(fd);
  return stale;
}

static int bind_fd(int fd, const union address* a) {
  return bind(fd, &a->any, sizeof(a->un)) == 0 ? 0 : -errno;
}

/* Two that find the same stale socket must not replace each other's: they lock
 * the folder it is in. `fd` is bound in its place, unless it is -1. */
static int remove_stale(int fd, const union address* a) {
  char folder[sizeof(a->un.sun_path) + 1];
  char* slash;
  int lock;
  int err;

  strcpy(folder, a->un.sun_path);
  slash = strrchr(folder, '/');
  slash[slash == folder] = '\0';
  lock = vigil__os.openat(AT_FDCWD, folder,
                          O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (lock < 0)
    return lock;
  err = -EADDRINUSE;
  if (vigil__os.flock(lock, LOCK_EX | LOCK_NB) != -EWOULDBLOCK &&
      is_stale(a) &&
      vigil__os.unlinkat(AT_FDCWD, a->un.sun_path, 0) == 0)
    err = fd < 0 ? 0 : bind_fd(fd, a);
  vigil__os.flock(lock, LOCK_UN);
  vigil__os.close(lock);
  return err;
}

void vigil__serve_remove_stale(const char* path) {
  union address a = { .un.sun_family = AF_UNIX };

  if (strlen(path) >= sizeof(a.un.sun_path))
    return;
  strcpy(a.un.sun_path, path);
  if (is_stale(&a))
    remove_stale(-1, &a);
}

static int bind_unix(const struct vigil__listen* l, mode_t mode, char* where) {
  union address a = { .un.sun_family = AF_UNIX };
  const int fd = socket(AF_UNIX, FLAGS, 0);
  int err;

  if (fd < 0)
    return -errno;
  strcpy(a.un.sun_path, l->path);
  err = bind_fd(fd, &a);
  if (err == -EADDRINUSE)
    err = remove_stale(fd, &a);
  if (err != 0) {
    vigil__os.close(fd);
    return err;
  }
  /* Nobody gets in before listen(). */
  if (chmod(l->path, mode) != 0 || listen(fd, BACKLOG) != 0)
    return fail(fd);
  snprintf(where, VIGIL__SERVE_WHERE, "%s", l->path);
  return fd;
}

int vigil__serve_bind(const struct vigil__listen* l,
                      mode_t mode,
                      char where[VIGIL__SERVE_WHERE]) {
  return l->path[0] != '\0' ? bind_unix(l, mode, where) : bind_tcp(l, where);
}
