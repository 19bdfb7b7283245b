/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "incident.h"
#include "ledger.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct vigil__incident incident;

TEST(ledger_adds_up) {
  const struct vigil__ledger* l = vigil__ledger();
  static const int answers[] = {
    VIGIL__BUDGET_COOLDOWN, VIGIL__BUDGET_HOURLY, VIGIL__BUDGET_DISK,
    VIGIL__BUDGET_HOST, VIGIL__BUDGET_FLEET, -EACCES
  };
  size_t i;

  for (i = 0; i < 6; i++) {
    vigil__ledger_asked(answers[i], false);
    vigil__ledger_asked(answers[i], true);
    CHECK_EQ(l->refused[i], 1);
    CHECK_EQ(l->attempted, i + 1);
  }
  /* One that was refused, and is allowed now. */
  vigil__ledger_asked(VIGIL__BUDGET_ALLOW, true);
  CHECK_EQ(l->attempted, 7);
  vigil__ledger_ended(&incident, -EIO);
  CHECK_EQ(l->failed, 1);
  CHECK_EQ(l->written, 0);
}

TEST(ledger_keeps_the_last_ones) {
  const struct vigil__ledger* l = vigil__ledger();
  const struct vigil__ledger_entry* e;
  unsigned i;

  incident.trigger.rule = "a rule with a name that is far too long";
  strcpy(incident.dir.path, "/d");
  incident.trigger.why.cause = VIGIL__CAUSE_GC;
  strcpy(incident.trigger.why.text, "why");
  for (i = 0; i < VIGIL__LEDGER_RECENT + 3; i++) {
    snprintf(incident.trigger.headline, sizeof(incident.trigger.headline),
             "no %u", i);
    snprintf(incident.artifact.name, sizeof(incident.artifact.name), "i-%u", i);
    vigil__ledger_ended(&incident, i % 2 == 0 ? 0 : -EIO);
  }
  CHECK_EQ(l->entries, VIGIL__LEDGER_RECENT + 3);
  e = &l->recent[(l->entries - 1) % VIGIL__LEDGER_RECENT];
  CHECK_STR(e->headline, "no 10");
  CHECK_STR(e->path, "/d/i-10");
  CHECK_STR(e->cause, "gc");
  CHECK_STR(e->why, "why");
  CHECK_STR(e->rule, "a rule with a n");
  CHECK(e->written);
  e = &l->recent[l->entries % VIGIL__LEDGER_RECENT];
  CHECK_STR(e->headline, "no 3");
  CHECK_STR(e->path, "");
  CHECK(!e->written);
  incident.trigger.demand = true;
  vigil__ledger_ended(&incident, 0);
  e = &l->recent[(l->entries - 1) % VIGIL__LEDGER_RECENT];
  CHECK_STR(e->rule, "on-demand");
}
