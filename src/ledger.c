/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "ledger.h"

#include "incident.h"

#include <stdio.h>   /* snprintf */
#include <string.h>

static struct vigil__ledger ledger;

enum vigil__refusal vigil__ledger_refusal(int answer) {
  switch (answer) {
    case VIGIL__BUDGET_COOLDOWN: return VIGIL__REFUSED_COOLDOWN;
    case VIGIL__BUDGET_HOURLY: return VIGIL__REFUSED_HOURLY;
    case VIGIL__BUDGET_DISK: return VIGIL__REFUSED_DISK;
    case VIGIL__BUDGET_HOST: return VIGIL__REFUSED_HOST;
    case VIGIL__BUDGET_FLEET: return VIGIL__REFUSED_FLEET;
    default: return VIGIL__REFUSED_ERROR;
  }
}

void vigil__ledger_asked(int answer, bool again) {
  if (answer != VIGIL__BUDGET_ALLOW && again)
    return;
  ledger.attempted++;
  if (answer != VIGIL__BUDGET_ALLOW)
    ledger.refused[vigil__ledger_refusal(answer)]++;
}

void vigil__ledger_ended(const struct vigil__incident* i, int err) {
  const struct vigil__trigger* t = &i->trigger;
  struct vigil__ledger_entry* e =
      &ledger.recent[ledger.entries++ % VIGIL__LEDGER_RECENT];

  if (err == 0)
    ledger.written++;
  else
    ledger.failed++;
  memset(e, 0, sizeof(*e));
  e->wall_ns = i->trigger_wall_ns;
  e->thread_id = t->thread_id;
  e->written = err == 0;
  snprintf(e->rule, sizeof(e->rule), "%s", t->demand ? "on-demand" : t->rule);
  snprintf(e->cause, sizeof(e->cause), "%s", vigil__cause_name(t->why.cause));
  snprintf(e->headline, sizeof(e->headline), "%s", t->headline);
  snprintf(e->why, sizeof(e->why), "%s", t->why.text);
  if (e->written)
    snprintf(e->path, sizeof(e->path), "%s/%s", i->dir.path, i->artifact.name);
}

const struct vigil__ledger* vigil__ledger(void) {
  return &ledger;
}

const char* vigil__refusal_name(enum vigil__refusal refusal) {
  static const char* const names[VIGIL__REFUSALS] = {
    "cooldown", "hourly", "disk", "host", "fleet", "error"
  };

  return names[refusal];
}
