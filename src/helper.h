/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_HELPER_H_
#define VIGIL_HELPER_H_

#include "clock.h"
#include "config.h"

#include <stdbool.h>
#include <stdint.h>

/* The helper: a process of its own, our binary with a script of ours, that makes
 * report.html of finished incidents, ships them, and asks the fleet's budget. One
 * at a time works on incidents, and one in VIGIL_DIR of all processes of this
 * user; beside it there may be one that asks. It survives the end of this process.
 */

/* What became of it, for those who ask. */
struct vigil__helper_counts {
  uint64_t started;
  uint64_t failed;              /* Not started, or did not finish... */
  uint64_t late;                /* ...or was ended at its deadline. */
  uint64_t errors;              /* What it could not do, each said. */
  uint64_t reports;             /* report.html made... */
  uint64_t shipped;             /* ...incidents shipped... */
  uint64_t ship_failed;         /* ...tries of that which failed... */
  uint64_t left;                /* ...and incidents yet to be shipped. */
};

/* Once, before any other thread exists. `config` must live on, and the texts that
 * `env` points to. */
void vigil__helper_init(const struct vigil__config* config, char** env);

/* Watch thread, the next six. The process is watched from now on: what others
 * have left behind is shipped, and the store looked at. Again is fine. */
void vigil__helper_armed(void);

/* An incident is finished. */
void vigil__helper_incident(void);

/* Goes on, without waiting. Time until it wants to be called again, in ns; 0:
 * there is nothing to do. */
uint64_t vigil__helper_step(vigil__mono_t now);

/* What has been counted so far. */
const struct vigil__helper_counts* vigil__helper_counts(void);

/* Whether a fleet's budget is to be asked, and asking it: the answer comes within
 * 2 s. LOCAL: it is not known, and the local budget decides alone. */
enum vigil__claim {
  VIGIL__CLAIM_NONE, VIGIL__CLAIM_WAIT, VIGIL__CLAIM_YES, VIGIL__CLAIM_NO,
  VIGIL__CLAIM_LOCAL
};
bool vigil__helper_has_fleet(void);
void vigil__helper_claim(void);
/* Once it is not WAIT any more it is NONE. */
enum vigil__claim vigil__helper_claimed(void);

/* The main thread, at the end of the process and after vigil__hold_leave(): waits
 * up to VIGIL_SHIP_GRACE for incidents that are being shipped. */
void vigil__helper_leave(void);

#endif  /* VIGIL_HELPER_H_ */
