/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* Families about the loops: lag under the names that people graph already and
 * under ours, turns, timers. */

#include "metrics.h"

#include <stdio.h>  /* snprintf */

#define LABELS 96
#define AT(member) offsetof(struct vigil__facts_thread, member)

/* One figure of each thread. */
struct field {
  const char* name;
  const char* help;
  size_t at;
  enum vigil__metric type;
  enum vigil__metric_unit unit;
  bool of_window;               /* Only there once a window was measured. */
};

#define WINDOWED(name, member, help)                                          \
  { name, help " over VIGIL_WINDOW, as an event that arrives at a random "    \
    "instant feels it", AT(member), VIGIL__METRIC_GAUGE, VIGIL__UNIT_SECONDS, \
    true }
#define LAG(prefix)                                                           \
  WINDOWED(prefix "_min_seconds", min_ns, "Least event loop lag"),            \
  WINDOWED(prefix "_max_seconds", lag.max_ns, "Most event loop lag"),         \
  WINDOWED(prefix "_mean_seconds", lag.mean_ns, "Mean of the event loop lag"), \
  WINDOWED(prefix "_stddev_seconds", lag.stddev_ns,                           \
           "Standard deviation of the event loop lag"),                       \
  WINDOWED(prefix "_p50_seconds", lag.p50_ns, "Median event loop lag"),       \
  WINDOWED(prefix "_p90_seconds", lag.p90_ns,                                 \
           "90th percentile of the event loop lag"),                          \
  WINDOWED(prefix "_p99_seconds", lag.p99_ns,                                 \
           "99th percentile of the event loop lag")
#define COUNTER(name, member, unit, help)                                     \
  { name, help, AT(member), VIGIL__METRIC_COUNTER, unit, false }

static const struct field fields[] = {
  { "nodejs_eventloop_lag_seconds",
    "How long the loop has been busy without a poll, as of the last tick",
    AT(open_ns), VIGIL__METRIC_GAUGE, VIGIL__UNIT_SECONDS, false },
  LAG("nodejs_eventloop_lag"),
  LAG("nodejs_eventloop_delay"),
  { "nodejs_eventloop_utilization_ratio",
    "Part of VIGIL_WINDOW in which the loop was busy",
    AT(utilization_ppm), VIGIL__METRIC_GAUGE, VIGIL__UNIT_RATIO, true },
  COUNTER("vigil_eventloop_lag_over_limit_seconds", arrivals.over_ns,
          VIGIL__UNIT_SECONDS,
          "Time in which an arriving event had to wait for longer than "
          "VIGIL_LAG_P99_MS"),
  COUNTER("vigil_eventloop_polls", polls, VIGIL__UNIT_NONE,
          "Polls of the loop"),
  COUNTER("vigil_eventloop_events", events, VIGIL__UNIT_NONE,
          "Events that polls returned"),
  COUNTER("vigil_eventloop_own_work_seconds", own_ns, VIGIL__UNIT_SECONDS,
          "Time that work of Vigil itself took on the loop's thread"),
  { "vigil_eventloop_longest_seconds",
    "Longest busy period since the start", AT(longest_ns),
    VIGIL__METRIC_GAUGE, VIGIL__UNIT_SECONDS, false },
};

static uint64_t value_at(const struct vigil__facts_thread* t, size_t at) {
  return *(const uint64_t*) ((const char*) t + at);
}

static void labels_of(char labels[LABELS],
                      const struct vigil__facts_thread* t,
                      const char* more) {
  snprintf(labels, LABELS, "thread=\"%s\"%s", t->label, more);
}

static void put_fields(struct vigil__metrics* m, const struct vigil__facts* f) {
  char labels[LABELS];
  const struct field* field;
  size_t i;
  size_t k;

  for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    field = &fields[i];
    vigil__metrics_family(m, field->name, field->type, field->unit,
                          field->help);
    for (k = 0; k < f->threads; k++) {
      if (field->of_window && !f->thread[k].has_lag)
        continue;
      labels_of(labels, &f->thread[k], "");
      vigil__metrics_put(m, labels, value_at(&f->thread[k], field->at));
    }
  }
}

static void put_time(struct vigil__metrics* m, const struct vigil__facts* f) {
  char labels[LABELS];
  size_t k;

  vigil__metrics_family(m, "nodejs_eventloop_time_seconds",
                        VIGIL__METRIC_COUNTER, VIGIL__UNIT_SECONDS,
                        "Time of the loop since its first poll, busy and idle");
  for (k = 0; k < f->threads; k++) {
    labels_of(labels, &f->thread[k], ",nodejs_eventloop_state=\"active\"");
    vigil__metrics_put(m, labels, f->thread[k].arrivals.busy_ns);
    labels_of(labels, &f->thread[k], ",nodejs_eventloop_state=\"idle\"");
    vigil__metrics_put(m, labels, f->thread[k].idle_ns);
  }
}

static void put_spreads(struct vigil__metrics* m,
                        const struct vigil__facts* f,
                        const char* name,
                        const char* help,
                        size_t at) {
  char labels[LABELS];
  size_t k;

  vigil__metrics_family(m, name, VIGIL__METRIC_HISTOGRAM, VIGIL__UNIT_SECONDS,
                        help);
  for (k = 0; k < f->threads; k++) {
    labels_of(labels, &f->thread[k], "");
    vigil__metrics_spread(m, labels,
                          (const struct vigil__spread*)
                              ((const char*) &f->thread[k] + at));
  }
}

void vigil__metrics_lag(struct vigil__metrics* m,
                        const struct vigil__facts* f) {
  char labels[LABELS];
  size_t k;

  put_fields(m, f);
  put_time(m, f);
  vigil__metrics_family(m, "vigil_eventloop_lag_seconds",
                        VIGIL__METRIC_HISTOGRAM, VIGIL__UNIT_SECONDS,
                        "Lag of one imagined event in each millisecond since "
                        "the loop's first poll");
  for (k = 0; k < f->threads; k++) {
    labels_of(labels, &f->thread[k], "");
    vigil__metrics_arrivals(m, labels, &f->thread[k].arrivals);
  }
  put_spreads(m, f, "vigil_eventloop_turn_seconds",
              "Busy time of each iteration of the loop", AT(turn));
  put_spreads(m, f, "vigil_timer_late_seconds",
              "How late timers ran", AT(late));
}
