/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "helper_line.h"

#include <string.h>

static const char* const totals[VIGIL__HELPER_TOTALS] = {
  [VIGIL__HELPER_REPORTS] = "reports",
  [VIGIL__HELPER_SHIPPED] = "shipped",
  [VIGIL__HELPER_SHIP_FAILED] = "ship-failed",
  [VIGIL__HELPER_LEFT] = "left"
};

/* What follows `word` and a space, or NULL. */
static const char* after(const char* line, const char* word) {
  const size_t len = strlen(word);

  return strncmp(line, word, len) == 0 && line[len] == ' ' ? line + len + 1
                                                           : NULL;
}

/* Nothing but digits, few enough. */
static bool parse_number(const char* s, uint64_t* n) {
  const size_t len = strspn(s, "0123456789");

  if (len == 0 || len > 15 || s[len] != '\0')
    return false;
  for (*n = 0; *s != '\0'; s++)
    *n = *n * 10 + (uint64_t) (*s - '0');
  return true;
}

void vigil__helper_line_parse(const char* line, struct vigil__helper_said* s) {
  const char* rest;
  const char* n;
  int i;

  *s = (struct vigil__helper_said) { VIGIL__HELPER_OTHER, line, 0, 0 };
  if ((rest = after(line, "log")) != NULL) {
    s->word = VIGIL__HELPER_LOG;
    s->text = rest;
  } else if ((rest = after(line, "fail")) != NULL) {
    s->word = VIGIL__HELPER_FAIL;
    s->text = rest;
  } else if ((rest = after(line, "done")) != NULL) {
    if (parse_number(rest, &s->n))
      s->word = VIGIL__HELPER_DONE;
  } else if ((rest = after(line, "total")) != NULL) {
    for (i = 0; i < VIGIL__HELPER_TOTALS; i++) {
      n = after(rest, totals[i]);
      if (n == NULL || !parse_number(n, &s->n))
        continue;
      s->word = VIGIL__HELPER_TOTAL;
      s->total = (enum vigil__helper_total) i;
    }
  }
}

bool vigil__helper_lines_take(struct vigil__helper_lines* l,
                              const char** data,
                              size_t* len) {
  char c;

  while (*len != 0) {
    c = *(*data)++;
    --*len;
    if (c == '\n') {
      l->line[l->len] = '\0';
      l->len = 0;
      return true;
    }
    if (l->len < sizeof(l->line) - 1 && c != '\0')
      l->line[l->len++] = c;
  }
  return false;
}
