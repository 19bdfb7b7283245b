/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "procfs.h"

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>   /* snprintf */
#include <string.h>
#include <unistd.h>  /* pread */

int vigil__procfs_open(const char* root, const char* path) {
  char full[PATH_MAX];
  const int n = snprintf(full, sizeof(full), "%s%s", root, path);

  if (n < 0 || (size_t) n >= sizeof(full))
    return -ENAMETOOLONG;
  return vigil__os.openat(AT_FDCWD, full, O_RDONLY | O_CLOEXEC, 0);
}

ssize_t vigil__procfs_read(int fd, char* buf, size_t size) {
  ssize_t n;

  buf[0] = '\0';
  do
    n = pread(fd, buf, size - 1, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return -errno;
  buf[n] = '\0';
  return n;
}

bool vigil__procfs_u64(const char** at, uint64_t* value) {
  const char* s = *at;
  uint64_t v = 0;

  while (*s == ' ' || *s == '\t')
    s++;
  if (*s < '0' || *s > '9')
    return false;
  for (; *s >= '0' && *s <= '9'; s++) {
    const unsigned digit = (unsigned) (*s - '0');

    v = v > (UINT64_MAX - digit) / 10 ? UINT64_MAX : v * 10 + digit;
  }
  *at = s;
  *value = v;
  return true;
}

bool vigil__procfs_key(const char* text, const char* key, uint64_t* value) {
  const size_t len = strlen(key);

  while (text != NULL && *text != '\0') {
    if (strncmp(text, key, len) == 0 && strchr(" \t:", text[len]) != NULL &&
        text[len] != '\0') {
      text += len + 1;
      return vigil__procfs_u64(&text, value);
    }
    text = strchr(text, '\n');
    if (text != NULL)
      text++;
  }
  return false;
}

void vigil__missing_say(struct vigil__missing* m,
                        enum vigil__missing_kind kind,
                        const char* what,
                        int error) {
  if (m == NULL || m->say == NULL || (m->said & (unsigned) kind) != 0)
    return;
  m->said |= (unsigned) kind;
  m->say(m->arg, what, error);
}
