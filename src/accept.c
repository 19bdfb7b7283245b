/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "accept.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>  /* strncasecmp */

/* A part of the header, without white space around it. */
struct part {
  const char* at;
  size_t len;
};

static bool is_space(char c) {
  return c == ' ' || c == '\t';
}

/* The part up to `separator` or `*end`, quotes being of no use here; `*s` goes
 * behind it. */
static struct part cut(const char** s, const char* end, char separator) {
  struct part p = { .at = *s };

  while (*s < end && **s != separator)
    (*s)++;
  p.len = (size_t) (*s - p.at);
  if (*s < end)
    (*s)++;
  for (; p.len > 0 && is_space(*p.at); p.at++)
    p.len--;
  while (p.len > 0 && is_space(p.at[p.len - 1]))
    p.len--;
  return p;
}

static bool is(struct part p, const char* word) {
  return p.len == strlen(word) && strncasecmp(p.at, word, p.len) == 0;
}

/* 0 .. 1000; what is no weight counts as none. */
static unsigned weight_of(struct part p) {
  static const unsigned digit[] = { 100, 10, 1 };
  unsigned weight;
  size_t i;

  if (p.len == 0 || p.len > 5 || (p.at[0] != '0' && p.at[0] != '1') ||
      (p.len > 1 && p.at[1] != '.'))
    return 0;
  weight = p.at[0] == '1' ? 1000 : 0;
  for (i = 2; i < p.len; i++) {
    if (p.at[i] < '0' || p.at[i] > '9')
      return 0;
    weight += (unsigned) (p.at[i] - '0') * digit[i - 2];
  }
  return weight > 1000 ? 1000 : weight;
}

/* One media range: which format it names (-1: none of ours), with which
 * weight, and how exactly. */
struct range {
  int format;
  unsigned weight;
  unsigned exact;
};

static struct range parse(struct part item) {
  const char* s = item.at;
  const char* const end = item.at + item.len;
  const struct part type = cut(&s, end, ';');
  struct range r = { -1, 1000, 2 };
  struct part version = { NULL, 0 };
  struct part p;
  const char* t;

  while (s < end) {
    p = cut(&s, end, ';');
    t = p.at;
    if (p.len > 2 && strncasecmp(t, "q=", 2) == 0)
      r.weight = weight_of((struct part) { t + 2, p.len - 2 });
    else if (p.len > 8 && strncasecmp(t, "version=", 8) == 0)
      version = (struct part) { t + 8, p.len - 8 };
  }
  if (is(type, "application/openmetrics-text")) {
    if (version.at == NULL || is(version, "1.0.0"))
      r.format = VIGIL__EXPOSITION_OPENMETRICS;
    else if (is(version, "0.0.1"))
      r.format = VIGIL__EXPOSITION_OPENMETRICS_0;
  } else if (is(type, "text/plain")) {
    if (version.at == NULL || is(version, "0.0.4"))
      r.format = VIGIL__EXPOSITION_TEXT;
  } else if (is(type, "text/*") || is(type, "*/*")) {
    r.format = VIGIL__EXPOSITION_TEXT;
    r.exact = is(type, "text/*");
  }
  return r;
}

enum vigil__exposition vigil__accept(const char* accept) {
  const char* const end = accept + strlen(accept);
  unsigned weight[3] = { 0, 0, 0 };
  unsigned exact[3] = { 0, 0, 0 };
  int best = VIGIL__EXPOSITION_TEXT;
  struct range r;
  int i;

  while (accept < end) {
    r = parse(cut(&accept, end, ','));
    /* The most exact range decides, and of equal ones the heaviest. */
    if (r.format < 0 || r.exact < exact[r.format] ||
        (r.exact == exact[r.format] && r.weight < weight[r.format]))
      continue;
    weight[r.format] = r.weight;
    exact[r.format] = r.exact;
  }
  for (i = VIGIL__EXPOSITION_OPENMETRICS_0; i > 0; i--) {
    if (weight[i] != 0 && weight[i] >= weight[best])
      best = i;
  }
  return (enum vigil__exposition) best;
}

const char* vigil__accept_type(enum vigil__exposition format) {
  switch (format) {
    case VIGIL__EXPOSITION_OPENMETRICS:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case VIGIL__EXPOSITION_OPENMETRICS_0:
      return "application/openmetrics-text; version=0.0.1; charset=utf-8";
    default:
      return "text/plain; version=0.0.4; charset=utf-8";
  }
}
