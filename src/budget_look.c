/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "budget_look.h"

#include "budget_dir.h"
#include "budget_file.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>     /* snprintf */
#include <string.h>

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

static uint64_t less(uint64_t a, uint64_t b) {
  return a > b ? a - b : 0;
}

void vigil__budget_view_of(const struct vigil__budget_state* state,
                           const struct vigil__config* config,
                           struct vigil__budget_view* view) {
  const struct vigil__budget_event* e = state->event;
  uint64_t count = 0;
  uint64_t left;
  uint64_t age;

  view->cooldown_ns = view->hour_ns = 0;
  for (; e < state->event + state->events; e++) {
    if (e->ratio == 0)
      continue;
    age = vigil__budget_age(state, e);
    left = less(config->cooldown_ns, age);
    if ((e->finished || e->alive) && left > view->cooldown_ns)
      view->cooldown_ns = left;
    left = less(VIGIL__BUDGET_HOUR_NS, age);
    if (left == 0)
      continue;
    count++;
    if (view->hour_ns == 0 || left < view->hour_ns)
      view->hour_ns = left;
  }
  view->hour_left = less(config->per_hour, count);
  view->bytes = state->bytes;
  view->room = vigil__budget_room(state, config);
  view->suppressed = state->suppressed;
}

/* Events and suppressed count. Read without the lock: the file is replaced
 * whole. One that is missing, or another user's, is as good as none. */
static void load(int dir, struct vigil__budget_state* state) {
  char boot[VIGIL__BUDGET_BOOT];
  char name[32];
  struct stat st;
  int folder;

  snprintf(name, sizeof(name), ".budget-%u", (unsigned) vigil__os.geteuid());
  folder = vigil__os.openat(dir, name, OPEN_DIR | O_NOFOLLOW, 0);
  if (folder < 0)
    return;
  vigil__budget_boot(boot);
  if (vigil__os.fstat(folder, &st) != 0 ||
      st.st_uid != vigil__os.geteuid() ||
      vigil__budget_load(state, folder, boot) != 0)
    state->events = 0, state->suppressed = 0;
  vigil__os.close(folder);
}

/* The space of the first folder above that exists. */
static int space_above(const char* path, struct vigil__budget_state* state) {
  char above[VIGIL__DIR_MAX];
  char* slash;
  int dir;
  int r;

  snprintf(above, sizeof(above), "%s", path);
  do {
    slash = strrchr(above, '/');
    if (slash == NULL)
      strcpy(above, ".");
    else
      slash[slash == above] = '\0';
    dir = vigil__os.openat(AT_FDCWD, above, OPEN_DIR, 0);
  } while (dir == -ENOENT && slash > above);
  if (dir < 0)
    return dir;
  r = vigil__budget_os.space(dir, &state->free_bytes, &state->total_bytes);
  vigil__os.close(dir);
  return r;
}

void vigil__budget_look(const struct vigil__config* config,
                        struct vigil__budget_view* view) {
  struct vigil__artifact_dir dir = { .fd = -1 };
  struct vigil__budget_survey survey = { .count = 0 };
  struct vigil__budget_state state;
  int r;

  memset(view, 0, sizeof(*view));
  memset(&state, 0, sizeof(state));
  state.wall_ns = vigil__os.wall();
  state.mono = vigil__os.mono();
  dir.fd = vigil__os.openat(AT_FDCWD, config->dir, OPEN_DIR, 0);
  if (dir.fd == -ENOENT) {
    r = space_above(config->dir, &state);
  } else if (dir.fd < 0) {
    r = dir.fd;
  } else {
    load(dir.fd, &state);
    r = vigil__budget_survey(&survey, &dir);
    if (r == 0) {
      vigil__budget_survey_apply(&survey, &state);
      r = vigil__budget_os.space(dir.fd, &state.free_bytes,
                                 &state.total_bytes);
    }
    vigil__os.close(dir.fd);
  }
  view->error = r < 0 ? r : 0;
  view->incidents = survey.count;
  vigil__budget_view_of(&state, config, view);
  vigil__budget_survey_free(&survey);
}
