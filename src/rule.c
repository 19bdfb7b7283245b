/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "rule.h"

#include <stddef.h>  /* NULL */

/* The disk only knows the wall clock, which may have been set since: an
 * incident a little in the future is as recent as one a little in the past,
 * and one in the far future says nothing. */
static bool cooling_down(const struct vigil__rule_config* config,
                         const struct vigil__rule_state* state,
                         const struct vigil__rule_input* in) {
  uint64_t distance;

  if (state->fired != 0 && in->now - state->fired < config->cooldown_ns)
    return true;
  if (in->last_wall_ns == 0)
    return false;
  distance = in->wall_ns > in->last_wall_ns ? in->wall_ns - in->last_wall_ns
                                            : in->last_wall_ns - in->wall_ns;
  return distance < config->cooldown_ns;
}

enum vigil__rule_decision vigil__rule_eval(
    const struct vigil__rule_config* config,
    struct vigil__rule_state* state,
    const struct vigil__rule_input* in,
    const char** reason) {
  const vigil__mono_t last = state->last_eval;
  const char* ignored;

  if (reason == NULL)
    reason = &ignored;
  state->last_eval = in->now;

  /* Also when the clock seems to go back: the difference is huge then. */
  if (last != 0 && in->now - last > VIGIL__RULE_MAX_GAP_NS)
    state->since = 0;

  if (in->now - state->start < config->grace_ns) {
    *reason = "grace period after the start";
    return VIGIL__RULE_IDLE;
  }
  if (in->capturing) {
    state->since = 0;
    *reason = "a capture is running";
    return VIGIL__RULE_COOLDOWN;
  }
  if (!in->filled) {
    state->since = 0;
    *reason = "the window is not full yet";
    return VIGIL__RULE_IDLE;
  }
  if (in->p99_ns <= config->limit_ns) {
    state->since = 0;
    *reason = "not over the limit";
    return VIGIL__RULE_IDLE;
  }
  if (state->since == 0)
    state->since = in->now;

  if (cooling_down(config, state, in)) {
    *reason = "over the limit, but soon after an incident";
    return VIGIL__RULE_COOLDOWN;
  }
  if (in->now - state->since < config->for_ns) {
    *reason = "over the limit, but not for long enough";
    return VIGIL__RULE_PENDING;
  }
  state->since = 0;
  state->fired = in->now;
  *reason = "over the limit for too long";
  return VIGIL__RULE_FIRE;
}
