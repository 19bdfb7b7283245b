/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_HELPER_RUN_H_
#define VIGIL_HELPER_RUN_H_

#include "artifact.h"
#include "clock.h"
#include "helper_line.h"
#include "helper_start.h"

#include <stdbool.h>
#include <stdint.h>

/* One run of the helper, from its start to its end: passes on what it says.
 * Watch thread only. */

enum vigil__helper_end {
  VIGIL__HELPER_ENDED,          /* It did what it could; `code`. */
  VIGIL__HELPER_FAILED,         /* It says so, or ended without a word. */
  VIGIL__HELPER_KILLED,         /* By a signal that was not ours. */
  VIGIL__HELPER_LATE            /* At its deadline. */
};

struct vigil__helper_run {
  const char* task;
  struct vigil__helper_process process;
  struct vigil__helper_lines lines;
  vigil__mono_t deadline;
  bool late;                    /* It was killed for that, done or not. */
  bool done;                    /* It said the last word... */
  uint64_t code;                /* ...and that. */
  unsigned said;                /* Lines that were passed on... */
  unsigned unsaid;              /* ...and those that were too many. */
  unsigned failures;
  uint64_t total[VIGIL__HELPER_TOTALS];
  char why[160];                /* What Node said itself: the best of it. */
};

struct vigil__helper_task {
  const char* name;             /* Of js/helper/main.js. */
  const struct vigil__artifact_dir* dir;
  int lock;                     /* Held until it ends; -1: none. */
  char* const* env;
  uint64_t time_ns;             /* It may take so long... */
  uint64_t memory;              /* ...and about so many bytes. */
};

/* 0 or -errno. Then poll it until it has ended. */
int vigil__helper_run_start(struct vigil__helper_run* run,
                            const struct vigil__helper_task* task);

/* True: it has ended, as `end` says, and nothing is left of it. */
bool vigil__helper_run_poll(struct vigil__helper_run* run,
                            vigil__mono_t now,
                            enum vigil__helper_end* end);

#endif  /* VIGIL_HELPER_RUN_H_ */
