/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "metrics.h"
#include "status.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T (1000 * VIGIL__SEC)

static struct vigil__facts facts;
static struct vigil__config config;
static struct vigil__facts_thread threads[2];
static char* text;

static void setup(void) {
  int i;
  int k;

  memset(&facts, 0, sizeof(facts));
  memset(threads, 0, sizeof(threads));
  config.ready_after_ns = 30 * VIGIL__SEC;
  config.disk_bytes = 1 << 30;
  config.per_hour = 3;
  strcpy(config.dir, "/var/\"v\"");
  facts.config = &config;
  facts.at = T;
  facts.budget_at = T - 4 * VIGIL__SEC;
  facts.budget.cooldown_ns = 10 * VIGIL__SEC;
  facts.started_wall_ns = 1795317255 * VIGIL__SEC;
  facts.thread = threads;
  facts.threads = 2;
  for (i = 0; i < 2; i++) {
    snprintf(threads[i].label, sizeof(threads[i].label), "t%d", i);
    snprintf(threads[i].name, sizeof(threads[i].name), "a \"name\"\\\n\xff");
    threads[i].has_rules = threads[i].has_gc = true;
    threads[i].arrivals.total_ns = 5 * VIGIL__SEC;
    threads[i].space[0] =
        (struct vigil__gc_space) { "old_space", 5, 4, 3, 2 };
    threads[i].spaces = 1;
    for (k = 0; k < VIGIL__RULES; k++)
      threads[i].rule[k].reason = "r";
    threads[i].rule[VIGIL__RULE_LAG] = (struct vigil__rule_view) {
      .stand = VIGIL__STAND_PENDING, .limit = 50 * VIGIL__MS,
      .figure = { 75 * VIGIL__MS, true }, .left_ns = 3 * VIGIL__SEC,
      .reason = "r"
    };
    threads[i].rule[VIGIL__RULE_GC] = (struct vigil__rule_view) {
      .stand = VIGIL__STAND_INCIDENT, .limit = 300000, .left_ns = UINT64_MAX,
      .reason = "r"
    };
  }
}

TEST(ready_while_and_after_an_incident) {
  uint64_t wait;

  setup();
  CHECK(vigil__status_ready(&facts, T, &wait));
  CHECK_EQ(wait, 0);
  facts.incident = true;
  facts.ended = T;
  CHECK(!vigil__status_ready(&facts, T + 100 * VIGIL__SEC, &wait));
  CHECK(wait == UINT64_MAX);
  facts.incident = false;
  CHECK(!vigil__status_ready(&facts, T + 29 * VIGIL__SEC, &wait));
  CHECK_EQ(wait, VIGIL__SEC);
  CHECK(vigil__status_ready(&facts, T + 30 * VIGIL__SEC, &wait));
  config.ready_after_ns = 0;
  CHECK(vigil__status_ready(&facts, T, &wait));
}

TEST(ready_goes_by_what_requests_feel) {
  int i;

  setup();
  memset(threads[1].rule, 0, sizeof(threads[1].rule));
  CHECK(vigil__status_incident(&facts));  /* GC, on the first thread. */
  memset(threads[0].rule, 0, sizeof(threads[0].rule));
  CHECK(!vigil__status_incident(&facts));
  for (i = 0; i < VIGIL__RULES; i++) {
    threads[1].rule[i].stand = VIGIL__STAND_PENDING;
    CHECK(!vigil__status_incident(&facts));
    threads[1].rule[i].stand = VIGIL__STAND_INCIDENT;
    CHECK_EQ(vigil__status_incident(&facts), i != VIGIL__RULE_OLD_SPACE);
    threads[1].rule[i].stand = VIGIL__STAND_IDLE;
  }
}

#define HAS(part)                                                             \
  do {                                                                        \
    if (strstr(text, part) == NULL)                                           \
      test_fail(__FILE__, __LINE__, "no %s in\n%s", part, text);              \
  } while (0)
#define HAS_NOT(part) CHECK(strstr(text, part) == NULL)

TEST(status_is_json) {
  struct vigil__json j = { .compact = true };

  setup();
  facts.ledger.entries = 20;
  vigil__status_write(&j, &facts, T + VIGIL__SEC, facts.started_wall_ns);
  CHECK_EQ(vigil__json_finish(&j), 0);
  CHECK(test_json_valid(j.data, j.len));
  text = strndup(j.data, j.len);
  HAS("\"ageMs\":1000.000000");
  HAS("\"cooldownMs\":5000.000000");
  HAS("\"state\":\"pending\",\"reason\":\"r\",\"unit\":\"ms\","
      "\"value\":75.000000,\"limit\":50.000000,\"firesInMs\":3000.000000}");
  HAS("\"state\":\"incident\",\"reason\":\"r\",\"unit\":\"%\",\"value\":null,"
      "\"limit\":30.000000,\"captured\":false,\"overInMs\":null}");
  HAS("\"lag\":null");
  vigil__json_free(&j);
  free(text);

  /* With nothing known at all. */
  memset(&facts, 0, sizeof(facts));
  facts.config = &config;
  vigil__status_write(&j, &facts, T, 0);
  CHECK_EQ(vigil__json_finish(&j), 0);
  CHECK(test_json_valid(j.data, j.len));
  vigil__json_free(&j);
}

static void render(bool openmetrics) {
  static const struct vigil__http_totals http = { .ok = 7 };
  static const struct vigil__serve_totals serve = { .slow = 8 };
  struct vigil__metrics m = { .openmetrics = openmetrics };

  vigil__metrics_lag(&m, &facts);
  vigil__metrics_v8(&m, &facts);
  vigil__metrics_judged(&m, &facts);
  vigil__metrics_process(&m, &facts, T + VIGIL__MS);
  vigil__metrics_server(&m, &http, &serve, 3);
  CHECK_EQ(vigil__metrics_finish(&m), 0);
  text = strndup(m.data, m.len);
  free(m.data);
}

TEST(metrics_as_text) {
  setup();
  threads[0].has_lag = true;
  threads[0].lag.p99_ns = 1234567890;
  threads[0].utilization_ppm = 250000;
  render(false);
  HAS("# TYPE nodejs_eventloop_lag_p99_seconds gauge\n"
      "nodejs_eventloop_lag_p99_seconds{thread=\"t0\"} 1.23456789\n# ");
  HAS("nodejs_eventloop_utilization_ratio{thread=\"t0\"} 0.25\n");
  HAS("# TYPE vigil_stalls_total counter\n"
      "vigil_stalls_total{thread=\"t0\",cause=\"unknown\"} 0\n");
  HAS("# TYPE vigil_info gauge\nvigil_info{version=");
  HAS("\nvigil_thread_info{thread=\"t0\",name=\"a \\\"name\\\"\\\\\\n?\"} 1\n");
  HAS("\nvigil_eventloop_lag_seconds_bucket{thread=\"t1\",le=\"1.0\"} 0\n");
  HAS("\nvigil_eventloop_lag_seconds_bucket{thread=\"t1\",le=\"+Inf\"} 5000\n"
      "vigil_eventloop_lag_seconds_sum{thread=\"t1\"} 0.0\n"
      "vigil_eventloop_lag_seconds_count{thread=\"t1\"} 5000\n");
  HAS("\nvigil_rule_limit_ratio{thread=\"t0\",rule=\"lag-p99\"} 1.5\n");
  HAS("\nvigil_rule_state{thread=\"t0\",rule=\"gc-share\"} 2\n");
  HAS("\nvigil_budget_cooldown_seconds 6.0\n");
  HAS("\nvigil_tick_age_seconds 0.001\n");
  HAS("\nvigil_http_requests_total{result=\"ok\"} 7\n");
  HAS("v8js_memory_heap_used_bytes{thread=\"t1\",v8js_heap_space_name="
      "\"old_space\"} 4\n");
  HAS_NOT("# UNIT");
  HAS_NOT("# EOF");
  HAS_NOT("rule=\"stall\"");  /* It is off. */
  HAS_NOT("vigil_heap_limit_bytes");  /* No full collection yet. */
  free(text);
}

TEST(metrics_as_openmetrics) {
  setup();
  render(true);
  HAS("# TYPE vigil_stalls counter\nvigil_stalls_total{");
  HAS("# TYPE vigil_stall_seconds counter\n# UNIT vigil_stall_seconds "
      "seconds\nvigil_stall_seconds_total{");
  HAS("# TYPE vigil info\nvigil_info{");
  HAS_NOT("nodejs_eventloop_lag_p99");  /* No window yet. */
  CHECK_STR(text + strlen(text) - 7, "\n# EOF\n");
  free(text);
}

TEST(metrics_of_nothing) {
  memset(&facts, 0, sizeof(facts));
  facts.config = &config;
  render(true);
  HAS("# EOF\n");
  HAS_NOT("thread=");
  free(text);
}
