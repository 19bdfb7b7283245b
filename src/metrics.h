/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_METRICS_H_
#define VIGIL_METRICS_H_

#include "arrivals.h"
#include "facts.h"
#include "spread.h"
#include "totals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Metrics as Prometheus' text format or OpenMetrics. Nothing here depends on
 * the locale: numbers are printed from integers. Pure; any thread.
 * docs/metrics.md describes every name. */
enum vigil__metric {
  VIGIL__METRIC_GAUGE,
  VIGIL__METRIC_COUNTER,
  VIGIL__METRIC_HISTOGRAM,
  VIGIL__METRIC_INFO
};

/* How a figure is meant, and so the end of the family's name. */
enum vigil__metric_unit {
  VIGIL__UNIT_NONE,
  VIGIL__UNIT_SECONDS,          /* Of ns. */
  VIGIL__UNIT_BYTES,
  VIGIL__UNIT_RATIO             /* Of ppm. */
};

/* The text, as it grows. Zero it, set `openmetrics`. The first error sticks
 * (-ENOMEM, -EFBIG) and silences the rest. */
#define VIGIL__METRICS_LIMIT (8u << 20)

struct vigil__metrics {
  char* data;                   /* Not terminated; free() it. */
  size_t len;
  size_t size;
  int error;
  bool openmetrics;
  /* The family that is being written. */
  const char* name;
  enum vigil__metric type;
  enum vigil__metric_unit unit;
  const char* help;
  bool begun;                   /* Its head is there. */
};

/* What comes next belongs to it. `name` is without _total and _info, and what
 * is passed must live on. A family without samples leaves no trace. */
void vigil__metrics_family(struct vigil__metrics* m,
                           const char* name,
                           enum vigil__metric type,
                           enum vigil__metric_unit unit,
                           const char* help);

/* One sample of a gauge, a counter or an info. `labels` as in a{...}, escaped,
 * or "". */
void vigil__metrics_put(struct vigil__metrics* m,
                        const char* labels,
                        uint64_t value);

/* A family of one sample without labels. */
void vigil__metrics_one(struct vigil__metrics* m,
                        const char* name,
                        enum vigil__metric type,
                        enum vigil__metric_unit unit,
                        const char* help,
                        uint64_t value);

/* Histograms. */
void vigil__metrics_spread(struct vigil__metrics* m,
                           const char* labels,
                           const struct vigil__spread* s);
/* With some of its bounds only: those of `keep`, n of them. */
void vigil__metrics_spread_at(struct vigil__metrics* m,
                              const char* labels,
                              const struct vigil__spread* s,
                              const uint64_t* keep,
                              unsigned n);
void vigil__metrics_arrivals(struct vigil__metrics* m,
                             const char* labels,
                             const struct vigil__arrivals* a);

/* The end of the text. 0 or the error. */
int vigil__metrics_finish(struct vigil__metrics* m);

/* `src` as the value of a label: escaped, what is not UTF-8 replaced, cut where
 * it does not fit. */
void vigil__metrics_label(char* to, size_t size, const char* src);

/* ---- the families */

void vigil__metrics_lag(struct vigil__metrics* m, const struct vigil__facts* f);
void vigil__metrics_v8(struct vigil__metrics* m, const struct vigil__facts* f);
void vigil__metrics_judged(struct vigil__metrics* m,
                           const struct vigil__facts* f);
void vigil__metrics_process(struct vigil__metrics* m,
                            const struct vigil__facts* f,
                            vigil__mono_t now);
void vigil__metrics_server(struct vigil__metrics* m,
                           const struct vigil__http_totals* http,
                           const struct vigil__serve_totals* serve,
                           unsigned open);

#endif  /* VIGIL_METRICS_H_ */
