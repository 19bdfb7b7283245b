/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "artifact.h"

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>  /* memfd_create */
#include <sys/file.h>  /* LOCK_EX */

#define MANIFEST "incident.json"
#define NAMES 100  /* Incidents in one second under one pid. */

/* Creates, opens and locks the temporary directory. -EAGAIN when the name is
 * taken, or was removed as stale before we had the lock. */
static int make_dir(struct vigil__artifact* a) {
  const int dir = a->dir->fd;
  struct stat st;
  int r;

  r = vigil__os.fstatat(dir, a->name, &st);
  if (r != -ENOENT)
    return r == 0 ? -EAGAIN : r;
  r = vigil__os.mkdirat(dir, a->tmp, 0700);
  if (r < 0)
    return r == -EEXIST ? -EAGAIN : r;
  a->fd = vigil__os.openat(
      dir, a->tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  if (a->fd < 0) {
    r = a->fd;
    a->fd = -1;
    vigil__os.unlinkat(dir, a->tmp, AT_REMOVEDIR);
    return r == -ENOENT ? -EAGAIN : r;
  }
  /* Where locks do not work nobody can take it to be stale either. */
  if (vigil__os.flock(a->fd, LOCK_EX | LOCK_NB) == -EWOULDBLOCK)
    r = -EAGAIN;
  else
    r = vigil__os.fstat(a->fd, &st);
  if (r == 0 && st.st_nlink == 0)
    r = -EAGAIN;
  if (r < 0)
    vigil__artifact_abort(a);
  return r;
}

int vigil__artifact_begin(struct vigil__artifact* a,
                          struct vigil__artifact_dir* d,
                          uint64_t wall_ns,
                          int pid) {
  unsigned n;
  int r = -EAGAIN;

  memset(a, 0, sizeof(*a));
  a->dir = d;
  a->fd = -1;
  for (n = 0; n < NAMES && r == -EAGAIN; n++) {
    vigil__artifact_name(a->name, wall_ns, pid, n);
    strcpy(a->tmp, VIGIL__ARTIFACT_TMP);
    strcat(a->tmp, a->name);
    r = make_dir(a);
  }
  return r == -EAGAIN ? -EEXIST : r;
}

static int start_file(struct vigil__artifact* a,
                      struct vigil__artifact_file* f,
                      const char* name,
                      uint64_t limit) {
  memset(f, 0, sizeof(*f));
  strcpy(f->name, name);
  f->artifact = a;
  f->limit = limit;
  f->fd = vigil__os.openat(
      a->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (f->fd < 0) {
    f->error = f->fd;
    f->fd = -1;
    return f->error;
  }
  f->hash = a->dir->sha256->begin();
  if (f->hash != NULL)
    return 0;
  f->error = -ENOMEM;
  return vigil__artifact_file_close(f);
}

static bool name_is_valid(const char* name) {
  static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789._-";
  const size_t len = strlen(name);

  return len != 0 && len < VIGIL__ARTIFACT_NAME && *name != '.' &&
         strspn(name, allowed) == len && strcmp(name, MANIFEST) != 0;
}

int vigil__artifact_file_open(struct vigil__artifact* a,
                              const char* name,
                              uint64_t limit,
                              struct vigil__artifact_file** file) {
  if (!name_is_valid(name))
    return -EINVAL;
  if (a->files == VIGIL__ARTIFACT_FILES)
    return -ENOSPC;
  *file = &a->file[a->files++];
  return start_file(a, *file, name, limit);
}

int vigil__artifact_memory_open(struct vigil__artifact_file* f,
                                uint64_t limit) {
  memset(f, 0, sizeof(*f));
  f->limit = limit;
  f->fd = memfd_create("vigil", MFD_CLOEXEC);
  return f->fd < 0 ? -errno : 0;
}

int vigil__artifact_file_write(struct vigil__artifact_file* f,
                               const void* data,
                               size_t len) {
  const char* from = data;
  ssize_t r;

  if (f->fd < 0 && f->error == 0)
    return -EBADF;
  if (f->error == 0 && len > f->limit - f->bytes)
    f->error = -EFBIG;
  if (f->error == 0 && f->hash != NULL)
    f->error = f->artifact->dir->sha256->update(f->hash, data, len);
  while (f->error == 0 && len != 0) {
    r = vigil__os.write(f->fd, from, len);
    if (r == -EINTR)
      continue;
    if (r <= 0) {
      f->error = r == 0 ? -EIO : (int) r;
      break;
    }
    from += r;
    len -= (size_t) r;
    f->bytes += (uint64_t) r;
  }
  return f->error;
}

static int sync_fd(int fd) {
  int r;

  do
    r = vigil__os.fsync(fd);
  while (r == -EINTR);
  return r;
}

static int finish_hash(struct vigil__artifact_file* f) {
  static const char hex[] = "0123456789abcdef";
  uint8_t digest[32];
  size_t i;
  int r;

  if (f->hash == NULL)
    return f->error;
  r = f->artifact->dir->sha256->end(f->hash, f->error == 0 ? digest : NULL);
  f->hash = NULL;
  if (f->error != 0 || r != 0)
    return f->error != 0 ? f->error : r;
  for (i = 0; i < sizeof(digest); i++) {
    f->sha256[2 * i] = hex[digest[i] >> 4];
    f->sha256[2 * i + 1] = hex[digest[i] & 15];
  }
  return 0;
}

/* What it holds is synced, unless `f->error` says otherwise. */
static int end_file(struct vigil__artifact_file* f) {
  int r = vigil__os.close(f->fd);

  f->fd = -1;
  if (f->error == 0 && r != -EINTR)
    f->error = r;
  if (f->error != 0 && f->artifact != NULL)
    vigil__os.unlinkat(f->artifact->fd, f->name, 0);
  f->complete = f->error == 0;
  return f->error;
}

int vigil__artifact_file_close(struct vigil__artifact_file* f) {
  if (f->fd < 0)
    return f->error;
  f->error = finish_hash(f);
  if (f->error == 0)
    f->error = sync_fd(f->fd);
  return end_file(f);
}

int vigil__artifact_file_adopt(struct vigil__artifact_file* f,
                               uint64_t bytes,
                               const char sha256[65]) {
  struct stat st;
  int r;

  if (f->fd < 0)
    return f->error != 0 ? f->error : -EBADF;
  r = vigil__os.fstat(f->fd, &st);
  if (f->error == 0)
    f->error = r < 0 ? r : (uint64_t) st.st_size != bytes ? -EIO : 0;
  f->bytes = bytes;
  if (f->artifact == NULL) {
    f->complete = f->error == 0;
    return f->error;
  }
  f->artifact->dir->sha256->end(f->hash, NULL);
  f->hash = NULL;
  memcpy(f->sha256, sha256, sizeof(f->sha256) - 1);
  return end_file(f);
}

void vigil__artifact_file_drop(struct vigil__artifact_file* f) {
  if (f->fd >= 0 && f->error == 0)
    f->error = -ECANCELED;
  vigil__artifact_file_close(f);
}

void vigil__artifact_describe(const struct vigil__artifact* a,
                              struct vigil__json* j) {
  const struct vigil__artifact_file* f;

  vigil__json_array(j, "files");
  for (f = a->file; f < a->file + a->files; f++) {
    if (!f->complete)
      continue;
    vigil__json_object(j, NULL);
    vigil__json_string(j, "name", f->name);
    vigil__json_uint(j, "bytes", f->bytes);
    vigil__json_string(j, "sha256", f->sha256);
    vigil__json_end(j);
  }
  vigil__json_end(j);
}

static void drop_open_files(struct vigil__artifact* a) {
  unsigned i;

  for (i = 0; i < a->files; i++)
    vigil__artifact_file_drop(&a->file[i]);
}

static int write_manifest(struct vigil__artifact* a,
                          struct vigil__json* manifest) {
  struct vigil__artifact_file f;
  int r = vigil__json_finish(manifest);

  if (r == 0)
    r = start_file(a, &f, MANIFEST, manifest->len);
  if (r < 0)
    return r;
  vigil__artifact_file_write(&f, manifest->data, manifest->len);
  return vigil__artifact_file_close(&f);
}

int vigil__artifact_finish(struct vigil__artifact* a,
                           struct vigil__json* manifest) {
  int r;

  drop_open_files(a);
  r = write_manifest(a, manifest);
  if (r == 0)
    r = sync_fd(a->fd);
  if (r == 0)
    r = vigil__os.renameat(a->dir->fd, a->tmp, a->name);
  if (r < 0) {
    vigil__artifact_abort(a);
    return r;
  }
  /* The incident is complete, so nothing below fails it. After a crash of the
   * machine without this sync it may have its temporary name. */
  sync_fd(a->dir->fd);
  vigil__os.close(a->fd);
  a->fd = -1;
  return 0;
}

void vigil__artifact_abort(struct vigil__artifact* a) {
  if (a->fd < 0)
    return;
  drop_open_files(a);
  vigil__artifact_remove(a->dir->fd, a->tmp, a->fd);
  a->fd = -1;
}
