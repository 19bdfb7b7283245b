/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_FACTS_H_
#define VIGIL_FACTS_H_

#include "arrivals.h"
#include "budget_look.h"
#include "cause.h"
#include "clock.h"
#include "config.h"
#include "gc.h"
#include "helper.h"
#include "lag.h"
#include "ledger.h"
#include "pool.h"
#include "rule.h"
#include "spread.h"
#include "stall.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All that metrics and /status tell, as of one tick of the watch thread: it
 * collects (facts_collect.c) and publishes once a second, with VIGIL_METRICS
 * always, else while somebody asks; the telling thread reads. So what is told belongs together, and a watch thread that is busy
 * writing an incident delays no answer. */
struct vigil__facts_thread {
  bool is_main;
  uint64_t id;                  /* Node's. */
  char name[64];                /* For people. */
  char label[32];               /* "main", "worker-3". */

  bool has_lag;                 /* Some window has been measured. */
  struct vigil__lag lag;        /* Over VIGIL_WINDOW... */
  uint64_t min_ns;              /* 0: some event finds the loop idle. */
  uint64_t utilization_ppm;     /* ...and the part of it that was busy. */
  uint64_t open_ns;             /* Age of the open period; 0: idle. */

  struct vigil__arrivals arrivals;
  uint64_t idle_ns;
  uint64_t own_ns;              /* Our own work. */
  uint64_t longest_ns;
  uint64_t polls;
  uint64_t events;
  struct vigil__spread turn;
  struct vigil__spread late;

  bool has_gc;
  uint64_t gc_ns;
  uint64_t gc_window_ns;        /* Of it in VIGIL_WINDOW. */
  struct vigil__spread gc[VIGIL__GC_KINDS];
  struct vigil__gc_space space[VIGIL__GC_SPACES];
  unsigned spaces;
  uint64_t used_after_bytes;    /* These 0 before the first full collection. */
  uint64_t external_after_bytes;
  uint64_t heap_limit_bytes;

  bool has_rules;               /* It is judged; the rest is 0 without. */
  struct vigil__rule_view rule[VIGIL__RULES];
  uint64_t stalls[VIGIL__CAUSE_CLASSES + 1];
  uint64_t stalls_ns[VIGIL__CAUSE_CLASSES + 1];
  uint64_t stall_open;

  bool has_why;                 /* Somebody asks for causes: that of the
                                 * window. */
  struct vigil__figures figures;
  struct vigil__why why;
};

struct vigil__facts_pool {
  uint64_t queued;
  uint64_t queued_max;
  uint64_t oldest_ns;           /* The head waits for so long. */
  uint64_t running;
  uint64_t cancelled;
  uint64_t unstamped;
  struct vigil__spread wait[VIGIL__WORK_KINDS];
  struct vigil__spread run[VIGIL__WORK_KINDS];
};

struct vigil__facts {
  const struct vigil__config* config;
  vigil__mono_t at;             /* When they were collected; 0: never. */
  uint64_t started_wall_ns;
  uint64_t cpu_ns;              /* Of the process. */
  uint64_t resident_bytes;
  bool armed;
  bool capturing;
  bool incident;                /* One lasts that requests feel... */
  vigil__mono_t ended;          /* ...or was seen last then; 0: none was. */
  uint64_t log_dropped;
  struct vigil__facts_pool pool;
  struct vigil__budget_view budget;
  vigil__mono_t budget_at;      /* When that was looked at; 0: never. */
  struct vigil__ledger ledger;
  struct vigil__helper_counts helper;
  /* Loops that run JavaScript: the main thread's, then Workers' by id. */
  struct vigil__facts_thread* thread;
  size_t threads;
  size_t size;
  size_t left_out;              /* Beyond VIGIL__FACTS_THREADS. */
};

#define VIGIL__FACTS_THREADS 256u
/* Causes are found for so many of them: each takes some reading in /proc. */
#define VIGIL__FACTS_CAUSES 16u

/* Watch thread. Collects, with causes or without, and publishes; at the first
 * call, and from then on, `config` must live on. */
void vigil__facts_collect(const struct vigil__config* config, bool causes);

/* Once, at the start of the process. */
void vigil__facts_init(void);

/* Any thread; between the two the facts stay as they are, and whoever collects
 * waits: so shortly. */
const struct vigil__facts* vigil__facts_lock(void);
void vigil__facts_unlock(void);

/* Any thread. Waits until there are facts that are not older than `age_ns`, but
 * `wait_ns` at most. */
void vigil__facts_wait(uint64_t age_ns, uint64_t wait_ns);

/* For collecting: the facts to fill, with what they were two ticks ago, and to
 * have them told. */
struct vigil__facts* vigil__facts_begin(void);
void vigil__facts_publish(void);

#endif  /* VIGIL_FACTS_H_ */
