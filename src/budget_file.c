/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "budget_file.h"

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>     /* PRIu64 */
#include <stdio.h>        /* snprintf */
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>       /* read */

#define NAME "state"
#define NEW "state.new"
#define FIRST "vigil budget 1\n"

static ssize_t os_read(int fd, void* data, size_t len) {
  const ssize_t r = read(fd, data, len);

  return r < 0 ? -errno : r;
}

static int os_space(int fd, uint64_t* free_bytes, uint64_t* total_bytes) {
  struct statvfs st;

  if (fstatvfs(fd, &st) != 0)
    return -errno;
  *free_bytes = (uint64_t) st.f_bavail * st.f_frsize;
  *total_bytes = (uint64_t) st.f_blocks * st.f_frsize;
  return 0;
}

struct vigil__budget_os vigil__budget_os = {
  .read = os_read,
  .space = os_space,
};

/* As much of a file as fits. The length, or -errno. */
static ssize_t slurp(int fd, char* to, size_t size) {
  size_t len = 0;
  ssize_t r;

  while (len < size) {
    r = vigil__budget_os.read(fd, to + len, size - len);
    if (r == -EINTR)
      continue;
    if (r < 0)
      return r;
    if (r == 0)
      break;
    len += (size_t) r;
  }
  return (ssize_t) len;
}

void vigil__budget_boot(char boot[VIGIL__BUDGET_BOOT]) {
  ssize_t len = -1;
  int fd;

  memset(boot, 0, VIGIL__BUDGET_BOOT);
  fd = vigil__os.openat(AT_FDCWD, "/proc/sys/kernel/random/boot_id",
                        O_RDONLY | O_CLOEXEC, 0);
  if (fd >= 0) {
    len = slurp(fd, boot, VIGIL__BUDGET_BOOT - 1);
    vigil__os.close(fd);
  }
  boot[strspn(boot, "0123456789abcdef-")] = '\0';
  if (len < 0 || strlen(boot) < 32)
    strcpy(boot, "-");
}

/* ---- the text. A reader takes exactly what the writer makes. */

static bool take(const char** s, const char* word) {
  const size_t len = strlen(word);

  if (strncmp(*s, word, len) != 0)
    return false;
  *s += len;
  return true;
}

/* Decimal digits, then `after`. */
static bool take_number(const char** s, uint64_t* value, uint64_t max,
                        char after) {
  const char* from = *s;

  *value = 0;
  for (; **s >= '0' && **s <= '9'; (*s)++) {
    if (*value > (max - (uint64_t) (**s - '0')) / 10)
      return false;
    *value = *value * 10 + (uint64_t) (**s - '0');
  }
  if (*s == from || **s != after)
    return false;
  (*s)++;
  return true;
}

static bool take_event(const char** s, struct vigil__budget_event* e) {
  uint64_t pid;
  uint64_t slot;

  memset(e, 0, sizeof(*e));
  if (!take_number(s, &e->wall_ns, UINT64_MAX, ' ') ||
      !take_number(s, &e->mono, UINT64_MAX, ' ') ||
      !take_number(s, &e->ratio, UINT64_MAX, ' ') ||
      !take_number(s, &pid, UINT32_MAX, ' ') ||
      !take_number(s, &slot, UINT32_MAX, ' '))
    return false;
  e->pid = (uint32_t) pid;
  e->slot = (uint32_t) slot;
  e->finished = take(s, "finished\n");
  return e->finished || take(s, "begun\n");
}

static bool take_all(struct vigil__budget_state* state, const char* s,
                     const char* end, const char* boot) {
  const char* id;
  bool same;
  uint64_t n;

  if (!take(&s, FIRST) || !take(&s, "boot "))
    return false;
  id = s;
  s += strspn(s, "0123456789abcdef-");
  same = (size_t) (s - id) == strlen(boot) && strcmp(boot, "-") != 0 &&
         strncmp(id, boot, strlen(boot)) == 0;
  if (!take(&s, "\nsuppressed ") ||
      !take_number(&s, &state->suppressed, UINT64_MAX, '\n'))
    return false;
  while (take(&s, "event ")) {
    if (state->events == VIGIL__BUDGET_EVENTS ||
        !take_event(&s, &state->event[state->events]))
      return false;
    if (!same)
      state->event[state->events].mono = 0;
    state->events++;
  }
  return take(&s, "end ") && take_number(&s, &n, UINT32_MAX, '\n') &&
         n == state->events && s == end;
}

int vigil__budget_parse(struct vigil__budget_state* state,
                        const char* text,
                        size_t len,
                        const char* boot) {
  char copy[VIGIL__BUDGET_TEXT + 1];
  bool good = false;

  state->events = 0;
  state->suppressed = 0;
  if (len <= VIGIL__BUDGET_TEXT) {
    memcpy(copy, text, len);
    copy[len] = '\0';
    good = take_all(state, copy, copy + len, boot);
  }
  if (good)
    return 0;
  state->events = 0;
  state->suppressed = 0;
  return -EBADMSG;
}

size_t vigil__budget_print(const struct vigil__budget_state* state,
                           char text[VIGIL__BUDGET_TEXT],
                           const char* boot) {
  const struct vigil__budget_event* e = state->event;
  size_t len;

  len = (size_t) snprintf(text, VIGIL__BUDGET_TEXT,
                          FIRST "boot %s\nsuppressed %" PRIu64 "\n", boot,
                          state->suppressed);
  for (; e < state->event + state->events; e++)
    len += (size_t) snprintf(
        text + len, VIGIL__BUDGET_TEXT - len,
        "event %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu32 " %" PRIu32
        " %s\n", e->wall_ns, e->mono, e->ratio, e->pid, e->slot,
        e->finished ? "finished" : "begun");
  len += (size_t) snprintf(text + len, VIGIL__BUDGET_TEXT - len,
                           "end %" PRIu32 "\n", state->events);
  return len;
}

/* ---- the file */

int vigil__budget_load(struct vigil__budget_state* state,
                       int folder,
                       const char* boot) {
  char text[VIGIL__BUDGET_TEXT + 1];
  ssize_t len;
  int fd;

  state->events = 0;
  state->suppressed = 0;
  /* O_NONBLOCK: whatever somebody put there, we do not wait for it. */
  fd = vigil__os.openat(folder, NAME,
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
  if (fd == -ENOENT)
    return 0;
  if (fd == -ELOOP)
    return -EBADMSG;
  if (fd < 0)
    return fd;
  len = slurp(fd, text, sizeof(text));
  vigil__os.close(fd);
  if (len == -EISDIR)
    return -EBADMSG;
  if (len < 0)
    return (int) len;
  return vigil__budget_parse(state, text, (size_t) len, boot);
}

static int sync_fd(int fd) {
  int r;

  do
    r = vigil__os.fsync(fd);
  while (r == -EINTR);
  return r;
}

static int write_all(int fd, const char* data, size_t len) {
  ssize_t r;

  while (len != 0) {
    r = vigil__os.write(fd, data, len);
    if (r == -EINTR)
      continue;
    if (r <= 0)
      return r == 0 ? -EIO : (int) r;
    data += r;
    len -= (size_t) r;
  }
  return sync_fd(fd);
}

int vigil__budget_save(const struct vigil__budget_state* state,
                       int folder,
                       const char* boot) {
  char text[VIGIL__BUDGET_TEXT];
  const size_t len = vigil__budget_print(state, text, boot);
  int closed;
  int fd;
  int r;

  fd = vigil__os.openat(
      folder, NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
      0600);
  if (fd < 0)
    return fd;
  r = write_all(fd, text, len);
  closed = vigil__os.close(fd);
  if (r == 0 && closed != -EINTR)
    r = closed;
  if (r == 0)
    r = vigil__os.renameat(folder, NEW, NAME);
  if (r == 0)
    r = sync_fd(folder);
  return r;
}
