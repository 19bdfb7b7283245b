/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_BUDGET_DIR_H_
#define VIGIL_BUDGET_DIR_H_

#include "artifact.h"
#include "budget.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The incidents in VIGIL_DIR, as far as they are this user's: another's may be
 * there to silence us. Watch thread, under the lock of budget_ask.c. */
struct vigil__budget_incident {
  char name[VIGIL__ARTIFACT_NAME];  /* Without the prefix of unfinished ones. */
  uint64_t wall_ns;                 /* From the name: whole seconds. */
  uint32_t pid;
  bool finished;
  uint64_t bytes;
};

struct vigil__budget_survey {
  struct vigil__budget_incident* incident;  /* Oldest first. */
  size_t count;
  size_t size;
  int dir;
  int error;
};

/* 0 or -errno. Free it in any case. */
int vigil__budget_survey(struct vigil__budget_survey* s,
                         const struct vigil__artifact_dir* dir);
void vigil__budget_survey_free(struct vigil__budget_survey* s);

/* What the state takes from it: bytes, and the events it does not know, as when
 * its file was lost. */
void vigil__budget_survey_apply(const struct vigil__budget_survey* s,
                                struct vigil__budget_state* state);

/* Removes the oldest finished incidents until `bytes` are gone and no more than
 * VIGIL__BUDGET_KEPT are left; spares the newest `spare`. What a process has
 * locked stays. An incident that is being removed has a temporary name, so a
 * directory with the final name is complete even now. Survey again after it.
 * True when something was removed. */
bool vigil__budget_survey_remove(struct vigil__budget_survey* s,
                                 uint64_t bytes,
                                 size_t spare);

#endif  /* VIGIL_BUDGET_DIR_H_ */
