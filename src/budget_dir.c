/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "budget_dir.h"

#include "clock.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>     /* sscanf, snprintf */
#include <stdlib.h>    /* qsort, free */
#include <string.h>
#include <sys/file.h>  /* LOCK_EX */
#include <time.h>

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Time and pid in a name that vigil__artifact_name() made; false for any other.
 * Makes the name again to compare: what looks similar does not count. */
static bool parse_name(const char* name, struct vigil__budget_incident* i) {
  struct tm tm = { .tm_isdst = 0 };
  unsigned n = 0;
  time_t wall;
  int pid;

  if (sscanf(name, "incident-%4d%2d%2dT%2d%2d%2dZ-%d-%u", &tm.tm_year,
             &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec,
             &pid, &n) < 7)
    return false;
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  wall = timegm(&tm);
  if (wall <= 0)
    return false;
  i->wall_ns = (uint64_t) wall * VIGIL__SEC;
  i->pid = (uint32_t) pid;
  vigil__artifact_name(i->name, i->wall_ns, pid, n);
  return strcmp(name, i->name) == 0;
}

struct sum {
  int dir;
  uint64_t bytes;
};

static void add_file(void* arg, const char* name) {
  struct sum* sum = arg;
  struct stat st;

  if (vigil__os.fstatat(sum->dir, name, &st) == 0 && S_ISREG(st.st_mode))
    sum->bytes += (uint64_t) st.st_size;
}

/* What cannot be read counts as nothing. */
static uint64_t bytes_in(int dir, const char* name) {
  struct sum sum = { .bytes = 0 };

  sum.dir = vigil__os.openat(dir, name, OPEN_DIR, 0);
  if (sum.dir < 0)
    return 0;
  vigil__os.list(sum.dir, add_file, &sum);
  vigil__os.close(sum.dir);
  return sum.bytes;
}

static void add_incident(void* arg, const char* name) {
  static const size_t prefix = sizeof(VIGIL__ARTIFACT_TMP) - 1;
  struct vigil__budget_survey* s = arg;
  struct vigil__budget_incident i;
  struct stat st;
  size_t size;
  void* p;

  i.finished = strncmp(name, VIGIL__ARTIFACT_TMP, prefix) != 0;
  if (!parse_name(i.finished ? name : name + prefix, &i) ||
      vigil__os.fstatat(s->dir, name, &st) != 0 || !S_ISDIR(st.st_mode) ||
      st.st_uid != vigil__os.geteuid())
    return;
  if (s->count == s->size) {
    size = s->size == 0 ? 32 : 2 * s->size;
    p = vigil__os.realloc(s->incident, size * sizeof(i));
    if (p == NULL) {
      s->error = -ENOMEM;
      return;
    }
    s->incident = p;
    s->size = size;
  }
  i.bytes = bytes_in(s->dir, name);
  s->incident[s->count++] = i;
}

static int by_age(const void* a, const void* b) {
  const struct vigil__budget_incident* x = a;
  const struct vigil__budget_incident* y = b;

  if (x->wall_ns != y->wall_ns)
    return x->wall_ns < y->wall_ns ? -1 : 1;
  return strcmp(x->name, y->name);
}

int vigil__budget_survey(struct vigil__budget_survey* s,
                         const struct vigil__artifact_dir* dir) {
  int r;

  memset(s, 0, sizeof(*s));
  s->dir = dir->fd;
  r = vigil__os.list(s->dir, add_incident, s);
  if (s->count != 0)
    qsort(s->incident, s->count, sizeof(s->incident[0]), by_age);
  return r < 0 ? r : s->error;
}

void vigil__budget_survey_free(struct vigil__budget_survey* s) {
  free(s->incident);
  memset(s, 0, sizeof(*s));
}

static struct vigil__budget_event* find(
    struct vigil__budget_state* state,
    const struct vigil__budget_incident* i) {
  struct vigil__budget_event* e = state->event;

  for (; e < state->event + state->events; e++)
    if (e->pid == i->pid && e->wall_ns / VIGIL__SEC == i->wall_ns / VIGIL__SEC)
      return e;
  return NULL;
}

void vigil__budget_survey_apply(const struct vigil__budget_survey* s,
                                struct vigil__budget_state* state) {
  const struct vigil__budget_incident* i;
  struct vigil__budget_event* e;
  size_t n;

  state->bytes = state->removable = 0;
  for (n = 0; n < s->count; n++) {
    i = &s->incident[n];
    state->bytes += i->bytes;
    if (!i->finished)
      continue;
    state->removable += i->bytes;
    e = find(state, i);
    if (e != NULL)
      e->finished = true;
    else
      vigil__budget_add(state, &(struct vigil__budget_event) {
        .wall_ns = i->wall_ns, .ratio = 1000, .pid = i->pid,
        .finished = true });
  }
}

static bool remove_one(const struct vigil__budget_survey* s,
                       const struct vigil__budget_incident* i) {
  char tmp[VIGIL__ARTIFACT_NAME + sizeof(VIGIL__ARTIFACT_TMP)];
  int fd = vigil__os.openat(s->dir, i->name, OPEN_DIR, 0);

  if (fd < 0)
    return false;
  snprintf(tmp, sizeof(tmp), VIGIL__ARTIFACT_TMP "%s", i->name);
  if (vigil__os.flock(fd, LOCK_EX | LOCK_NB) == -EWOULDBLOCK ||
      vigil__os.renameat(s->dir, i->name, tmp) != 0) {
    vigil__os.close(fd);
    return false;
  }
  vigil__artifact_remove(s->dir, tmp, fd);
  return true;
}

bool vigil__budget_survey_remove(struct vigil__budget_survey* s,
                                 uint64_t bytes,
                                 size_t spare) {
  const struct vigil__budget_incident* i;
  size_t finished = 0;
  bool removed = false;
  size_t n;

  for (n = 0; n < s->count; n++)
    finished += s->incident[n].finished;
  for (n = 0; n < s->count && finished > spare; n++) {
    i = &s->incident[n];
    if (bytes == 0 && finished <= VIGIL__BUDGET_KEPT)
      break;
    if (!i->finished || !remove_one(s, i))
      continue;
    removed = true;
    finished--;
    bytes -= i->bytes < bytes ? i->bytes : bytes;
  }
  return removed;
}
