/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "control_incidents.h"

#include "artifact.h"
#include "os.h"
#include "pick.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>     /* sscanf */
#include <stdlib.h>    /* qsort, free */
#include <string.h>
#include <unistd.h>    /* read */

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define MANIFEST (UINT64_C(1) << 20)  /* A larger one is not read. */

static bool is_name(const char* s, size_t len) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789._-";

  return len != 0 && len < VIGIL__ARTIFACT_NAME && *s != '.' &&
         strspn(s, allowed) >= len;
}

/* incident-20261123T031415Z-21: "2026-11-23T03:14:15Z" and the pid. */
static bool parse_incident(const char* name, char utc[24], int* pid) {
  int n[6];

  if (sscanf(name, "incident-%4d%2d%2dT%2d%2d%2dZ-%d", &n[0], &n[1], &n[2],
             &n[3], &n[4], &n[5], pid) != 7 || *pid <= 0)
    return false;
  return snprintf(utc, 24, "%04d-%02d-%02dT%02d:%02d:%02dZ", n[0], n[1], n[2],
                  n[3], n[4], n[5]) == 20;
}

/* Of this user, or -errno. */
static int open_incident(int dir, const char* name) {
  const int fd = vigil__os.openat(dir, name, OPEN_DIR | O_NOFOLLOW, 0);
  struct stat st;

  if (fd < 0)
    return fd;
  if (vigil__os.fstat(fd, &st) == 0 && st.st_uid == vigil__os.geteuid())
    return fd;
  vigil__os.close(fd);
  return -ENOENT;
}

/* Waits for nobody: no FIFO is opened. */
static int open_file(int dir, const char* name, uint64_t* bytes) {
  const int fd = vigil__os.openat(
      dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
  struct stat st;

  if (fd < 0)
    return fd;
  if (vigil__os.fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
    *bytes = (uint64_t) st.st_size;
    return fd;
  }
  vigil__os.close(fd);
  return -ENOENT;
}

int vigil__control_file(const char* path, const char* what, uint64_t* bytes) {
  const char* slash = strchr(what, '/');
  char name[VIGIL__ARTIFACT_NAME];
  char utc[24];
  int incident;
  int pid;
  int dir;
  int fd;

  if (slash == NULL || !is_name(what, (size_t) (slash - what)) ||
      !is_name(slash + 1, strlen(slash + 1)))
    return -ENOENT;
  memcpy(name, what, (size_t) (slash - what));
  name[slash - what] = '\0';
  if (!parse_incident(name, utc, &pid))
    return -ENOENT;
  dir = vigil__os.openat(AT_FDCWD, path, OPEN_DIR, 0);
  if (dir < 0)
    return dir;
  incident = open_incident(dir, name);
  vigil__os.close(dir);
  if (incident < 0)
    return incident;
  fd = open_file(incident, slash + 1, bytes);
  vigil__os.close(incident);
  return fd;
}

/* ---- the list */

struct names {
  char (*name)[VIGIL__ARTIFACT_NAME];
  size_t count;
  size_t size;
  int error;
};

static void add_name(void* arg, const char* name) {
  struct names* n = arg;
  char utc[24];
  size_t size;
  void* p;
  int pid;

  if (!is_name(name, strlen(name)) || !parse_incident(name, utc, &pid))
    return;
  if (n->count == n->size) {
    size = n->size == 0 ? 32 : 2 * n->size;
    p = vigil__os.realloc(n->name, size * sizeof(n->name[0]));
    if (p == NULL) {
      n->error = -ENOMEM;
      return;
    }
    n->name = p;
    n->size = size;
  }
  strcpy(n->name[n->count++], name);
}

/* Names begin with the time. */
static int newest_first(const void* a, const void* b) {
  return strcmp(b, a);
}

struct files {
  struct vigil__json* j;
  int dir;
  uint64_t bytes;
};

static void put_file(void* arg, const char* name) {
  struct files* f = arg;
  struct stat st;

  if (!is_name(name, strlen(name)) ||
      vigil__os.fstatat(f->dir, name, &st) != 0 || !S_ISREG(st.st_mode))
    return;
  vigil__json_object(f->j, NULL);
  vigil__json_string(f->j, "name", name);
  vigil__json_uint(f->j, "bytes", (uint64_t) st.st_size);
  vigil__json_end(f->j);
  f->bytes += (uint64_t) st.st_size;
}

/* Its text, or NULL; free it. */
static char* read_manifest(int dir, size_t* len) {
  uint64_t bytes;
  const int fd = open_file(dir, "incident.json", &bytes);
  char* text = NULL;
  ssize_t r = 1;

  *len = 0;
  if (fd < 0)
    return NULL;
  if (bytes <= MANIFEST)
    text = vigil__os.realloc(NULL, (size_t) bytes + 1);
  while (text != NULL && r > 0 && *len < bytes) {
    r = read(fd, text + *len, (size_t) bytes - *len);
    if (r > 0)
      *len += (size_t) r;
  }
  vigil__os.close(fd);
  return text;
}

/* What the manifest says, without reading more into it. */
static void put_manifest(struct vigil__json* j, int dir) {
  static const struct {
    const char* key;
    const char* path;
  } members[] = {
    { "headline", "headline" }, { "threadId", "thread.id" },
    { "thread", "thread.name" }, { "rule", "rule.name" },
    { "onDemand", "rule.onDemand" }, { "cause", "cause.class" },
    { "why", "cause.text" }, { "p99Ms", "lag.p99Ms" },
    { "host", "process.host" }
  };
  const size_t n = sizeof(members) / sizeof(members[0]);
  struct vigil__pick pick[sizeof(members) / sizeof(members[0])];
  char* text;
  size_t len;
  size_t i;

  for (i = 0; i < n; i++)
    pick[i] = (struct vigil__pick) { .path = members[i].path };
  text = read_manifest(dir, &len);
  if (text != NULL)
    vigil__pick(text, len, pick, n);
  for (i = 0; i < n; i++) {
    if (pick[i].len != 0)
      vigil__json_raw(j, members[i].key, pick[i].at, pick[i].len);
    else
      vigil__json_null(j, members[i].key);
  }
  free(text);
}

static void put_incident(struct vigil__json* j, const char* path, int dir,
                         const char* name) {
  struct files files = { .j = j };
  char directory[VIGIL__DIR_MAX + VIGIL__ARTIFACT_NAME];
  char utc[24];
  int pid;

  files.dir = open_incident(dir, name);
  if (files.dir < 0)
    return;
  parse_incident(name, utc, &pid);
  snprintf(directory, sizeof(directory), "%s/%s", path, name);
  vigil__json_object(j, NULL);
  vigil__json_string(j, "name", name);
  vigil__json_string(j, "directory", directory);
  vigil__json_string(j, "triggered", utc);
  vigil__json_int(j, "pid", pid);
  put_manifest(j, files.dir);
  vigil__json_array(j, "files");
  vigil__os.list(files.dir, put_file, &files);
  vigil__json_end(j);
  vigil__json_uint(j, "bytes", files.bytes);
  vigil__json_end(j);
  vigil__os.close(files.dir);
}

int vigil__control_list(struct vigil__json* j, const char* path) {
  struct names n = { .error = 0 };
  size_t i;
  int dir = vigil__os.openat(AT_FDCWD, path, OPEN_DIR, 0);
  int err = dir;

  if (dir >= 0)
    err = vigil__os.list(dir, add_name, &n);
  if (err >= 0)
    err = n.error;
  if (n.count != 0)
    qsort(n.name, n.count, sizeof(n.name[0]), newest_first);
  vigil__json_object(j, NULL);
  vigil__json_string(j, "directory", path);
  vigil__json_array(j, "incidents");
  for (i = 0; i < n.count && i < VIGIL__CONTROL_INCIDENTS; i++)
    put_incident(j, path, dir, n.name[i]);
  vigil__json_end(j);
  vigil__json_uint(j, "more", n.count - i);
  vigil__json_end(j);
  free(n.name);
  if (dir >= 0)
    vigil__os.close(dir);
  return err == -ENOENT ? 0 : err;
}
