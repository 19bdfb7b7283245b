/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_RULE_H_
#define VIGIL_RULE_H_

#include "clock.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The rule "lag p99 over the limit for too long", as a pure state machine: no
 * clock, no I/O. Any one thread. */
struct vigil__rule_config {
  uint64_t limit_ns;            /* p99 must be over this... */
  uint64_t for_ns;              /* ...for this long. 0: at once. */
  uint64_t grace_ns;            /* Not this soon after the start. */
  uint64_t cooldown_ns;         /* Not this soon after an incident. */
};

/* Zero it, then set `start`. */
struct vigil__rule_state {
  vigil__mono_t start;          /* When the grace period began. */
  vigil__mono_t last_eval;
  vigil__mono_t since;          /* Over the limit since then; 0: it is not. */
  vigil__mono_t fired;          /* When it last fired; 0: never. */
};

struct vigil__rule_input {
  vigil__mono_t now;
  uint64_t p99_ns;              /* Without our own work (masked). */
  bool filled;                  /* The window has its full length. */
  bool capturing;               /* An incident is being written. */
  uint64_t wall_ns;             /* Unix time in ns. */
  uint64_t last_wall_ns;        /* Of the newest incident on disk; 0: none. */
};

enum vigil__rule_decision {
  VIGIL__RULE_IDLE,             /* Not over the limit, or too early to say. */
  VIGIL__RULE_PENDING,          /* Over, but not for long enough. */
  VIGIL__RULE_FIRE,             /* Start a capture now. Said once. */
  VIGIL__RULE_COOLDOWN          /* A capture runs, or over soon after one. */
};

/* Evaluations further apart than this prove nothing about the time between:
 * the process was suspended or this thread starved. */
#define VIGIL__RULE_MAX_GAP_NS (3 * VIGIL__SEC)

/* `reason` gets a static sentence part for people. May be NULL. */
enum vigil__rule_decision vigil__rule_eval(
    const struct vigil__rule_config* config,
    struct vigil__rule_state* state,
    const struct vigil__rule_input* in,
    const char** reason);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_RULE_H_ */
