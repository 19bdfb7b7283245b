/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "config.h"

#include "clock.h"
#include "text.h"

#include <inttypes.h>  /* PRIu64 */
#include <stdio.h>     /* snprintf */
#include <string.h>

#define MIN (60 * VIGIL__SEC)
#define HOUR (60 * MIN)
#define SHOWN 64  /* Bytes of a wrong value that a message shows. */
#define FORM 128  /* Enough for the accepted form of any variable. */

enum kind {
  WORD,             /* One of `words`; the value is its index. */
  MILLISECONDS,
  DURATION,
  DURATION_OR_OFF,  /* off: 0 */
  PATH
};

struct variable {
  const char* name;
  enum kind kind;
  size_t offset;
  const char* standard;  /* The default, as one would write it. */
  uint64_t min;
  uint64_t max;
  const char* const* words;
  const char* help;
};

static const char* const mode_words[] = { "auto", "on", "off", NULL };
static const char* const switch_words[] = { "off", "on", NULL };

#define FIELD(name) offsetof(struct vigil__config, name)

/* Parsing, defaults, messages and documentation all come from here. */
static const struct variable variables[] = {
  { "VIGIL", WORD, FIELD(mode), "auto", 0, 0, mode_words,
    "`auto` watches a process from the moment it serves, `on` from the start, "
    "`off` never." },
  { "VIGIL_LAG_P99_MS", MILLISECONDS, FIELD(lag_p99_ns), "50", VIGIL__MS,
    60 * VIGIL__SEC, NULL,
    "An incident needs a p99 of the event loop lag over this..." },
  { "VIGIL_WINDOW", DURATION, FIELD(window_ns), "10s", VIGIL__SEC, 10 * MIN,
    NULL, "...over a window of this length..." },
  { "VIGIL_FOR", DURATION, FIELD(for_ns), "10s", 0, 10 * MIN, NULL,
    "...for at least this long." },
  { "VIGIL_DIR", PATH, FIELD(dir), "${TMPDIR:-/tmp}/vigil-<uid>", 0, 0, NULL,
    "Where incidents are written." },
  { "VIGIL_COOLDOWN", DURATION, FIELD(cooldown_ns), "10m", 0, 24 * HOUR, NULL,
    "No new incident this soon after the last one in `VIGIL_DIR`." },
  { "VIGIL_GRACE", DURATION, FIELD(grace_ns), "10s", 0, 10 * MIN, NULL,
    "No incident this soon after the start." },
  { "VIGIL_CPU_PROFILE", DURATION_OR_OFF, FIELD(cpu_profile_ns), "10s",
    VIGIL__SEC, MIN, NULL, "How long an incident records a CPU profile." },
  { "VIGIL_HEAP_SNAPSHOT", WORD, FIELD(heap_snapshot), "on", 0, 0,
    switch_words, "Whether an incident takes a heap snapshot." },
};

#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

/* isdigit() and strtod() ask the locale, which the application may set. */
static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* Digits, optionally a point and more digits, times `unit`; what follows them
 * goes to `rest`. Decimals below 1 ns are cut off. */
static bool parse_decimal(const char* s,
                          uint64_t unit,
                          uint64_t* ns,
                          const char** rest) {
  uint64_t digit;

  *ns = 0;
  if (!is_digit(*s))
    return false;
  for (; is_digit(*s); s++) {
    digit = (uint64_t) (*s - '0') * unit;
    if (__builtin_mul_overflow(*ns, 10, ns) ||
        __builtin_add_overflow(*ns, digit, ns))
      return false;
  }
  if (*s == '.') {
    if (!is_digit(*++s))
      return false;
    for (; is_digit(*s); s++) {
      unit /= 10;
      digit = (uint64_t) (*s - '0') * unit;
      if (__builtin_add_overflow(*ns, digit, ns))
        return false;
    }
  }
  *rest = s;
  return true;
}

static bool parse_duration(const char* s, uint64_t* ns) {
  static const struct { const char* name; uint64_t ns; } units[] = {
    { "", VIGIL__SEC }, { "ms", VIGIL__MS }, { "s", VIGIL__SEC },
    { "m", MIN }, { "h", HOUR }
  };
  const char* rest;
  size_t i;

  for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
    if (parse_decimal(s, units[i].ns, ns, &rest) &&
        strcmp(rest, units[i].name) == 0)
      return true;
  return false;
}

static void print_duration(char* to, size_t size, uint64_t ns) {
  static const struct { const char* name; uint64_t ns; } units[] = {
    { "h", HOUR }, { "m", MIN }, { "s", VIGIL__SEC }, { "ms", VIGIL__MS }
  };
  size_t i = 0;

  /* Not 0h, and not 1h for 60m: the table has 10m, 24h and 0s. */
  while (i < 3 && (ns % units[i].ns != 0 || (ns == 0 && i < 2)))
    i++;
  snprintf(to, size, "%" PRIu64 "%s", ns / units[i].ns, units[i].name);
}

/* The accepted form in words. */
static void print_form(const struct variable* v, char* to, size_t size) {
  char min[24];
  char max[24];
  size_t len = 0;
  size_t i;

  switch (v->kind) {
    case WORD:
      *to = '\0';
      for (i = 0; v->words[i] != NULL && len < size; i++)
        len += (size_t) snprintf(
            to + len, size - len, "%s%s",
            i == 0 ? "" : v->words[i + 1] == NULL ? " or " : ", ",
            v->words[i]);
      break;
    case MILLISECONDS:
      snprintf(to, size, "milliseconds from %" PRIu64 " to %" PRIu64,
               v->min / VIGIL__MS, v->max / VIGIL__MS);
      break;
    case DURATION:
    case DURATION_OR_OFF:
      print_duration(min, sizeof(min), v->min);
      print_duration(max, sizeof(max), v->max);
      snprintf(to, size,
               "a duration from %s to %s (10, 10s, 500ms, 2m)%s", min, max,
               v->kind == DURATION ? "" : ", or off");
      break;
    case PATH:
      snprintf(to, size, "a path of 1 to %d bytes", VIGIL__DIR_MAX - 1);
      break;
  }
}

/* Leaves the field as it is when it does not understand `s`. */
static bool parse(const struct variable* v, struct vigil__config* c,
                  const char* s) {
  char* field = (char*) c + v->offset;
  const char* rest;
  uint64_t value = 0;
  bool ok = false;

  switch (v->kind) {
    case WORD:
      while (v->words[value] != NULL && strcmp(v->words[value], s) != 0)
        value++;
      ok = v->words[value] != NULL;
      break;
    case MILLISECONDS:
      ok = parse_decimal(s, VIGIL__MS, &value, &rest) && *rest == '\0' &&
           value >= v->min && value <= v->max;
      break;
    case DURATION_OR_OFF:
      ok = strcmp(s, "off") == 0;
      if (ok)
        break;
      __attribute__((fallthrough));
    case DURATION:
      ok = parse_duration(s, &value) && value >= v->min && value <= v->max;
      break;
    case PATH:
      if (*s == '\0' || strlen(s) >= VIGIL__DIR_MAX)
        return false;
      strcpy(field, s);
      return true;
  }
  if (ok)
    memcpy(field, &value, sizeof(value));
  return ok;
}

/* Also when TMPDIR is too long to append to. */
static void default_dir(char* dir, const char* tmp, unsigned uid) {
  if (tmp == NULL || *tmp == '\0' || strlen(tmp) > VIGIL__DIR_MAX - 32)
    tmp = "/tmp";
  snprintf(dir, VIGIL__DIR_MAX, "%s/vigil-%u", tmp, uid);
}

void vigil__config_read(struct vigil__config* c,
                        unsigned uid,
                        vigil__config_get get,
                        vigil__config_line complain,
                        void* arg) {
  char used[VIGIL__DIR_MAX];
  char line[VIGIL__DIR_MAX + 256];
  char shown[SHOWN];
  char form[FORM];
  const struct variable* v;
  const char* value;

  memset(c, 0, sizeof(*c));
  for (v = variables; v < variables + VARIABLES; v++) {
    if (v->kind == PATH)
      default_dir((char*) c + v->offset, get(arg, "TMPDIR"), uid);
    else
      parse(v, c, v->standard);
    value = get(arg, v->name);
    if (value == NULL || parse(v, c, value))
      continue;
    vigil__text_escape(shown, sizeof(shown), value);
    vigil__text_escape(used, sizeof(used),
                       v->kind == PATH ? (char*) c + v->offset : v->standard);
    print_form(v, form, sizeof(form));
    snprintf(line, sizeof(line),
             "%s=\"%s\" is not understood: want %s; using %s",
             v->name, shown, form, used);
    complain(arg, line);
  }
}

void vigil__config_print(vigil__config_line print, void* arg) {
  const struct variable* v;
  char line[512];
  char form[FORM];

  print(arg, "| Variable | Default | Value | Meaning |");
  print(arg, "|---|---|---|---|");
  for (v = variables; v < variables + VARIABLES; v++) {
    print_form(v, form, sizeof(form));
    snprintf(line, sizeof(line), "| `%s` | `%s` | %s | %s |", v->name,
             v->standard, form, v->help);
    print(arg, line);
  }
}
