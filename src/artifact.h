/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_ARTIFACT_H_
#define VIGIL_ARTIFACT_H_

#include "config.h"
#include "json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An incident on disk: `incident-<utc>-<pid>[-n]/` in VIGIL_DIR. It is built
 * as `.tmp-incident-...`, synced, and renamed when it is complete, so a
 * directory with the final name always is.
 *
 * Watch thread, except that one file's write() may be called from another
 * thread as long as only one thread has the file at a time. */
#define VIGIL__ARTIFACT_FILES 16
#define VIGIL__ARTIFACT_NAME 64

/* Incremental SHA-256 from a library. begin() gives NULL on failure; end()
 * always frees, `digest` NULL means it is not wanted. 0 or -errno. */
struct vigil__sha256 {
  void* (*begin)(void);
  int (*update)(void* ctx, const void* data, size_t len);
  int (*end)(void* ctx, uint8_t digest[32]);
};

struct vigil__artifact_dir {
  int fd;               /* -1: not open. */
  const struct vigil__sha256* sha256;
  char path[VIGIL__DIR_MAX];
  char error[256];      /* Of a failed open: why, for people. */
};

struct vigil__artifact_file {
  struct vigil__artifact* artifact;  /* NULL: see memory_open(). */
  char name[VIGIL__ARTIFACT_NAME];
  int fd;               /* -1: closed. */
  int error;            /* First failure; sticks. */
  bool complete;        /* Written, synced, hashed. */
  uint64_t limit;
  uint64_t bytes;
  void* hash;
  char sha256[65];      /* Hexadecimal, once complete. */
};

struct vigil__artifact {
  struct vigil__artifact_dir* dir;
  int fd;               /* Of the temporary directory; -1: none. */
  unsigned files;
  char tmp[VIGIL__ARTIFACT_NAME];
  char name[VIGIL__ARTIFACT_NAME];  /* Final one. */
  struct vigil__artifact_file file[VIGIL__ARTIFACT_FILES];
};

/* Opens VIGIL_DIR; creates it (not its parents) with mode 0700. Refuses what
 * others could tamper with: a symbolic link, another user's directory (root's
 * is fine), one that everybody can write to without the sticky bit. Removes
 * temporary directories that a dead process left: those that nobody holds a
 * lock on. A pid in the name would not tell, because containers that share a
 * volume all have a pid 1. 0, or -errno with `d->error` set and nothing open.
 */
int vigil__artifact_dir_open(struct vigil__artifact_dir* d,
                             const char* path,
                             const struct vigil__sha256* sha256);
void vigil__artifact_dir_close(struct vigil__artifact_dir* d);

/* Starts an incident at Unix time `wall_ns`. 0 or -errno. `d` must outlive
 * `a`. After 0, finish or abort it. */
int vigil__artifact_begin(struct vigil__artifact* a,
                          struct vigil__artifact_dir* d,
                          uint64_t wall_ns,
                          int pid);

/* Starts a file, mode 0600, of at most `limit` bytes. `name` is [A-Za-z0-9._-],
 * does not begin with a dot and is not incident.json. 0 or -errno. */
int vigil__artifact_file_open(struct vigil__artifact* a,
                              const char* name,
                              uint64_t limit,
                              struct vigil__artifact_file** file);

/* The same without a directory: in memory, of this process and its children,
 * neither hashed nor part of an incident. Close or drop it. 0 or -errno. */
int vigil__artifact_memory_open(struct vigil__artifact_file* f, uint64_t limit);

/* 0, or the first error of the file, -EFBIG over its limit. */
int vigil__artifact_file_write(struct vigil__artifact_file* f,
                               const void* data,
                               size_t len);

/* Syncs and closes. After an error (this or an earlier one) the file is
 * removed and not part of the incident, which may still be finished. */
int vigil__artifact_file_close(struct vigil__artifact_file* f);

/* As close, of a file that another process wrote, synced and hashed: it has
 * `bytes` with this hash. One in memory stays open. */
int vigil__artifact_file_adopt(struct vigil__artifact_file* f,
                               uint64_t bytes,
                               const char sha256[65]);

/* Drops a file that is open, as if writing it had failed with -ECANCELED. */
void vigil__artifact_file_drop(struct vigil__artifact_file* f);

/* Adds `"files": [{"name", "bytes", "sha256"}, ...]`, the complete ones. */
void vigil__artifact_describe(const struct vigil__artifact* a,
                              struct vigil__json* j);

/* Ends `manifest`, writes it as incident.json, syncs, renames. Files still
 * open are dropped. 0: the incident is complete and called `a->name`. -errno:
 * it is aborted. Either way `a` is done with; free the manifest yourself. */
int vigil__artifact_finish(struct vigil__artifact* a,
                           struct vigil__json* manifest);

/* Removes all of it. Harmless after finish or abort. */
void vigil__artifact_abort(struct vigil__artifact* a);

/* Between artifact.c and artifact_dir.c: removes the files in the directory
 * `fd`, closes it, and removes it from `parent`. */
void vigil__artifact_remove(int parent, const char* name, int fd);
/* "incident-<utc>-<pid>[-n]", no suffix for n = 0. */
void vigil__artifact_name(char name[VIGIL__ARTIFACT_NAME],
                          uint64_t wall_ns,
                          int pid,
                          unsigned n);

#define VIGIL__ARTIFACT_TMP ".tmp-"  /* Before the name of an unfinished one. */

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_ARTIFACT_H_ */
