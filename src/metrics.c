/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "metrics.h"

#include "os.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>  /* PRIu64 */
#include <stdio.h>     /* snprintf */
#include <string.h>

static void add(struct vigil__metrics* m, const char* s, size_t len) {
  size_t size = m->size == 0 ? 16384 : m->size;
  char* data;

  if (m->error != 0)
    return;
  if (len > VIGIL__METRICS_LIMIT - m->len) {
    m->error = -EFBIG;
    return;
  }
  if (m->len + len > m->size) {
    while (size < m->len + len)
      size *= 2;
    data = vigil__os.realloc(m->data, size);
    if (data == NULL) {
      m->error = -ENOMEM;
      return;
    }
    m->data = data;
    m->size = size;
  }
  memcpy(m->data + m->len, s, len);
  m->len += len;
}

static void put(struct vigil__metrics* m, const char* s) {
  add(m, s, strlen(s));
}

#define NUMBER 32

/* `value` / 10^digits, with one decimal at least: as OpenMetrics writes it, so
 * that a bound is the same label in both formats. */
static const char* decimal(char text[NUMBER], uint64_t value, int digits) {
  uint64_t one = 1;
  int i;
  int n;

  for (i = 0; i < digits; i++)
    one *= 10;
  n = snprintf(text, NUMBER, "%" PRIu64 ".%0*" PRIu64, value / one, digits,
               value % one);
  while (text[n - 1] == '0' && text[n - 2] != '.')
    n--;
  text[n] = '\0';
  return text;
}

static const char* seconds(char text[NUMBER], uint64_t ns) {
  return decimal(text, ns, 9);
}

static const char* whole(char text[NUMBER], uint64_t value) {
  snprintf(text, NUMBER, "%" PRIu64, value);
  return text;
}

static void head(struct vigil__metrics* m) {
  static const char* const types[] = { "gauge", "counter", "histogram",
                                       "info" };
  static const char* const units[] = { NULL, "seconds", "bytes", "ratio" };
  const char* suffix = "";
  const char* type = types[m->type];
  char line[512];

  if (m->begun)
    return;
  m->begun = true;
  if (!m->openmetrics && m->type == VIGIL__METRIC_COUNTER)
    suffix = "_total";
  if (!m->openmetrics && m->type == VIGIL__METRIC_INFO) {
    suffix = "_info";
    type = types[VIGIL__METRIC_GAUGE];
  }
  snprintf(line, sizeof(line), "# HELP %s%s %s\n# TYPE %s%s %s\n", m->name,
           suffix, m->help, m->name, suffix, type);
  put(m, line);
  if (!m->openmetrics || units[m->unit] == NULL)
    return;
  snprintf(line, sizeof(line), "# UNIT %s %s\n", m->name, units[m->unit]);
  put(m, line);
}

/* `le` NULL: no such label. */
static void sample(struct vigil__metrics* m,
                   const char* suffix,
                   const char* labels,
                   const char* le,
                   const char* value) {
  const bool any = labels[0] != '\0' || le != NULL;

  head(m);
  put(m, m->name);
  put(m, suffix);
  if (any)
    put(m, "{");
  put(m, labels);
  if (le != NULL) {
    put(m, labels[0] != '\0' ? ",le=\"" : "le=\"");
    put(m, le);
    put(m, "\"");
  }
  put(m, any ? "} " : " ");
  put(m, value);
  put(m, "\n");
}

void vigil__metrics_family(struct vigil__metrics* m,
                           const char* name,
                           enum vigil__metric type,
                           enum vigil__metric_unit unit,
                           const char* help) {
  m->name = name;
  m->type = type;
  m->unit = unit;
  m->help = help;
  m->begun = false;
}

void vigil__metrics_put(struct vigil__metrics* m,
                        const char* labels,
                        uint64_t value) {
  const char* suffix = m->type == VIGIL__METRIC_COUNTER ? "_total"
                     : m->type == VIGIL__METRIC_INFO ? "_info" : "";
  char text[NUMBER];

  if (m->unit == VIGIL__UNIT_SECONDS)
    seconds(text, value);
  else if (m->unit == VIGIL__UNIT_RATIO)
    decimal(text, value, 6);
  else
    whole(text, value);
  sample(m, suffix, labels, NULL, text);
}

void vigil__metrics_one(struct vigil__metrics* m,
                        const char* name,
                        enum vigil__metric type,
                        enum vigil__metric_unit unit,
                        const char* help,
                        uint64_t value) {
  vigil__metrics_family(m, name, type, unit, help);
  vigil__metrics_put(m, "", value);
}

/* What is the same for all histograms. */
static void finish_histogram(struct vigil__metrics* m,
                             const char* labels,
                             uint64_t n,
                             uint64_t sum_ns) {
  char text[NUMBER];

  sample(m, "_bucket", labels, "+Inf", whole(text, n));
  sample(m, "_sum", labels, NULL, seconds(text, sum_ns));
  sample(m, "_count", labels, NULL, whole(text, n));
}

static void bucket(struct vigil__metrics* m,
                   const char* labels,
                   uint64_t bound_ns,
                   uint64_t n) {
  char text[NUMBER];
  char le[NUMBER];

  sample(m, "_bucket", labels, seconds(le, bound_ns), whole(text, n));
}

void vigil__metrics_spread_at(struct vigil__metrics* m,
                              const char* labels,
                              const struct vigil__spread* s,
                              const uint64_t* keep,
                              unsigned n) {
  unsigned i;
  unsigned k;

  for (k = 0; k < n; k++) {
    for (i = 0; i < VIGIL__SPREAD_BOUNDS; i++) {
      if (vigil__spread_bounds[i] == keep[k])
        bucket(m, labels, keep[k], s->at_most[i]);
    }
  }
  finish_histogram(m, labels, s->n, s->total_ns);
}

void vigil__metrics_spread(struct vigil__metrics* m,
                           const char* labels,
                           const struct vigil__spread* s) {
  vigil__metrics_spread_at(m, labels, s, vigil__spread_bounds,
                           VIGIL__SPREAD_BOUNDS);
}

void vigil__metrics_arrivals(struct vigil__metrics* m,
                             const char* labels,
                             const struct vigil__arrivals* a) {
  unsigned i;

  for (i = 0; i < VIGIL__ARRIVAL_BOUNDS; i++)
    bucket(m, labels, vigil__arrival_bounds[i],
           a->at_most_ns[i] / VIGIL__ARRIVAL_NS);
  finish_histogram(m, labels, a->total_ns / VIGIL__ARRIVAL_NS, a->sum_ns);
}

int vigil__metrics_finish(struct vigil__metrics* m) {
  if (m->openmetrics)
    put(m, "# EOF\n");
  return m->error;
}

void vigil__metrics_label(char* to, size_t size, const char* src) {
  size_t left = strlen(src);
  size_t len = 0;
  const char* unit;
  size_t n;
  size_t take;

  for (; left != 0; src += take, left -= take) {
    n = vigil__text_utf8(src, left);
    take = n == 0 ? 1 : n;
    unit = src;
    if (n == 0) {
      unit = "?";
      n = 1;
    } else if (*src == '\\' || *src == '"' || *src == '\n') {
      unit = *src == '\\' ? "\\\\" : *src == '"' ? "\\\"" : "\\n";
      n = 2;
    }
    if (len + n >= size)
      break;
    memcpy(to + len, unit, n);
    len += n;
  }
  to[len] = '\0';
}
