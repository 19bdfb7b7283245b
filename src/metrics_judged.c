/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* Families about what Vigil makes of it: stalls, rules, captures, budget. */

#include "metrics.h"

#include <stdio.h>  /* snprintf */

#define LABELS 128

static const char* cause_of(unsigned i) {
  return i == VIGIL__STALL_OWN ? "own-work"
                               : vigil__cause_name((enum vigil__cause_class) i);
}

/* `ns`: the time of them, else their number. */
static void put_stalls(struct vigil__metrics* m,
                       const struct vigil__facts* f,
                       bool ns) {
  const struct vigil__facts_thread* t;
  char labels[LABELS];
  unsigned i;

  for (t = f->thread; t < f->thread + f->threads; t++) {
    for (i = 0; t->has_rules && i <= VIGIL__CAUSE_CLASSES; i++) {
      snprintf(labels, sizeof(labels), "thread=\"%s\",cause=\"%s\"", t->label,
               cause_of(i));
      vigil__metrics_put(m, labels, ns ? t->stalls_ns[i] : t->stalls[i]);
    }
  }
}

static uint64_t ratio_ppm(const struct vigil__rule_view* v) {
  return (uint64_t) ((double) v->figure.value * 1e6 / (double) v->limit);
}

/* `ratio`: how near a rule is to its limit, else its state. */
static void put_rules(struct vigil__metrics* m,
                      const struct vigil__facts* f,
                      bool ratio) {
  const struct vigil__facts_thread* t;
  const struct vigil__rule_view* v;
  char labels[LABELS];
  unsigned i;

  for (t = f->thread; t < f->thread + f->threads; t++) {
    for (i = 0; t->has_rules && i < VIGIL__RULES; i++) {
      v = &t->rule[i];
      if (v->stand == VIGIL__STAND_OFF || (ratio && !v->figure.valid))
        continue;
      snprintf(labels, sizeof(labels), "thread=\"%s\",rule=\"%s\"", t->label,
               vigil__rule_name((enum vigil__rule) i));
      vigil__metrics_put(m, labels, ratio ? ratio_ppm(v)
                         : (uint64_t) v->stand - VIGIL__STAND_IDLE);
    }
  }
}

static void put_captures(struct vigil__metrics* m,
                         const struct vigil__ledger* l) {
  char labels[LABELS];
  unsigned i;

  vigil__metrics_one(m, "vigil_captures_attempted", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_NONE, "Incidents that were to be captured",
                     l->attempted);
  vigil__metrics_one(m, "vigil_captures_written", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_NONE, "Incidents on disk", l->written);
  vigil__metrics_one(m, "vigil_captures_failed", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_NONE,
                     "Incidents that were begun and could not be written",
                     l->failed);
  vigil__metrics_family(m, "vigil_captures_refused", VIGIL__METRIC_COUNTER,
                        VIGIL__UNIT_NONE,
                        "Incidents that the budget did not allow, by reason");
  for (i = 0; i < VIGIL__REFUSALS; i++) {
    snprintf(labels, sizeof(labels), "reason=\"%s\"",
             vigil__refusal_name((enum vigil__refusal) i));
    vigil__metrics_put(m, labels, l->refused[i]);
  }
}

static void put_helper(struct vigil__metrics* m,
                       const struct vigil__helper_counts* c) {
  vigil__metrics_one(m, "vigil_helper_started", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_NONE,
                     "Helper processes, which make reports and ship incidents",
                     c->started);
  vigil__metrics_family(m, "vigil_helper_failed", VIGIL__METRIC_COUNTER,
                        VIGIL__UNIT_NONE,
                        "Those that could not be started or did not finish "
                        "(ended), were ended at their deadline (late), and "
                        "what others could not do (error)");
  vigil__metrics_put(m, "reason=\"ended\"", c->failed);
  vigil__metrics_put(m, "reason=\"late\"", c->late);
  vigil__metrics_put(m, "reason=\"error\"", c->errors);
  vigil__metrics_one(m, "vigil_reports_written", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_NONE, "Incidents that got their report.html",
                     c->reports);
  vigil__metrics_one(m, "vigil_incidents_shipped", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_NONE, "Incidents that were shipped",
                     c->shipped);
  vigil__metrics_one(m, "vigil_incidents_ship_failed", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_NONE, "Tries of that which failed",
                     c->ship_failed);
  vigil__metrics_one(m, "vigil_incidents_unshipped", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_NONE,
                     "Incidents in VIGIL_DIR that are yet to be shipped",
                     c->left);
}

static void put_budget(struct vigil__metrics* m, const struct vigil__facts* f) {
  const struct vigil__budget_view* b = &f->budget;
  const uint64_t age_ns = f->at - f->budget_at;

  if (f->budget_at == 0 || b->error != 0)
    return;
  vigil__metrics_one(m, "vigil_budget_cooldown_seconds", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_SECONDS, "What is left of VIGIL_COOLDOWN",
                     b->cooldown_ns > age_ns ? b->cooldown_ns - age_ns : 0);
  vigil__metrics_one(m, "vigil_budget_hourly_left", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_NONE,
                     "Incidents that VIGIL_PER_HOUR still allows",
                     b->hour_left);
  vigil__metrics_one(m, "vigil_budget_disk_used_bytes", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_BYTES, "What the incidents in VIGIL_DIR take",
                     b->bytes);
  vigil__metrics_one(m, "vigil_budget_disk_limit_bytes", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_BYTES, "VIGIL_DISK", f->config->disk_bytes);
  vigil__metrics_one(m, "vigil_budget_disk_room_bytes", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_BYTES,
                     "What the next incident may take without removing old "
                     "ones", b->room);
  vigil__metrics_one(m, "vigil_budget_incidents", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_NONE, "Incidents in VIGIL_DIR", b->incidents);
  vigil__metrics_one(m, "vigil_budget_suppressed", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_NONE,
                     "Incidents refused since the last message", b->suppressed);
}

void vigil__metrics_judged(struct vigil__metrics* m,
                           const struct vigil__facts* f) {
  const struct vigil__facts_thread* t;
  char labels[LABELS];

  vigil__metrics_family(m, "vigil_stalls", VIGIL__METRIC_COUNTER,
                        VIGIL__UNIT_NONE,
                        "Busy periods over VIGIL_STALL_MS that ended, by "
                        "cause");
  put_stalls(m, f, false);
  vigil__metrics_family(m, "vigil_stall_seconds", VIGIL__METRIC_COUNTER,
                        VIGIL__UNIT_SECONDS, "Their time");
  put_stalls(m, f, true);
  vigil__metrics_family(m, "vigil_stall_open", VIGIL__METRIC_GAUGE,
                        VIGIL__UNIT_NONE, "1 while a stall lasts");
  for (t = f->thread; t < f->thread + f->threads; t++) {
    snprintf(labels, sizeof(labels), "thread=\"%s\"", t->label);
    if (t->has_rules)
      vigil__metrics_put(m, labels, t->stall_open);
  }
  vigil__metrics_family(m, "vigil_rule_state", VIGIL__METRIC_GAUGE,
                        VIGIL__UNIT_NONE,
                        "0 idle, 1 over the limit but not for long enough, 2 "
                        "an incident lasts");
  put_rules(m, f, false);
  vigil__metrics_family(m, "vigil_rule_limit_ratio", VIGIL__METRIC_GAUGE,
                        VIGIL__UNIT_RATIO,
                        "The figure of a rule as part of its limit");
  put_rules(m, f, true);
  put_captures(m, &f->ledger);
  put_helper(m, &f->helper);
  put_budget(m, f);
}
