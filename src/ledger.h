/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LEDGER_H_
#define VIGIL_LEDGER_H_

#include "config.h"

#include <stdbool.h>
#include <stdint.h>

struct vigil__incident;

/* What became of the incidents of this process, for those who ask: counts, and
 * the last ones in words. Watch thread only. */
#define VIGIL__LEDGER_RECENT 8u

enum vigil__refusal {
  VIGIL__REFUSED_COOLDOWN,
  VIGIL__REFUSED_HOURLY,
  VIGIL__REFUSED_DISK,
  VIGIL__REFUSED_HOST,
  VIGIL__REFUSED_FLEET,
  VIGIL__REFUSED_ERROR,         /* VIGIL_DIR or the budget cannot be used. */
  VIGIL__REFUSALS
};

struct vigil__ledger_entry {
  uint64_t wall_ns;             /* Unix time of the trigger. */
  uint64_t thread_id;
  bool written;                 /* False: it could not be. */
  char rule[16];
  char cause[16];
  char headline[192];
  char why[256];
  char path[VIGIL__DIR_MAX + 64];  /* Its directory; "": none. */
};

struct vigil__ledger {
  uint64_t attempted;           /* = refused + written + failed + running. */
  uint64_t refused[VIGIL__REFUSALS];
  uint64_t written;
  uint64_t failed;
  struct vigil__ledger_entry recent[VIGIL__LEDGER_RECENT];
  uint64_t entries;             /* Ever; recent[(entries - 1) % N] is the
                                 * newest. */
};

/* The budget has answered (vigil__budget_ask(), or -errno when that could not
 * be asked). One that was refused before is counted once it is allowed. */
void vigil__ledger_asked(int answer, bool again);

/* Why it was not allowed; `answer` is not VIGIL__BUDGET_ALLOW. Pure. */
enum vigil__refusal vigil__ledger_refusal(int answer);

/* One that was allowed has ended; `err` not 0: it is not on disk. */
void vigil__ledger_ended(const struct vigil__incident* i, int err);

const struct vigil__ledger* vigil__ledger(void);

/* As metrics call it: "cooldown". */
const char* vigil__refusal_name(enum vigil__refusal refusal);

#endif  /* VIGIL_LEDGER_H_ */
