/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* /proc/self/cgroup says which group, /proc/self/mountinfo where groups are
 * mounted; both seen from our cgroup namespace, which need not be that of the
 * mount. */

#include "cgroup_find.h"

#include "os.h"
#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>   /* snprintf */
#include <stdlib.h>  /* atoi */
#include <string.h>
#include <unistd.h>  /* read */

/* Reads a file line by line. Lines that do not fit are left out: a mount of an
 * overlay can have a very long one, those of cgroups are short. */
struct lines {
  int fd;
  size_t len;
  size_t used;
  bool skip;            /* Until the next end of line. */
  char buf[8192];
};

/* The next line, which lives until the next call; NULL at the end. */
static char* next_line(struct lines* l) {
  for (;;) {
    char* begin = l->buf + l->used;
    char* end = memchr(begin, '\n', l->len - l->used);
    ssize_t n;

    if (end != NULL) {
      const bool whole = !l->skip;

      *end = '\0';
      l->used = (size_t) (end - l->buf) + 1;
      l->skip = false;
      if (whole)
        return begin;
      continue;
    }
    memmove(l->buf, begin, l->len - l->used);
    l->len -= l->used;
    l->used = 0;
    if (l->len == sizeof(l->buf)) {
      l->skip = true;
      l->len = 0;
    }
    do
      n = read(l->fd, l->buf + l->len, sizeof(l->buf) - l->len);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
      return NULL;
    l->len += (size_t) n;
  }
}

/* `list` is separated by commas. */
static bool has_word(const char* list, const char* word) {
  const size_t len = strlen(word);
  const char* at;

  for (at = list; at != NULL; at = strchr(at, ',')) {
    at += *at == ',';
    if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0'))
      return true;
  }
  return false;
}

/* What stands in /proc/self/cgroup: "<number>:<controllers>:<path>", for v2
 * without controllers. A controller is in v1 or in v2, never in both. */
static int find_group(const char* root,
                      const char* controller,
                      int* version,
                      char* group,
                      size_t size) {
  struct lines l = { .fd = vigil__procfs_open(root, "/proc/self/cgroup") };
  char* line;

  if (l.fd < 0)
    return l.fd;
  *version = 0;
  while (*version != 1 && (line = next_line(&l)) != NULL) {
    char* names = strchr(line, ':');
    char* path = names != NULL ? strchr(names + 1, ':') : NULL;

    if (path == NULL || path[1] != '/' || strlen(path + 1) >= size)
      continue;
    *path++ = '\0';
    names++;
    if (*names == '\0' || has_word(names, controller)) {
      *version = *names == '\0' ? 2 : 1;
      strcpy(group, path[1] == '\0' ? "" : path);
    }
  }
  vigil__os.close(l.fd);
  return *version == 0 ? -ENOENT : 0;
}

/* \040 and the like, in place. */
static void unescape(char* s) {
  char* to = s;

  while (*s != '\0') {
    if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
        s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
      *to++ = (char) ((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
      s += 4;
    } else {
      *to++ = *s++;
    }
  }
  *to = '\0';
}

/* A line of mountinfo: "36 35 98:0 <root> <point> <options> <optional fields>
 * - <type> <source> <superblock options>". True for the right hierarchy. */
static bool parse_mount(char* line,
                        int version,
                        const char* controller,
                        char** mount_root,
                        char** point) {
  char* rest = strstr(line, " - ");
  char* field[6];
  char* save = NULL;
  char* type;
  char* options;
  size_t i;

  if (rest == NULL)
    return false;
  *rest = '\0';
  for (i = 0; i < 6; i++) {
    field[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
    if (field[i] == NULL)
      return false;
  }
  type = strtok_r(rest + 3, " ", &save);
  if (type == NULL || strtok_r(NULL, " ", &save) == NULL)
    return false;
  options = strtok_r(NULL, " ", &save);
  if (version == 2 ? strcmp(type, "cgroup2") != 0
                   : strcmp(type, "cgroup") != 0 || options == NULL ||
                         !has_word(options, controller))
    return false;
  *mount_root = field[3];
  *point = field[4];
  unescape(*mount_root);
  unescape(*point);
  if (strcmp(*mount_root, "/") == 0)
    **mount_root = '\0';
  return true;
}

/* The directory lists this process. */
static bool is_member(const char* path, pid_t pid) {
  struct lines l = { .fd = vigil__procfs_open(path, "/cgroup.procs") };
  bool found = false;
  char* line;

  if (l.fd < 0)
    return false;
  while (!found && (line = next_line(&l)) != NULL)
    found = atoi(line) == (int) pid;
  vigil__os.close(l.fd);
  return found;
}

/* Sets the place, when its directory is there. */
static bool set_place(struct vigil__cgroup_place* place,
                      const char* root,
                      const char* point,
                      const char* below) {
  const int n = snprintf(place->path, sizeof(place->path), "%s%s%s", root,
                         point, below);
  int dir;

  if (n < 0 || (size_t) n >= sizeof(place->path))
    return false;
  place->mount_len = strlen(root) + strlen(point);
  dir = vigil__os.openat(AT_FDCWD, place->path,
                         O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
  if (dir < 0)
    return false;
  vigil__os.close(dir);
  return true;
}

/* `path` is `of` or below it. */
static bool below(const char* path, const char* of) {
  const size_t len = strlen(of);

  return strncmp(path, of, len) == 0 && (path[len] == '/' || path[len] == 0);
}

/* Our group lies below what is mounted, and both say so. */
static bool try_exact(struct vigil__cgroup_place* place,
                      const char* root,
                      const char* mount_root,
                      const char* point,
                      const char* group) {
  const char* rest = group + strlen(mount_root);

  return below(group, mount_root) && !below(rest, "/..") &&
         set_place(place, root, point, rest);
}

/* They do not agree: what is mounted is of another namespace than the paths.
 * Then the group is where this process is listed; or what is mounted is known
 * to lie above it, whose limits hold for us, too. */
static bool try_guess(struct vigil__cgroup_place* place,
                      const char* root,
                      const char* mount_root,
                      const char* point,
                      const char* group,
                      pid_t pid) {
  const char* rest = group;

  for (;;) {
    if (!below(rest, "/..") && set_place(place, root, point, rest) &&
        is_member(place->path, pid))
      return true;
    if (*rest == '\0')
      break;
    rest++;
    rest += strcspn(rest, "/");
  }
  return below(mount_root, "/..") && !below(group, "/..") &&
         set_place(place, root, point, "");
}

int vigil__cgroup_find(const char* root,
                       pid_t pid,
                       const char* controller,
                       struct vigil__cgroup_place* place) {
  char group[PATH_MAX];
  char* mount_root;
  char* point;
  char* line;
  bool found = false;
  int guess;
  int r = find_group(root, controller, &place->version, group, sizeof(group));

  if (r < 0)
    return r;
  for (guess = 0; guess < 2 && !found; guess++) {
    struct lines l = { .fd = vigil__procfs_open(root, "/proc/self/mountinfo") };

    if (l.fd < 0)
      return l.fd;
    while (!found && (line = next_line(&l)) != NULL)
      if (parse_mount(line, place->version, controller, &mount_root, &point))
        found = guess
            ? try_guess(place, root, mount_root, point, group, pid)
            : try_exact(place, root, mount_root, point, group);
    vigil__os.close(l.fd);
  }
  return found ? 0 : -ENOENT;
}
