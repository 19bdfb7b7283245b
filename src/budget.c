/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "budget.h"

static uint64_t less(uint64_t a, uint64_t b) {
  return a > b ? a - b : 0;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

uint64_t vigil__budget_age(const struct vigil__budget_state* state,
                           const struct vigil__budget_event* event) {
  if (event->mono != 0 && event->mono <= state->mono)
    return state->mono - event->mono;
  return state->wall_ns > event->wall_ns ? state->wall_ns - event->wall_ns
                                         : event->wall_ns - state->wall_ns;
}

static enum vigil__budget_answer decide_time(
    const struct vigil__budget_state* state,
    const struct vigil__config* config,
    uint64_t ratio) {
  const struct vigil__budget_event* e = state->event;
  uint64_t worst = 0;
  uint64_t count = 0;
  uint64_t age;

  for (; e < state->event + state->events; e++) {
    if (e->ratio == 0)
      continue;
    age = vigil__budget_age(state, e);
    if ((e->finished || e->alive) && age < config->cooldown_ns &&
        ratio < VIGIL__BUDGET_LAST)
      return VIGIL__BUDGET_COOLDOWN;
    if (age >= VIGIL__BUDGET_HOUR_NS)
      continue;
    count++;
    worst = e->ratio > worst ? e->ratio : worst;
  }
  /* Each one beyond has to double, so there are few of them. */
  return count >= config->per_hour && ratio / 2 < worst
      ? VIGIL__BUDGET_HOURLY : VIGIL__BUDGET_ALLOW;
}

static uint64_t free_room(const struct vigil__budget_state* state,
                          const struct vigil__config* config) {
  uint64_t floor = config->disk_free_bytes;

  if (floor == VIGIL__DISK_FREE_AUTO)
    floor = smaller(VIGIL__BUDGET_FREE,
                    state->total_bytes / VIGIL__BUDGET_FREE_PART);
  return less(state->free_bytes, floor);
}

uint64_t vigil__budget_room(const struct vigil__budget_state* state,
                            const struct vigil__config* config) {
  return smaller(less(config->disk_bytes, state->bytes),
                 free_room(state, config));
}

uint64_t vigil__budget_excess(const struct vigil__budget_state* state,
                              const struct vigil__config* config,
                              uint64_t expect) {
  expect = smaller(expect, config->disk_bytes);
  return less(state->bytes, config->disk_bytes - expect);
}

enum vigil__budget_answer vigil__budget_decide(
    const struct vigil__budget_state* state,
    const struct vigil__config* config,
    uint64_t ratio) {
  /* What the oldest incidents would leave when they go. */
  const uint64_t fixed = less(state->bytes, state->removable);
  enum vigil__budget_answer answer = VIGIL__BUDGET_ALLOW;

  if (ratio != 0)
    answer = decide_time(state, config, ratio);
  if (answer != VIGIL__BUDGET_ALLOW)
    return answer;
  /* Old incidents do not go for the file system's sake: others fill it. */
  if (less(config->disk_bytes, fixed) < VIGIL__BUDGET_LEAST ||
      free_room(state, config) < VIGIL__BUDGET_LEAST)
    return VIGIL__BUDGET_DISK;
  if (state->capturing >= config->host_captures)
    return VIGIL__BUDGET_HOST;
  return VIGIL__BUDGET_ALLOW;
}

void vigil__budget_add(struct vigil__budget_state* state,
                       const struct vigil__budget_event* event) {
  uint32_t oldest = 0;
  uint32_t i;

  if (state->events < VIGIL__BUDGET_EVENTS) {
    state->event[state->events++] = *event;
    return;
  }
  for (i = 1; i < state->events; i++)
    if (vigil__budget_age(state, &state->event[i]) >
        vigil__budget_age(state, &state->event[oldest]))
      oldest = i;
  if (vigil__budget_age(state, event) <
      vigil__budget_age(state, &state->event[oldest]))
    state->event[oldest] = *event;
}

const char* vigil__budget_reason(enum vigil__budget_answer answer) {
  switch (answer) {
    case VIGIL__BUDGET_COOLDOWN:
      return "it is too soon after the last incident (VIGIL_COOLDOWN)";
    case VIGIL__BUDGET_HOURLY:
      return "there were enough incidents in this hour (VIGIL_PER_HOUR)";
    case VIGIL__BUDGET_DISK:
      return "there is no room on the disk (VIGIL_DISK, VIGIL_DISK_FREE)";
    case VIGIL__BUDGET_HOST:
      return "enough processes capture now (VIGIL_HOST_CAPTURES)";
    case VIGIL__BUDGET_FLEET:
      return "enough processes of the fleet have captured (VIGIL_FLEET)";
    case VIGIL__BUDGET_ALLOW:
      break;
  }
  return "it may be captured";
}
