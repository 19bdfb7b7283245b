/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "rule.h"

static const struct {
  const char* name;
  const char* unknown;
  const char* calm;
  const char* pending;
  const char* fire;
} text[VIGIL__RULES] = {
  [VIGIL__RULE_LAG] = {
    "lag-p99", "the window is not full yet",
    "the lag p99 is not over the limit",
    "the lag p99 is over the limit, but not for long enough",
    "the lag p99 is over the limit for too long" },
  [VIGIL__RULE_STALL] = {
    "stall", "stalls are not known yet",
    "no stall is over the limit",
    "a stall is over the limit",
    "a stall is over the limit" },
  [VIGIL__RULE_GC] = {
    "gc-share", "the window is not full yet",
    "garbage collection is not over the limit",
    "garbage collection is over the limit, but not for long enough",
    "garbage collection is over the limit for too long" },
  [VIGIL__RULE_POOL] = {
    "pool-wait-p99", "the wait for the thread pool is not known yet",
    "the wait for the thread pool is not over the limit",
    "the wait for the thread pool is over the limit, but not for long enough",
    "the wait for the thread pool is over the limit for too long" },
  [VIGIL__RULE_OLD_SPACE] = {
    "old-space", "there was no full collection yet",
    "the heap after a full collection is not over the limit",
    "the heap after a full collection is over the limit, but not for long "
    "enough or not growing",
    "the heap after full collections is over the limit and grows" },
};

const char* vigil__rule_name(enum vigil__rule rule) {
  return text[rule].name;
}

void vigil__rule_configure(struct vigil__rule_config* rules,
                           const struct vigil__config* config) {
  const uint64_t limit[VIGIL__RULES] = {
    [VIGIL__RULE_LAG] = config->lag_p99_ns,
    [VIGIL__RULE_STALL] = config->stall_trigger_ns,
    [VIGIL__RULE_GC] = config->gc_share_ppm,
    [VIGIL__RULE_POOL] = config->pool_wait_p99_ns,
    [VIGIL__RULE_OLD_SPACE] = config->old_space_ppm
  };
  int i;

  rules->window_ns = config->window_ns;
  rules->grace_ns = config->grace_ns;
  for (i = 0; i < VIGIL__RULES; i++) {
    rules->rule[i].limit = limit[i];
    rules->rule[i].for_ns = i == VIGIL__RULE_STALL ? 0 : config->for_ns;
  }
}

/* Does not overflow. */
static uint64_t ratio_of(uint64_t value, uint64_t limit) {
  const uint64_t most = UINT64_MAX / 1000;

  return (value < most ? value : most) * 1000 / limit;
}

/* Whether the incident of a rule is over. */
static void calm_down(const struct vigil__rule_config* config,
                      struct vigil__rule_state* state,
                      const struct vigil__rule_input* in,
                      int i) {
  const struct vigil__rule_figure* f = &in->figure[i];

  if (!f->valid || f->value > (config->rule[i].limit - 1) / 2)
    state->rule[i].calm = 0;
  else if (state->rule[i].calm == 0)
    state->rule[i].calm = in->now;
  if (state->rule[i].calm != 0 &&
      in->now - state->rule[i].calm >= config->window_ns)
    state->rule[i].fired = state->rule[i].open = false;
}

static bool is_leak(const struct vigil__rule_state* state,
                    const struct vigil__rule_input* in) {
  const int i = VIGIL__RULE_OLD_SPACE;

  return in->full_gcs - state->rule[i].full_gcs >= VIGIL__RULE_LEAK_GCS &&
         in->figure[i].value >= state->rule[i].value + VIGIL__RULE_LEAK_PPM;
}

/* `held`: another rule has fired already. */
static enum vigil__rule_decision eval_one(
    const struct vigil__rule_config* config,
    struct vigil__rule_state* state,
    const struct vigil__rule_input* in,
    bool held,
    int i) {
  const struct vigil__rule_limit* limit = &config->rule[i];
  const struct vigil__rule_figure* f = &in->figure[i];

  calm_down(config, state, in, i);
  if (!f->valid || f->value <= limit->limit || in->capturing ||
      state->rule[i].open) {
    state->rule[i].since = 0;
    return in->capturing || state->rule[i].open ? VIGIL__RULE_OPEN
                                                : VIGIL__RULE_IDLE;
  }
  if (state->rule[i].since == 0) {
    state->rule[i].since = in->now;
    state->rule[i].value = f->value;
    state->rule[i].full_gcs = in->full_gcs;
  }
  if (held || in->now - state->rule[i].since < limit->for_ns ||
      (i == VIGIL__RULE_OLD_SPACE && !is_leak(state, in)))
    return VIGIL__RULE_PENDING;
  state->rule[i].since = 0;
  return VIGIL__RULE_FIRE;
}

static const char* reason_of(const struct vigil__rule_input* in,
                             enum vigil__rule_decision decision,
                             int i) {
  switch (decision) {
    case VIGIL__RULE_FIRE:
      return text[i].fire;
    case VIGIL__RULE_PENDING:
      return text[i].pending;
    case VIGIL__RULE_OPEN:
      return in->capturing ? "a capture is running"
                           : "the incident is not over yet";
    case VIGIL__RULE_IDLE:
      break;
  }
  return in->figure[i].valid ? text[i].calm : text[i].unknown;
}

/* Nothing is known about the time since the last evaluation. Also when the
 * clock seems to go back: the difference is huge then. */
static void bridge_gap(struct vigil__rule_state* state, vigil__mono_t now) {
  int i;

  if (state->last_eval != 0 &&
      now - state->last_eval > VIGIL__RULE_MAX_GAP_NS)
    for (i = 0; i < VIGIL__RULES; i++)
      state->rule[i].since = state->rule[i].calm = 0;
  state->last_eval = now;
}

struct vigil__rule_result vigil__rule_eval(
    const struct vigil__rule_config* config,
    struct vigil__rule_state* state,
    const struct vigil__rule_input* in) {
  struct vigil__rule_result result = { .reason = "every rule is off" };
  enum vigil__rule_decision decision;
  bool found = false;
  int i;

  bridge_gap(state, in->now);
  if (in->now - state->start < config->grace_ns) {
    result.reason = "grace period after the start";
    return result;
  }
  for (i = 0; i < VIGIL__RULES; i++) {
    if (config->rule[i].limit == 0)
      continue;
    decision = eval_one(config, state, in,
                        result.decision == VIGIL__RULE_FIRE, i);
    if (found && decision <= result.decision)
      continue;
    found = true;
    result.decision = decision;
    result.rule = (enum vigil__rule) i;
    result.reason = reason_of(in, decision, i);
    if (!in->figure[i].valid) {
      result.value = result.limit = result.ratio = 0;
      continue;
    }
    result.value = in->figure[i].value;
    result.limit = config->rule[i].limit;
    result.ratio = ratio_of(result.value, result.limit);
  }
  if (result.decision == VIGIL__RULE_FIRE) {
    result.again = state->rule[result.rule].fired;
    state->rule[result.rule].fired = true;
  }
  return result;
}

void vigil__rule_began(struct vigil__rule_state* state,
                       enum vigil__rule rule) {
  state->rule[rule].fired = state->rule[rule].open = true;
  state->rule[rule].calm = 0;
}

static uint64_t left(uint64_t all, uint64_t gone) {
  return all > gone ? all - gone : 0;
}

struct vigil__rule_view vigil__rule_look(
    const struct vigil__rule_config* config,
    const struct vigil__rule_state* state,
    const struct vigil__rule_figure* figure,
    enum vigil__rule rule) {
  const vigil__mono_t now = state->last_eval;
  struct vigil__rule_view v = { .stand = VIGIL__STAND_IDLE,
                                .limit = config->rule[rule].limit,
                                .figure = *figure };

  if (v.limit == 0) {
    v.stand = VIGIL__STAND_OFF;
    v.reason = "the rule is switched off";
  } else if (now == 0) {
    v.reason = "the process is not watched yet";
  } else if (now - state->start < config->grace_ns) {
    v.reason = "grace period after the start";
  } else if (state->rule[rule].fired) {
    v.stand = VIGIL__STAND_INCIDENT;
    v.captured = state->rule[rule].open;
    v.left_ns = state->rule[rule].calm == 0
                    ? UINT64_MAX
                    : left(config->window_ns, now - state->rule[rule].calm);
    v.reason = "the incident is not over yet";
  } else if (state->rule[rule].since != 0) {
    v.stand = VIGIL__STAND_PENDING;
    v.left_ns = left(config->rule[rule].for_ns,
                     now - state->rule[rule].since);
    v.reason = text[rule].pending;
  } else {
    v.reason = figure->valid ? text[rule].calm : text[rule].unknown;
  }
  return v;
}

const char* vigil__stand_name(enum vigil__rule_stand stand) {
  static const char* const names[] = {
    [VIGIL__STAND_OFF] = "off",
    [VIGIL__STAND_IDLE] = "idle",
    [VIGIL__STAND_PENDING] = "pending",
    [VIGIL__STAND_INCIDENT] = "incident"
  };

  return names[stand];
}
