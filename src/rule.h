/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_RULE_H_
#define VIGIL_RULE_H_

#include "clock.h"
#include "config.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The rules of one loop as a pure state machine: no clock, no I/O. Any one
 * thread. What an incident may cost is not asked here but in budget.h.
 *
 * A rule fires when its figure is over its limit for long enough. From then on
 * its incident lasts until the figure stays below half the limit for a whole
 * window. While it lasts, and once vigil__rule_began() has said that it is
 * being captured, the rule does not fire again; before that (the budget said
 * no) it does, marked as `again`. */
enum vigil__rule {
  VIGIL__RULE_LAG,              /* Lag p99 over the window, ns. */
  VIGIL__RULE_STALL,            /* Longest stall open now, or ended since the
                                 * last evaluation, ns; 0: none. At once. */
  VIGIL__RULE_GC,               /* GC pauses' share of the window, ppm. */
  VIGIL__RULE_POOL,             /* Wait for the thread pool: p99 over the
                                 * window or the oldest that waits, ns. */
  VIGIL__RULE_OLD_SPACE,        /* Share of the heap limit that the last full
                                 * collection left in use, ppm; and growing. */
  VIGIL__RULES
};

struct vigil__rule_limit {
  uint64_t limit;               /* The figure must be over it... 0: off. */
  uint64_t for_ns;              /* ...for this long. 0: at once. */
};

struct vigil__rule_config {
  struct vigil__rule_limit rule[VIGIL__RULES];
  uint64_t window_ns;           /* Calm for this long ends an incident. */
  uint64_t grace_ns;            /* Nothing fires this soon after the start. */
};

/* Zero it, then set `start`. */
struct vigil__rule_state {
  vigil__mono_t start;          /* When the grace period began. */
  vigil__mono_t last_eval;
  struct {
    vigil__mono_t since;        /* Over the limit since then; 0: it is not. */
    vigil__mono_t calm;         /* Below half of it since then; 0: it is not. */
    uint64_t value;             /* The figure at `since`... */
    uint64_t full_gcs;          /* ...and the collections until then. */
    bool fired;                 /* Fired, and that incident is not over. */
    bool open;                  /* It is or was captured. */
  } rule[VIGIL__RULES];
};

struct vigil__rule_figure {
  uint64_t value;               /* Without our own work (masked). */
  bool valid;                   /* False: not known (window not full, no full
                                 * collection yet...), which proves nothing. */
};

struct vigil__rule_input {
  vigil__mono_t now;
  struct vigil__rule_figure figure[VIGIL__RULES];
  uint64_t full_gcs;            /* Full collections so far. */
  bool capturing;               /* An incident is being written. */
};

enum vigil__rule_decision {     /* A higher one wins. */
  VIGIL__RULE_IDLE,             /* No figure over its limit, or too early. */
  VIGIL__RULE_OPEN,             /* A capture runs, or its incident lasts. */
  VIGIL__RULE_PENDING,          /* Over, but not for long enough. */
  VIGIL__RULE_FIRE              /* Ask the budget, then capture. */
};

struct vigil__rule_result {
  enum vigil__rule_decision decision;
  enum vigil__rule rule;        /* Which; the first one in order of the enum. */
  uint64_t value;               /* Its figure, in its unit... */
  uint64_t limit;               /* ...and its limit. */
  uint64_t ratio;               /* The figure in 1/1000 of its limit. */
  bool again;                   /* FIRE: as before, in the same incident. */
  const char* reason;           /* Static, for people; part of a sentence. */
};

/* Evaluations further apart than this prove nothing about the time between:
 * the process was suspended or this thread starved. */
#define VIGIL__RULE_MAX_GAP_NS (3 * VIGIL__SEC)

/* A heap leaks when one full collection after another leaves it over the limit:
 * so many after the first, and the last one this much more than the first. A
 * big heap that stays as big is not a leak. */
#define VIGIL__RULE_LEAK_GCS 2u
#define VIGIL__RULE_LEAK_PPM 5000u

void vigil__rule_configure(struct vigil__rule_config* rules,
                           const struct vigil__config* config);

/* Call it about once a second. At most one rule fires; what else would have
 * fired does so at the next call. */
struct vigil__rule_result vigil__rule_eval(
    const struct vigil__rule_config* config,
    struct vigil__rule_state* state,
    const struct vigil__rule_input* in);

/* How a rule stands, for people and machines that ask. */
enum vigil__rule_stand {
  VIGIL__STAND_OFF,             /* Switched off. */
  VIGIL__STAND_IDLE,            /* Not over the limit; or not known. */
  VIGIL__STAND_PENDING,         /* Over it, but not for long enough. */
  VIGIL__STAND_INCIDENT         /* It fired, and that incident lasts, captured
                                 * or not. */
};

struct vigil__rule_view {
  enum vigil__rule_stand stand;
  bool captured;                /* INCIDENT: it is or was. */
  uint64_t limit;
  struct vigil__rule_figure figure;  /* As of the last evaluation. */
  uint64_t left_ns;             /* PENDING: until it fires, if it stays so.
                                 * INCIDENT: until it is over, if it stays
                                 * calm; UINT64_MAX: it is not calm. */
  const char* reason;           /* Static, part of a sentence. */
};

/* `figure`: what the last evaluation was given for this rule. Pure. */
struct vigil__rule_view vigil__rule_look(
    const struct vigil__rule_config* config,
    const struct vigil__rule_state* state,
    const struct vigil__rule_figure* figure,
    enum vigil__rule rule);

/* As metrics and /status call it: "pending". */
const char* vigil__stand_name(enum vigil__rule_stand stand);

/* The incident that `rule` fired for is being captured. */
void vigil__rule_began(struct vigil__rule_state* state, enum vigil__rule rule);

/* As incident.json and metrics call it: "lag-p99". */
const char* vigil__rule_name(enum vigil__rule rule);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_RULE_H_ */
