/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "control_ask.h"

#include "clock.h"
#include "config_value.h"
#include "query.h"
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>   /* vsnprintf */
#include <string.h>

/* What it says may have come from the request. */
__attribute__((format(printf, 3, 4)))
static int refuse(char why[VIGIL__CONTROL_WHY], int err,
                  const char* format, ...) {
  char text[VIGIL__CONTROL_WHY];
  va_list args;

  va_start(args, format);
  vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  vigil__text_escape(why, VIGIL__CONTROL_WHY, text);
  return err;
}

static int bad_query(char why[VIGIL__CONTROL_WHY]) {
  return refuse(why, -EINVAL, "the query has a name or a value that is too "
                "long, or a wrong escape");
}

/* ---- captures */

static const struct vigil__value_form time_form = {
  VIGIL__VALUE_DURATION, 100 * VIGIL__MS, 60 * VIGIL__SEC, NULL, NULL, 0
};
static const struct vigil__value_form thread_form = {
  VIGIL__VALUE_COUNT, 0, UINT32_MAX, NULL, NULL, 0
};
static const struct {
  const char* name;
  unsigned bit;
} pieces[] = {
  { "cpu", VIGIL__CAPTURE_CPU },
  { "heap", VIGIL__CAPTURE_HEAP },
  { "alloc", VIGIL__CAPTURE_ALLOC },
  { "before", VIGIL__CAPTURE_BEFORE }
};

static int parse_as(const struct vigil__query* q,
                    const struct vigil__value_form* form,
                    const char* or_else,
                    uint64_t* value,
                    char why[VIGIL__CONTROL_WHY]) {
  char words[VIGIL__VALUE_FORM];
  const char* reason;

  if (vigil__value_parse(form, q->value, value, &reason))
    return 0;
  vigil__value_form_print(form, words, sizeof(words));
  return refuse(why, -EINVAL, "%s=\"%s\" is not understood: want %s%s",
                q->name, q->value, or_else, words);
}

/* 1: it is none of them. */
static int parse_piece(const struct vigil__query* q,
                       struct vigil__demand* demand,
                       unsigned* without,
                       char why[VIGIL__CONTROL_WHY]) {
  size_t i;

  for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
    if (strcmp(q->name, pieces[i].name) != 0)
      continue;
    if (strcmp(q->value, "off") == 0) {
      *without |= pieces[i].bit;
      return 0;
    }
    demand->want |= pieces[i].bit;
    if (!q->has_value || strcmp(q->value, "on") == 0)
      return 0;
    if (pieces[i].bit == VIGIL__CAPTURE_CPU)
      return parse_as(q, &time_form, "on, off or ", &demand->profile_ns, why);
    return refuse(why, -EINVAL, "%s=\"%s\" is not understood: want on or off",
                  q->name, q->value);
  }
  return 1;
}

int vigil__control_capture(const char* query,
                           struct vigil__demand* demand,
                           char why[VIGIL__CONTROL_WHY]) {
  struct vigil__query q = { .rest = query };
  unsigned without = 0;
  int more;
  int err;

  memset(demand, 0, sizeof(*demand));
  while ((more = vigil__query_next(&q)) == 1) {
    err = parse_piece(&q, demand, &without, why);
    if (err == 1 && strcmp(q.name, "for") == 0)
      err = parse_as(&q, &time_form, "", &demand->profile_ns, why);
    else if (err == 1 && strcmp(q.name, "thread") == 0)
      err = parse_as(&q, &thread_form, "", &demand->thread_id, why);
    if (err == 1)
      return refuse(why, -EINVAL, "\"%s\" is not known: want cpu, heap, alloc, "
                    "before, for or thread", q.name);
    if (err != 0)
      return err;
  }
  if (more < 0)
    return bad_query(why);
  demand->want &= ~(uint64_t) without;
  if (demand->want == 0 && without != 0)
    demand->want = without | VIGIL__CAPTURE_WITHOUT;
  return 0;
}

const char* vigil__control_refusal(int err, char text[VIGIL__CONTROL_WHY]) {
  char reason[64];

  switch (err) {
    case -ESRCH:
      return "there is no such thread, or it has just ended";
    case -EBUSY:
      return "enough other processes capture now (VIGIL_HOST_CAPTURES)";
    case -EDQUOT:
      return "the budget does not allow it now";
    case -ENOSPC:
      return "there is no room on the disk (VIGIL_DISK, VIGIL_DISK_FREE)";
    case -EIO:
      return "it could not be finished: stderr of the process says why";
    default:
      snprintf(text, VIGIL__CONTROL_WHY, "VIGIL_DIR cannot be used (%s)",
               strerror_r(-err, reason, sizeof(reason)));
      return text;
  }
}

/* ---- limits */

/* The variable that sets the limit at the start says what is accepted. */
static const char* const variables[VIGIL__RULES] = {
  [VIGIL__RULE_LAG] = "VIGIL_LAG_P99_MS",
  [VIGIL__RULE_STALL] = "VIGIL_STALL_TRIGGER",
  [VIGIL__RULE_GC] = "VIGIL_GC_SHARE",
  [VIGIL__RULE_POOL] = "VIGIL_POOL_WAIT_P99_MS",
  [VIGIL__RULE_OLD_SPACE] = "VIGIL_OLD_SPACE_SHARE"
};

static int parse_limit(const struct vigil__query* q,
                       const struct vigil__config* config,
                       struct vigil__control_limits* limits,
                       char why[VIGIL__CONTROL_WHY]) {
  char form[VIGIL__CONFIG_FORM];
  int i;

  for (i = 0; i < VIGIL__RULES; i++) {
    if (strcmp(q->name, vigil__rule_name((enum vigil__rule) i)) == 0)
      break;
  }
  if (i == VIGIL__RULES)
    return refuse(why, -EINVAL, "there is no rule \"%s\": want lag-p99, stall, "
                  "gc-share, pool-wait-p99 or old-space", q->name);
  if (!vigil__config_value(variables[i], q->value, &limits->limit[i], form))
    return refuse(why, -EINVAL, "%s=\"%s\" is not understood: want %s", q->name,
                  q->value, form);
  if (i == VIGIL__RULE_STALL && limits->limit[i] != 0 && config->stall_ns == 0)
    return refuse(why, -EPERM, "VIGIL_STALL_MS is off, so this process does not "
                  "look for stalls");
  limits->set[i] = true;
  return 0;
}

int vigil__control_threshold(const char* query,
                             const struct vigil__config* config,
                             struct vigil__control_limits* limits,
                             char why[VIGIL__CONTROL_WHY]) {
  struct vigil__query q = { .rest = query };
  bool any = false;
  int more;
  int err;

  memset(limits, 0, sizeof(*limits));
  while ((more = vigil__query_next(&q)) == 1) {
    err = parse_limit(&q, config, limits, why);
    if (err != 0)
      return err;
    any = true;
  }
  if (more < 0)
    return bad_query(why);
  if (!any)
    return refuse(why, -EINVAL, "no limit is given: want a rule and its limit, "
                  "as lag-p99=80");
  return 0;
}
