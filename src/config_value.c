/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "config_value.h"

#include "clock.h"
#include "config.h"
#include "config_text.h"

#include <inttypes.h>  /* PRIu64 */
#include <signal.h>
#include <stdio.h>     /* snprintf */
#include <string.h>

#define MIN (60 * VIGIL__SEC)
#define HOUR (60 * MIN)
#define KB UINT64_C(1024)
#define MB (1024 * KB)
#define GB (1024 * MB)
#define TB (1024 * GB)
#define PERCENT UINT64_C(10000)  /* In ppm. */

/* The largest first, so that a value is printed with the largest that fits; what
 * comes after the one without a name is only understood. */
struct unit {
  const char* name;
  uint64_t one;
};

static const struct unit durations[] = {
  { "h", HOUR }, { "m", MIN }, { "s", VIGIL__SEC }, { "ms", VIGIL__MS },
  { "", VIGIL__SEC }, { "d", 24 * HOUR }, { NULL, 0 }
};
static const struct unit sizes[] = {
  { "TB", TB }, { "GB", GB }, { "MB", MB }, { "KB", KB }, { "B", 1 },
  { "", 1 }, { NULL, 0 }
};
static const struct unit percents[] = {
  { "%", PERCENT }, { "", PERCENT }, { NULL, 0 }
};
static const struct unit milliseconds[] = { { "", VIGIL__MS }, { NULL, 0 } };
static const struct unit counts[] = { { "", 1 }, { NULL, 0 } };

/* As os.constants.signals of Node calls those of Linux. */
static const struct {
  const char* name;
  int number;
  const char* refused;
} signals[] = {
  { "SIGHUP", SIGHUP, NULL },
  { "SIGQUIT", SIGQUIT, NULL },
  { "SIGUSR2", SIGUSR2, NULL },
  { "SIGALRM", SIGALRM, NULL },
  { "SIGSTKFLT", SIGSTKFLT, NULL },
  { "SIGCONT", SIGCONT, NULL },
  { "SIGTSTP", SIGTSTP, NULL },
  { "SIGTTIN", SIGTTIN, NULL },
  { "SIGTTOU", SIGTTOU, NULL },
  { "SIGURG", SIGURG, NULL },
  { "SIGXCPU", SIGXCPU, NULL },
  { "SIGXFSZ", SIGXFSZ, "Node ignores it" },
  { "SIGVTALRM", SIGVTALRM, NULL },
  { "SIGWINCH", SIGWINCH, NULL },
  { "SIGIO", SIGIO, NULL },
  { "SIGPOLL", SIGPOLL, NULL },
  { "SIGPWR", SIGPWR, NULL },
  { "SIGKILL", SIGKILL, "it cannot be caught" },
  { "SIGSTOP", SIGSTOP, "it cannot be caught" },
  { "SIGUSR1", SIGUSR1, "Node starts the inspector with it" },
  { "SIGPROF", SIGPROF, "V8 profiles with it" },
  { "SIGINT", SIGINT, "it ends the process" },
  { "SIGTERM", SIGTERM, "it ends the process" },
  { "SIGPIPE", SIGPIPE, "Node ignores it" },
  { "SIGCHLD", SIGCHLD, "Node waits for its children with it" },
  { "SIGSEGV", SIGSEGV, "it tells of a fault" },
  { "SIGBUS", SIGBUS, "it tells of a fault" },
  { "SIGFPE", SIGFPE, "it tells of a fault" },
  { "SIGILL", SIGILL, "it tells of a fault" },
  { "SIGTRAP", SIGTRAP, "it tells of a fault" },
  { "SIGSYS", SIGSYS, "it tells of a fault" },
  { "SIGABRT", SIGABRT, "it tells of a fault" },
  { "SIGIOT", SIGIOT, "it tells of a fault" },
};

/* isdigit() and strtod() ask the locale, which the application may set. */
static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* Digits, optionally a point and more digits, times `one`; what follows them
 * goes to `rest`. Decimals below the smallest unit are cut off. */
static bool parse_decimal(const char* s,
                          uint64_t one,
                          uint64_t* value,
                          const char** rest) {
  uint64_t part = 0;
  const char* d;

  *value = 0;
  if (!is_digit(*s))
    return false;
  for (; is_digit(*s); s++) {
    if (__builtin_mul_overflow(*value, 10, value) ||
        __builtin_add_overflow(*value, (uint64_t) (*s - '0') * one, value))
      return false;
  }
  if (*s == '.') {
    if (!is_digit(*++s))
      return false;
    d = s;
    while (is_digit(*s))
      s++;
    /* From the last digit on it is exact, but for one cut at the end. */
    for (*rest = s; s > d; s--)
      part = (part + (uint64_t) (s[-1] - '0') * one) / 10;
    s = *rest;
    if (__builtin_add_overflow(*value, part, value))
      return false;
  }
  *rest = s;
  return true;
}

static const struct unit* units_of(enum vigil__value_kind kind) {
  switch (kind) {
    case VIGIL__VALUE_MILLISECONDS: return milliseconds;
    case VIGIL__VALUE_DURATION: return durations;
    case VIGIL__VALUE_SIZE: return sizes;
    case VIGIL__VALUE_PERCENT: return percents;
    case VIGIL__VALUE_COUNT: return counts;
    default: return NULL;
  }
}

static bool parse_number(const struct vigil__value_form* form, const char* s,
                         uint64_t* value) {
  const struct unit* u;
  const char* rest;
  uint64_t v;

  for (u = units_of(form->kind); u->name != NULL; u++) {
    if (parse_decimal(s, u->one, &v, &rest) && strcmp(rest, u->name) == 0) {
      if (u->one == 1 && strchr(s, '.') != NULL)
        return false;
      /* Where `off` is a word for it, 0 is understood, too. */
      if (v != 0 || form->other == NULL || form->other_value != 0)
        if (v < form->min || v > form->max)
          return false;
      *value = v;
      return true;
    }
  }
  return false;
}

static bool parse_words(const struct vigil__value_form* form, const char* s,
                        uint64_t* value) {
  uint64_t bits = 0;
  size_t len;
  int i;

  for (;; s += len + 1) {
    len = strcspn(s, ",");
    for (i = 0; form->words[i] != NULL; i++)
      if (strlen(form->words[i]) == len &&
          memcmp(form->words[i], s, len) == 0)
        break;
    if (form->words[i] == NULL)
      return false;
    bits |= UINT64_C(1) << i;
    if (s[len] == '\0')
      break;
  }
  *value = bits;
  return true;
}

static bool parse_signal(const char* s, uint64_t* value, const char** why) {
  size_t i;

  for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
    if (strcmp(s, signals[i].name) != 0)
      continue;
    *why = signals[i].refused;
    if (*why != NULL)
      return false;
    *value = (uint64_t) signals[i].number;
    return true;
  }
  return false;
}

bool vigil__value_parse(const struct vigil__value_form* form,
                        const char* s,
                        uint64_t* value,
                        const char** why) {
  uint64_t i;

  *why = NULL;
  if (form->other != NULL && strcmp(s, form->other) == 0) {
    *value = form->other_value;
    return true;
  }
  switch (form->kind) {
    case VIGIL__VALUE_WORD:
      for (i = 0; form->words[i] != NULL; i++) {
        if (strcmp(s, form->words[i]) == 0) {
          *value = i;
          return true;
        }
      }
      return false;
    case VIGIL__VALUE_WORDS:
      return parse_words(form, s, value);
    case VIGIL__VALUE_SIGNAL:
      return parse_signal(s, value, why);
    case VIGIL__VALUE_LOG:
    case VIGIL__VALUE_PATH:
    case VIGIL__VALUE_LISTEN:
    case VIGIL__VALUE_SOCKET:
      return false;
    default:
      if (!vigil__text_is_kind(form->kind))
        return parse_number(form, s, value);
      *value = 1;
      return vigil__text_check(form->kind, s);
  }
}

static void print_amount(char* to, size_t size, const struct unit* units,
                         uint64_t value) {
  const struct unit* u = units;

  /* 0s and not 0h; 0 and not 0TB. */
  if (value == 0)
    u = units == durations ? &durations[2] : &sizes[5];
  while (value % u->one != 0)
    u++;
  snprintf(to, size, "%" PRIu64 "%s", value / u->one, u->name);
}

static void print_words(const char* const* words, const char* last, char* to,
                        size_t size) {
  size_t len = 0;
  size_t i;

  *to = '\0';
  for (i = 0; words[i] != NULL && len < size; i++)
    len += (size_t) snprintf(to + len, size - len, "%s%s",
                             i == 0 ? "" : words[i + 1] == NULL ? last : ", ",
                             words[i]);
}

void vigil__value_form_print(const struct vigil__value_form* form,
                             char* to,
                             size_t size) {
  const struct unit* units = units_of(form->kind);
  char min[24] = "";
  char max[24] = "";
  char words[VIGIL__VALUE_FORM / 2];
  size_t len;

  if (units != NULL) {
    print_amount(min, sizeof(min), units, form->min);
    print_amount(max, sizeof(max), units, form->max);
  }
  switch (form->kind) {
    case VIGIL__VALUE_WORD:
      print_words(form->words, " or ", to, size);
      break;
    case VIGIL__VALUE_WORDS:
      print_words(form->words, " and ", words, sizeof(words));
      snprintf(to, size, "some of %s with commas between", words);
      break;
    case VIGIL__VALUE_MILLISECONDS:
      snprintf(to, size, "milliseconds from %s to %s", min, max);
      break;
    case VIGIL__VALUE_DURATION:
      snprintf(to, size, "a duration from %s to %s (10, 10s, 500ms, 2m)", min,
               max);
      break;
    case VIGIL__VALUE_SIZE:
      snprintf(to, size, "a size from %s to %s (512KB, 16MB, 1GB)", min, max);
      break;
    case VIGIL__VALUE_PERCENT:
      snprintf(to, size, "a percentage from %s to %s", min, max);
      break;
    case VIGIL__VALUE_COUNT:
      snprintf(to, size, "a number from %s to %s", min, max);
      break;
    case VIGIL__VALUE_SIGNAL:
      snprintf(to, size, "a signal such as SIGUSR2");
      break;
    case VIGIL__VALUE_LOG:
      snprintf(to, size, "text or json (on stderr), the absolute path of a "
               "file (as text), text: or json: and such a path");
      break;
    case VIGIL__VALUE_PATH:
      snprintf(to, size, "a path of 1 to %d bytes", VIGIL__DIR_MAX - 1);
      break;
    case VIGIL__VALUE_LISTEN:
      snprintf(to, size, "a port or ports (9464, 9464-9479), an address with "
               "them (127.0.0.1:9464, [::1]:9464), the absolute path of a UNIX "
               "socket");
      break;
    case VIGIL__VALUE_SOCKET:
      snprintf(to, size, "auto, the absolute path of a UNIX socket or, with / "
               "at the end, of a folder for it (at most %d bytes)",
               VIGIL__LISTEN_PATH - 1);
      break;
    default:
      vigil__text_form_print(form->kind, to, size);
  }
  len = strlen(to);
  if (form->other != NULL)
    snprintf(to + len, size - len, ", or %s", form->other);
}
