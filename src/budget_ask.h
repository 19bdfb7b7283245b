/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_BUDGET_ASK_H_
#define VIGIL_BUDGET_ASK_H_

#include "artifact.h"
#include "budget.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The budget of all processes of this user that share VIGIL_DIR, in its folder
 * `.budget-<uid>`, mode 0700, under a lock that the kernel gives back when its
 * holder dies:
 *
 *   lock     held while a process decides, for milliseconds
 *   state    the incidents begun lately and the suppressed count; replaced
 *            whole. Damaged, it counts as one incident now, is written anew,
 *            and that is said once.
 *   slot-N   locked by each process that captures
 *
 * What the folder does not know the incidents themselves tell. Where locks do
 * not work, two processes that ask at the same instant may both be allowed.
 * Watch thread only; a few system calls, and one for each file of an incident.
 */
struct vigil__budget_request {
  uint64_t ratio;               /* Figure in 1/1000 of its limit; 0: a person
                                 * asks, so only disk and host limit it. */
  uint64_t expect_bytes;        /* It may take this much: old ones make room. */
  bool again;                   /* Refused before, and counted then. */
  bool look;                    /* Would it be allowed? Takes nothing. */
  bool fleet_refused;           /* It is not, whatever is left here. */
};

/* An incident that may be captured. */
struct vigil__budget_grant {
  int slot;                     /* Locked file; -1: none. A fork child may keep
                                 * it while it works on the incident. */
  uint64_t wall_ns;             /* Give it to vigil__artifact_begin(). */
  uint64_t bytes;               /* The incident may take so many. */
  uint64_t suppressed;          /* Say so; it counts down once it is said. */
};

/* An answer of budget.h; or -errno: nothing is allowed, since nobody would know
 * of it later. After VIGIL__BUDGET_ALLOW end the grant; after one to `look` there
 * is none. An incident that is refused is counted, unless it was before. */
int vigil__budget_ask(const struct vigil__artifact_dir* dir,
                      const struct vigil__config* config,
                      const struct vigil__budget_request* request,
                      struct vigil__budget_grant* grant);

/* The capture has ended. `finished`: the incident is on disk, and its message
 * was written. Gives the slot back in any case, and removes old incidents that
 * are beyond the budget. 0 or -errno. Harmless on one that was not granted. */
int vigil__budget_end(const struct vigil__artifact_dir* dir,
                      const struct vigil__config* config,
                      struct vigil__budget_grant* grant,
                      bool finished);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_BUDGET_ASK_H_ */
