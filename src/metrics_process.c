/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* Families about the process, its thread pool, and Vigil itself. */

#include "metrics.h"

#include "status.h"
#include "vigil.h"

#include <stdio.h>  /* snprintf */

#define LABELS 192

static void put_pool(struct vigil__metrics* m,
                     const char* name,
                     const char* help,
                     const struct vigil__spread spread[VIGIL__WORK_KINDS]) {
  char labels[LABELS];
  int i;

  vigil__metrics_family(m, name, VIGIL__METRIC_HISTOGRAM, VIGIL__UNIT_SECONDS,
                        help);
  for (i = 0; i < VIGIL__WORK_KINDS; i++) {
    snprintf(labels, sizeof(labels), "kind=\"%s\",queue=\"%s\"",
             vigil__pool_name((enum vigil__work_kind) i),
             i == VIGIL__WORK_SLOW_IO ? "slow" : "main");
    vigil__metrics_spread(m, labels, &spread[i]);
  }
}

static void put_pools(struct vigil__metrics* m,
                      const struct vigil__facts_pool* p) {
  put_pool(m, "vigil_threadpool_wait_seconds",
           "How long work waited for a thread of libuv's pool", p->wait);
  put_pool(m, "vigil_threadpool_run_seconds",
           "How long work ran on a thread of libuv's pool", p->run);
  vigil__metrics_one(m, "vigil_threadpool_queued", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_NONE, "Work that waits", p->queued);
  vigil__metrics_one(m, "vigil_threadpool_queued_max", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_NONE, "Most work that waited at once",
                     p->queued_max);
  vigil__metrics_one(m, "vigil_threadpool_running", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_NONE, "Work that runs", p->running);
  vigil__metrics_one(m, "vigil_threadpool_oldest_wait_seconds",
                     VIGIL__METRIC_GAUGE, VIGIL__UNIT_SECONDS,
                     "How long the work at the head of the queue has waited",
                     p->oldest_ns);
  vigil__metrics_one(m, "vigil_threadpool_cancelled", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_NONE,
                     "Work that was cancelled while it waited", p->cancelled);
  vigil__metrics_one(m, "vigil_threadpool_unmeasured", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_NONE,
                     "Work whose wait was not measured: the queue was too long",
                     p->unstamped);
}

static void put_threads(struct vigil__metrics* m,
                        const struct vigil__facts* f) {
  const struct vigil__facts_thread* t;
  char labels[LABELS];
  char name[128];

  vigil__metrics_family(m, "vigil_thread", VIGIL__METRIC_INFO,
                        VIGIL__UNIT_NONE, "Which thread a label means");
  for (t = f->thread; t < f->thread + f->threads; t++) {
    vigil__metrics_label(name, sizeof(name), t->name);
    snprintf(labels, sizeof(labels), "thread=\"%s\",name=\"%s\"", t->label,
             name);
    vigil__metrics_put(m, labels, 1);
  }
  vigil__metrics_one(m, "vigil_threads_left_out", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_NONE,
                     "Threads that are not told of, as there are too many",
                     f->left_out);
}

void vigil__metrics_process(struct vigil__metrics* m,
                            const struct vigil__facts* f,
                            vigil__mono_t now) {
  uint64_t rest;

  vigil__metrics_one(m, "process_cpu_seconds", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_SECONDS,
                     "CPU time of the process, user and system", f->cpu_ns);
  vigil__metrics_one(m, "process_resident_memory_bytes", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_BYTES, "Resident memory of the process",
                     f->resident_bytes);
  vigil__metrics_one(m, "process_start_time_seconds", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_SECONDS,
                     "Unix time at which the process started",
                     f->started_wall_ns);
  put_pools(m, &f->pool);
  vigil__metrics_family(m, "vigil", VIGIL__METRIC_INFO, VIGIL__UNIT_NONE,
                        "Version of Node Vigil");
  vigil__metrics_put(m, "version=\"" VIGIL_VERSION "\"", 1);
  put_threads(m, f);
  vigil__metrics_one(m, "vigil_ready", VIGIL__METRIC_GAUGE, VIGIL__UNIT_NONE,
                     "What /ready says: 1 or 0",
                     vigil__status_ready(f, now, &rest));
  vigil__metrics_one(m, "vigil_capturing", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_NONE, "1 while an incident is being captured",
                     f->capturing);
  vigil__metrics_one(m, "vigil_tick_age_seconds", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_SECONDS, "How old the figures are",
                     now > f->at ? now - f->at : 0);
  vigil__metrics_one(m, "vigil_log_lines_dropped", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_NONE, "Lines that could not be written, or were too many",
                     f->log_dropped);
}

struct named {
  const char* name;
  uint64_t value;
};

static void put_named(struct vigil__metrics* m,
                      const char* label,
                      const struct named* values,
                      size_t n) {
  char labels[LABELS];
  size_t i;

  for (i = 0; i < n; i++) {
    snprintf(labels, sizeof(labels), "%s=\"%s\"", label, values[i].name);
    vigil__metrics_put(m, labels, values[i].value);
  }
}

void vigil__metrics_server(struct vigil__metrics* m,
                           const struct vigil__http_totals* http,
                           const struct vigil__serve_totals* serve,
                           unsigned open) {
  const struct named requests[] = {
    { "ok", http->ok }, { "refused", http->refused },
    { "malformed", http->malformed }, { "too-large", http->too_large },
    { "failed", http->failed }
  };
  const struct named dropped[] = {
    { "slow", serve->slow }, { "idle", serve->evicted },
    { "full", serve->rejected }, { "error", serve->failed }
  };

  vigil__metrics_family(m, "vigil_http_requests", VIGIL__METRIC_COUNTER,
                        VIGIL__UNIT_NONE, "Requests to this server, by result");
  put_named(m, "result", requests, sizeof(requests) / sizeof(requests[0]));
  vigil__metrics_one(m, "vigil_http_connections", VIGIL__METRIC_COUNTER,
                     VIGIL__UNIT_NONE, "Connections to this server",
                     serve->accepted);
  vigil__metrics_one(m, "vigil_http_connections_open", VIGIL__METRIC_GAUGE,
                     VIGIL__UNIT_NONE, "Those that are open", open);
  vigil__metrics_family(m, "vigil_http_dropped", VIGIL__METRIC_COUNTER,
                        VIGIL__UNIT_NONE,
                        "Connections that this server ended, by reason");
  put_named(m, "reason", dropped, sizeof(dropped) / sizeof(dropped[0]));
}
