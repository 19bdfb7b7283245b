/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "announce.h"

#include "json.h"
#include "ledger.h"
#include "log.h"

#include <inttypes.h>  /* PRIu64 */
#include <stdarg.h>
#include <stdio.h>     /* snprintf */
#include <string.h>

/* What the pieces are called in the line. */
static const char* const pieces[VIGIL__PIECES] = {
  [VIGIL__PIECE_CPU] = "CPU profile",
  [VIGIL__PIECE_HEAP] = "heap snapshot",
  [VIGIL__PIECE_ALLOC] = "allocation profile",
  [VIGIL__PIECE_BEFORE] = "profile of the time before",
  [VIGIL__PIECE_STALLS] = "stalls",
  [VIGIL__PIECE_LEAK] = "leak hunt",
  [VIGIL__PIECE_LEAK_TEXT] = "leak hunt"
};

/* ---- as text */

/* snprintf to the end of a text that is cut where it is full. */
__attribute__((format(printf, 2, 3)))
static void add(char* text, const char* format, ...) {
  const size_t len = strlen(text);
  va_list args;

  va_start(args, format);
  vsnprintf(text + len, VIGIL__LOG_LINE - len, format, args);
  va_end(args);
}

/* The two that people look at first with their whole paths, or else the
 * incident's; the rest by name. */
static void list_files(const struct vigil__incident* i, char* text) {
  int k;

  for (k = VIGIL__PIECE_CPU; k <= VIGIL__PIECE_HEAP; k++) {
    if (i->piece[k].name[0] != '\0')
      add(text, "%s%s/%s/%s", text[0] == '\0' ? "; captured " : " and ",
          i->dir.path, i->artifact.name, i->piece[k].name);
  }
  if (text[0] == '\0')
    add(text, "; wrote %s/%s/incident.json", i->dir.path, i->artifact.name);
  for (; k < VIGIL__PIECES; k++) {
    if (i->piece[k].name[0] != '\0')
      add(text, ", %s", i->piece[k].name);
  }
}

/* ", cause: ..." but of a leak hunt, which has none. */
static void add_cause(const struct vigil__trigger* t, char* text) {
  if (t->leak == 0)
    add(text, ", cause: %s (%s)", vigil__cause_name(t->why.cause),
        t->why.text);
}

/* ---- as JSON: the members of incident.json, by the same names */

static void put_trigger(struct vigil__json* j,
                        const struct vigil__trigger* t) {
  vigil__json_string(j, "thread", t->thread);
  vigil__json_uint(j, "threadId", t->thread_id);
  vigil__json_string(j, "rule", t->rule);
  vigil__json_bool(j, "onDemand", t->demand);
  if (!t->demand) {
    vigil__json_string(j, "unit", t->unit);
    vigil__json_ms(j, "value", t->unit[0] == '%' ? t->value * 100 : t->value);
    vigil__json_ms(j, "limit", t->unit[0] == '%' ? t->limit * 100 : t->limit);
  }
  vigil__json_ms(j, "windowMs", t->lag.window_ns);
  vigil__json_ms(j, "p99Ms", t->lag.p99_ns);
  vigil__json_ms(j, "maxMs", t->lag.max_ns);
  vigil__json_ms(j, "busyMs", t->lag.busy_ns);
  if (t->leak == 0)
    vigil__json_string(j, "cause", vigil__cause_name(t->why.cause));
}

static void put_incident(struct vigil__json* j, const void* arg) {
  const struct vigil__incident* i = arg;
  char path[VIGIL__DIR_MAX + VIGIL__ARTIFACT_NAME];
  int k;

  put_trigger(j, &i->trigger);
  snprintf(path, sizeof(path), "%s/%s", i->dir.path, i->artifact.name);
  vigil__json_string(j, "incident", path);
  vigil__json_array(j, "files");
  for (k = 0; k < VIGIL__PIECES; k++) {
    if (i->piece[k].name[0] != '\0')
      vigil__json_string(j, NULL, i->piece[k].name);
  }
  vigil__json_end(j);
  vigil__json_uint(j, "suppressedBefore", i->grant.suppressed);
}

struct without {
  const struct vigil__trigger* trigger;
  const char* reason;
};

static void put_without(struct vigil__json* j, const void* arg) {
  const struct without* w = arg;

  put_trigger(j, w->trigger);
  vigil__json_string(j, "reason", w->reason);
}

/* ---- the lines */

void vigil__announce(const struct vigil__incident* i) {
  const struct vigil__trigger* t = &i->trigger;
  char files[VIGIL__LOG_LINE] = "";
  char cause[VIGIL__LOG_LINE] = "";
  int k;

  list_files(i, files);
  for (k = 0; k < VIGIL__PIECES; k++) {
    if (i->piece[k].name[0] == '\0' && i->piece[k].note[0] != '\0')
      add(files, "; no %s: %s", pieces[k], i->piece[k].note);
  }
  if (i->grant.suppressed != 0)
    add(files, "; over the budget before it: %" PRIu64, i->grant.suppressed);
  add_cause(t, cause);
  vigil__log_event(VIGIL__LOG_INCIDENT, put_incident, i, "%s%s%s", t->headline,
                   cause, files);
}

static void say_refused(const struct vigil__config* config,
                        const struct vigil__trigger* t,
                        int answer) {
  const struct without w = {
    t, vigil__refusal_name(vigil__ledger_refusal(answer))
  };
  const char* why = vigil__budget_reason((enum vigil__budget_answer) answer);
  char cause[VIGIL__LOG_LINE] = "";

  add_cause(t, cause);
  if (answer == VIGIL__BUDGET_DISK)
    vigil__log_event(VIGIL__LOG_REFUSED, put_without, &w,
                     "%s, but nothing can be captured in %s: %s", t->headline,
                     config->dir, why);
  else
    vigil__log_event(VIGIL__LOG_REFUSED, put_without, &w,
                     "%s%s; not captured: %s", t->headline, cause, why);
}

void vigil__announce_none(const struct vigil__config* config,
                          const struct vigil__trigger* trigger,
                          const struct vigil__artifact_dir* dir,
                          int answer) {
  const char* why = dir->error[0] != '\0' ? dir->error : strerror(-answer);
  const struct without w = { trigger, why };

  if (trigger->again)
    return;
  if (answer > 0)
    say_refused(config, trigger, answer);
  else
    vigil__log_event(VIGIL__LOG_FAILED, put_without, &w,
                     "%s, but nothing can be captured in %s: %s",
                     trigger->headline, config->dir, why);
}

void vigil__announce_failed(const struct vigil__incident* i, int err) {
  const struct without w = { &i->trigger, strerror(-err) };

  vigil__log_event(VIGIL__LOG_FAILED, put_without, &w,
                   "%s, but the incident could not be written to %s: %s",
                   i->trigger.headline, i->dir.path, w.reason);
}
