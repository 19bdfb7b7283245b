/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "fire.h"

#include "capture.h"
#include "helper.h"
#include "judge.h"
#include "os.h"
#include "probe.h"
#include "thread.h"

/* One that was refused asks every second; the budget need not, and a store that
 * the whole fleet asks still less. */
#define REFUSED_NS (10 * VIGIL__SEC)
#define FLEET_REFUSED_NS (60 * VIGIL__SEC)

static const struct vigil__config* config;
static vigil__mono_t refused_until;

/* What the fleet is asked for. */
static struct {
  bool waits;
  struct vigil__trigger trigger;
  enum vigil__rule rule;
} asked;

void vigil__fire_init(const struct vigil__config* c) {
  config = c;
}

/* The rule needs to know, if its thread is still there. */
static void tell_rule(const struct vigil__trigger* trigger,
                      enum vigil__rule rule) {
  struct vigil__thread* t;

  vigil__threads_lock();
  for (t = vigil__threads_first(); t != NULL; t = t->next) {
    if (t->iso == trigger->iso)
      vigil__rule_began(&t->rule, rule);
  }
  vigil__threads_unlock();
}

static bool begin(struct vigil__trigger* trigger, enum vigil__rule rule) {
  if (vigil__capture_begin(trigger) != 0) {
    refused_until = vigil__os.mono() + REFUSED_NS;
    return false;
  }
  tell_rule(trigger, rule);
  return true;
}

bool vigil__fire(struct vigil__trigger* trigger,
                 const struct vigil__rule_result* result) {
  if (result->again && vigil__os.mono() < refused_until)
    return false;
  vigil__judge_end(trigger, result, NULL);
  if (!vigil__helper_has_fleet())
    return begin(trigger, result->rule);
  /* What would be refused here shall not cost the others a capture. */
  if (vigil__incident_ask(config, trigger, false) != 0) {
    refused_until = vigil__os.mono() + REFUSED_NS;
    return false;
  }
  asked.trigger = *trigger;
  asked.rule = result->rule;
  asked.waits = true;
  vigil__isolate_ref(trigger->iso);
  vigil__probe_ref(trigger->probe);
  vigil__helper_claim();
  return false;
}

bool vigil__fire_asks(void) {
  return asked.waits;
}

bool vigil__fire_step(void) {
  enum vigil__claim claim;
  bool begun = false;

  if (!asked.waits)
    return false;
  claim = vigil__helper_claimed();
  if (claim == VIGIL__CLAIM_WAIT)
    return false;
  asked.waits = false;
  if (claim == VIGIL__CLAIM_NO) {
    vigil__incident_ask(config, &asked.trigger, true);
    refused_until = vigil__os.mono() + FLEET_REFUSED_NS;
  } else if (!vigil__capture_running()) {
    begun = begin(&asked.trigger, asked.rule);
  }
  vigil__judge_drop(&asked.trigger);
  return begun;
}
