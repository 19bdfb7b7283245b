/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "gc.h"
#include "os.h"
#include "pool.h"
#include "report.h"
#include "snapshot.h"
#include "test.h"
#include "thread.h"
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what thread.c, watch.c, hooks.c and v8_bridge.cc have in Node */

static bool on = true;
static bool armed;
static int started;
static int locked;
static struct vigil__thread* list;
static struct vigil__gc* gc;

bool vigil__on(void) {
  return on;
}

void vigil__watch_start(void) {
  started++;
}

struct vigil__snapshot_counts vigil__snapshot_counts;

bool vigil__watch_armed(void) {
  return armed;
}

void vigil__threads_lock(void) {
  CHECK(on);
  CHECK_EQ(locked++, 0);
}

void vigil__threads_unlock(void) {
  CHECK_EQ(--locked, 0);
}

struct vigil__thread* vigil__threads_first(void) {
  CHECK_EQ(locked, 1);
  return list;
}

void vigil__isolate_gc(struct vigil__isolate* iso,
                       struct vigil__gc_copy* copy) {
  CHECK(iso != NULL);
  vigil__gc_read(gc, copy);
}

/* ---- */

static vigil__mono_t now;
static struct vigil__json j;

static vigil__mono_t get_now(void) {
  return now;
}

/* As thread.c does it: the newest is the first. */
static struct vigil__thread* add(enum vigil__thread_kind kind,
                                 uint64_t id,
                                 const char* name) {
  struct vigil__thread* t = calloc(1, sizeof(*t));

  CHECK(t != NULL);
  t->loop = vigil__loop_new(++now);
  t->kind = kind;
  t->id = id;
  snprintf(t->name, sizeof(t->name), "%s", name);
  t->next = list;
  list = t;
  return t;
}

static void setup(void) {
  vigil__os.mono = get_now;
  now = VIGIL__SEC;
  gc = vigil__gc_new();
}

static void teardown(void) {
  struct vigil__thread* t;

  while ((t = list) != NULL) {
    list = t->next;
    vigil__window_free(t->window);
    if (t->loop != NULL)
      vigil__loop_free(t->loop);
    free(t);
  }
  vigil__gc_free(gc);
  vigil__json_free(&j);
}

static void busy(struct vigil__thread* t, uint64_t ns) {
  vigil__loop_turn(t->loop);
  vigil__loop_poll_exit(t->loop, now, 2);
  now += ns;
  vigil__loop_poll_enter(t->loop, now);
}

/* As watch.c does it. */
static void tick(struct vigil__thread* t) {
  struct vigil__gc_copy copy;

  if (t->window == NULL)
    t->window = vigil__window_new();
  CHECK_EQ(vigil__window_tick(t->window, t->loop), 0);
  vigil__gc_read(gc, &copy);
  t->gc_pause_ns[t->ticks++ % VIGIL__GC_SECONDS] = copy.pause_ns;
}

static const char* text(void) {
  CHECK_EQ(vigil__json_finish(&j), 0);
  CHECK(test_json_valid(j.data, j.len));
  j.data = realloc(j.data, j.len + 1);
  j.data[j.len] = '\0';
  CHECK_EQ(locked, 0);
  return j.data;
}

static const char* lag_text(uint64_t window_ns) {
  vigil__json_free(&j);
  vigil__report_lag(&j, window_ns);
  return text();
}

static const char* snapshot_text(void) {
  vigil__json_free(&j);
  vigil__report_snapshot(&j);
  return text();
}

static const char* histogram_text(void) {
  vigil__json_free(&j);
  vigil__report_histogram(&j);
  return text();
}

/* `what` is in the text; the rest of the text, behind it. */
static const char* has(const char* s, const char* what) {
  const char* at = strstr(s, what);

  if (at == NULL)
    test_fail(__FILE__, __LINE__, "no %s in\n%s", what, s);
  return at + strlen(what);
}

/* 10 s with one period of 500 ms: the example of the design. */
TEST(report_lag_of_a_window) {
  struct vigil__thread* t;
  int i;

  setup();
  t = add(VIGIL__THREAD_MAIN, 0, "main thread");
  vigil__loop_poll_enter(t->loop, now);
  tick(t);
  vigil__gc_begin(gc, VIGIL__GC_SCAVENGE, now);
  vigil__gc_end(gc, VIGIL__GC_SCAVENGE, now + 7 * VIGIL__MS);
  busy(t, 500 * VIGIL__MS);
  now += 500 * VIGIL__MS;
  tick(t);
  for (i = 0; i < 9; i++) {
    now += VIGIL__SEC;
    tick(t);
  }
  now += 250 * VIGIL__MS;
  CHECK_STR(lag_text(10 * VIGIL__SEC),
            "{\n"
            "  \"off\": false,\n"
            "  \"windowMs\": 10000.000000,\n"
            "  \"loops\": [\n"
            "    {\n"
            "      \"threadId\": 0,\n"
            "      \"name\": \"main thread\",\n"
            "      \"kind\": \"main\",\n"
            "      \"ended\": false,\n"
            "      \"windowMs\": 10000.000000,\n"
            "      \"filled\": true,\n"
            "      \"ageMs\": 250.000000,\n"
            "      \"p50Ms\": 0.000000,\n"
            "      \"p90Ms\": 0.000000,\n"
            "      \"p99Ms\": 400.000000,\n"
            "      \"p999Ms\": 490.000000,\n"
            "      \"meanMs\": 12.500000,\n"
            "      \"maxMs\": 500.000000,\n"
            "      \"busyMs\": 500.000000,\n"
            "      \"utilization\": 0.050000,\n"
            "      \"gcMs\": 7.000000,\n"
            "      \"periods\": 1,\n"
            "      \"polls\": 1,\n"
            "      \"events\": 2\n"
            "    }\n"
            "  ]\n"
            "}\n");
  /* The last nine seconds were calm. */
  has(has(lag_text(9 * VIGIL__SEC), "\"p999Ms\": 0.000000"),
      "\"gcMs\": 0.000000");
  teardown();
}

TEST(report_lag_before_the_first_tick_is_empty) {
  struct vigil__thread* t;
  const char* s;

  setup();
  t = add(VIGIL__THREAD_MAIN, 0, "main thread");
  vigil__loop_poll_enter(t->loop, now);
  busy(t, VIGIL__SEC);
  s = has(lag_text(10 * VIGIL__SEC), "\"kind\": \"main\"");
  s = has(s, "\"windowMs\": 0.000000,\n      \"filled\": false");
  has(s, "\"utilization\": 0.000000,\n      \"gcMs\": 0.000000");
  tick(t);
  has(has(lag_text(10 * VIGIL__SEC), "\"kind\": \"main\""),
      "\"windowMs\": 0.000000,\n      \"filled\": false");
  teardown();
}

TEST(report_lag_counts_the_open_period) {
  struct vigil__thread* t;

  setup();
  t = add(VIGIL__THREAD_MAIN, 0, "main thread");
  vigil__loop_poll_enter(t->loop, now);
  tick(t);
  vigil__loop_poll_exit(t->loop, now, 1);
  now += 3 * VIGIL__SEC;
  tick(t);
  has(has(lag_text(3 * VIGIL__SEC), "\"maxMs\": 3000.000000"),
      "\"utilization\": 1.000000");
  has(snapshot_text(), "\"openMs\": 3000.000000");
  teardown();
}

TEST(report_orders_loops_and_marks_their_kind) {
  struct vigil__thread* ended;
  struct vigil__thread* other;
  const char* s;

  setup();
  add(VIGIL__THREAD_MAIN, 0, "main thread");
  other = add(VIGIL__THREAD_OTHER, 0, "other 1");
  vigil__loop_poll_enter(other->loop, now);
  ended = add(VIGIL__THREAD_WORKER, 12, "worker 12 (\"db\")");
  add(VIGIL__THREAD_WORKER, 3, "worker 3");
  other = add(VIGIL__THREAD_OTHER, 0, "other 2");
  vigil__loop_poll_enter(other->loop, now);
  add(VIGIL__THREAD_OTHER, 0, "never ran");
  vigil__loop_poll_enter(ended->loop, now);
  tick(ended);
  now += VIGIL__SEC;
  tick(ended);
  vigil__loop_free(ended->loop);
  ended->loop = NULL;

  s = lag_text(VIGIL__SEC);
  s = has(s, "\"threadId\": 0,\n      \"name\": \"main thread\",\n"
             "      \"kind\": \"main\",\n      \"ended\": false");
  s = has(s, "\"threadId\": 3");
  s = has(s, "\"threadId\": 12,\n      \"name\": \"worker 12 (\\u0022db"
             "\\u0022)\",\n      \"kind\": \"worker\",\n      \"ended\": true,"
             "\n      \"windowMs\": 1000.000000");
  s = has(s, "\"threadId\": null,\n      \"name\": \"other 1\",\n"
             "      \"kind\": \"other\"");
  has(s, "\"name\": \"other 2\"");
  CHECK(strstr(s, "never ran") == NULL);

  s = has(snapshot_text(), "\"ended\": true");
  has(s, "\"sinceStart\": null,\n      \"turns\": null,\n"
         "      \"timers\": null,\n      \"gc\": null");
  /* It has no record any more. */
  CHECK(strstr(histogram_text(), "\"threadId\": 12,") == NULL);
  teardown();
}

TEST(report_snapshot_has_all_parts) {
  struct vigil__config config = { .mode = VIGIL__MODE_ON };
  struct vigil__thread* t;
  const char* s;

  setup();
  t = add(VIGIL__THREAD_MAIN, 0, "main thread");
  has(snapshot_text(), "\"startupMs\": null");
  t->iso = (struct vigil__isolate*) &config;  /* Only ever asked for GC. */
  now += 80 * VIGIL__MS;
  vigil__loop_poll_enter(t->loop, now);
  has(snapshot_text(), "\"armed\": false,\n  \"watching\": false");
  tick(t);
  busy(t, 20 * VIGIL__MS);
  vigil__loop_timer(t->loop, now - 5 * VIGIL__MS, now);
  vigil__loop_self_begin(t->loop, now - 3 * VIGIL__MS);
  vigil__loop_self_end(t->loop, now);
  vigil__gc_begin(gc, VIGIL__GC_MARK_SWEEP_COMPACT, now);
  vigil__gc_end(gc, VIGIL__GC_MARK_SWEEP_COMPACT, now + 4 * VIGIL__MS);
  vigil__gc_heap(gc, 1000, 200, 4000);
  vigil__pool_submit(t, VIGIL__WORK_SLOW_IO, now);
  vigil__pool_submit(list, VIGIL__WORK_CPU, now);
  vigil__pool_begin(t, 1, now + 2 * VIGIL__MS);
  now += 60 * VIGIL__MS;
  vigil__pool_end(now);
  armed = true;
  vigil__report_init(&config);

  s = has(snapshot_text(), "{\n  \"off\": false,\n  \"version\": \"");
  s = has(s, "\"mode\": \"on\",\n  \"armed\": true,\n  \"watching\": true");
  s = has(s, "\"threadPool\": {\n    \"queued\": 1,\n    \"queuedMax\": 2,\n"
             "    \"oldestWaitMs\": 60.000000,\n    \"running\": 0,\n"
             "    \"cancelled\": 0,\n    \"unmeasured\": 0,\n"
             "    \"kinds\": [\n");
  s = has(s, "\"kind\": \"cpu\",\n        \"wait\": {\n"
             "          \"count\": 0,");
  s = has(s, "\"kind\": \"slow-io\",\n        \"wait\": {\n"
             "          \"count\": 1,\n          \"totalMs\": 2.000000,");
  s = has(s, "\"run\": {\n          \"count\": 1,\n"
             "          \"totalMs\": 58.000000,\n"
             "          \"maxMs\": 58.000000");
  s = has(s, "\"lag\": {\n        \"last1s\": {\n          \"windowMs\": ");
  s = has(s, "\"last10s\": {");
  s = has(s, "\"last60s\": {");
  s = has(s, "\"sinceStart\": {\n        \"startupMs\": 80.000000,\n"
             "        \"observedMs\": 80.000000,\n"
             "        \"activeMs\": 20.000000,\n"
             "        \"idleMs\": 60.000000,\n"
             "        \"utilization\": 0.250000,\n"
             "        \"openMs\": 0.000000,\n"
             "        \"longestMs\": 20.000000,\n"
             "        \"selfMs\": 3.000000,\n"
             "        \"iterations\": 1,\n"
             "        \"polls\": 1,\n"
             "        \"events\": 2\n");
  s = has(s, "\"turns\": {\n        \"count\": 1,\n"
             "        \"totalMs\": 20.000000,\n");
  s = has(s, "\"timers\": {\n        \"count\": 1,\n"
             "        \"totalMs\": 5.000000,\n"
             "        \"maxMs\": 5.000000,\n"
             "        \"p50Ms\": 5.000000");
  s = has(s, "\"gc\": {\n        \"totalMs\": 4.000000,\n"
             "        \"heapUsedAfterBytes\": 1000,\n"
             "        \"externalAfterBytes\": 200,\n        \"kinds\": [\n");
  has(s, "\"kind\": \"mark-sweep-compact\",\n            \"count\": 1,\n"
         "            \"totalMs\": 4.000000,\n            \"maxMs\": 4.000000");
  config.mode = VIGIL__MODE_AUTO;
  has(snapshot_text(), "\"mode\": \"auto\"");
  teardown();
}

TEST(report_histogram_is_raw) {
  struct vigil__thread* t;

  setup();
  t = add(VIGIL__THREAD_MAIN, 0, "main thread");
  vigil__loop_poll_enter(t->loop, now);
  now += VIGIL__SEC;
  busy(t, 100);
  busy(t, 127);
  vigil__loop_poll_exit(t->loop, now, 1);
  vigil__loop_self_begin(t->loop, now);
  now += 2048;
  vigil__loop_self_end(t->loop, now);
  vigil__loop_poll_enter(t->loop, now);
  busy(t, UINT64_C(1) << 40);
  CHECK_STR(histogram_text(),
            "{\n"
            "  \"off\": false,\n"
            "  \"scheme\": {\n"
            "    \"linearWidthNs\": 32,\n"
            "    \"linearBelowNs\": 1024,\n"
            "    \"bucketsPerOctave\": 32,\n"
            "    \"lastLowerNs\": 137438953472\n"
            "  },\n"
            "  \"loops\": [\n"
            "    {\n"
            "      \"threadId\": 0,\n"
            "      \"name\": \"main thread\",\n"
            "      \"kind\": \"main\",\n"
            "      \"ended\": false,\n"
            "      \"observedMs\": 1100511.630051,\n"
            "      \"busy\": [\n"
            "        {\n"
            "          \"lowerNs\": 96,\n"
            "          \"count\": 2,\n"
            "          \"sumNs\": 227\n"
            "        },\n"
            "        {\n"
            "          \"lowerNs\": 2048,\n"
            "          \"count\": 1,\n"
            "          \"sumNs\": 2048\n"
            "        },\n"
            "        {\n"
            "          \"lowerNs\": 137438953472,\n"
            "          \"count\": 1,\n"
            "          \"sumNs\": 1099511627776\n"
            "        }\n"
            "      ],\n"
            "      \"self\": [\n"
            "        {\n"
            "          \"lowerNs\": 2048,\n"
            "          \"count\": 1,\n"
            "          \"sumNs\": 2048\n"
            "        }\n"
            "      ]\n"
            "    }\n"
            "  ]\n"
            "}\n");
  teardown();
}

TEST(report_when_it_is_off) {
  struct vigil__config config = { .mode = VIGIL__MODE_OFF };

  on = false;
  vigil__report_init(&config);
  vigil__report_measure();
  CHECK_EQ(started, 0);
  CHECK_STR(lag_text(VIGIL__SEC), "{\n  \"off\": true,\n"
            "  \"windowMs\": 1000.000000,\n  \"loops\": []\n}\n");
  has(has(snapshot_text(), "{\n  \"off\": true,\n"),
      "\"mode\": \"off\",\n  \"armed\": false,\n  \"watching\": false,\n");
  has(j.data, "\"loops\": []");
  has(has(histogram_text(), "\"off\": true"), "\"loops\": []");
  on = true;
  vigil__report_measure();
  CHECK_EQ(started, 1);
  vigil__json_free(&j);
}

static int failing;

static void* fail_later(void* p, size_t size) {
  return failing-- == 0 ? NULL : realloc(p, size);
}

TEST(report_without_memory_is_an_error) {
  int i;

  setup();
  add(VIGIL__THREAD_MAIN, 0, "main thread");
  vigil__os.realloc = fail_later;
  for (i = 0; i < 2; i++) {
    failing = i;
    vigil__json_free(&j);
    vigil__report_lag(&j, VIGIL__SEC);
    CHECK_EQ(vigil__json_finish(&j), -ENOMEM);
    CHECK_EQ(locked, 0);
  }
  teardown();
}
