/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "pick.h"

#include "text.h"

#include <stdint.h>
#include <string.h>

struct state {
  const char* s;
  const char* end;
  struct vigil__pick* pick;
  size_t picks;
  unsigned depth;
  size_t path_len;              /* SIZE_MAX: none that is asked for. */
  char path[VIGIL__PICK_PATH];
};

static bool value(struct state* p);

static void space(struct state* p) {
  while (p->s < p->end && (*p->s == ' ' || *p->s == '\n' || *p->s == '\r' ||
                           *p->s == '\t'))
    p->s++;
}

static bool take(struct state* p, char c) {
  if (p->s == p->end || *p->s != c)
    return false;
  p->s++;
  return true;
}

static bool escape(struct state* p) {
  int i;

  if (p->s == p->end)
    return false;
  if (*p->s != 'u')
    return *p->s != '\0' && strchr("\"\\/bfnrt", *p->s++) != NULL;
  p->s++;
  for (i = 0; i < 4; i++, p->s++) {
    if (p->s == p->end ||
        !((*p->s >= '0' && *p->s <= '9') || (*p->s >= 'a' && *p->s <= 'f') ||
          (*p->s >= 'A' && *p->s <= 'F')))
      return false;
  }
  return true;
}

static bool string(struct state* p) {
  size_t n;

  if (!take(p, '"'))
    return false;
  while (p->s < p->end) {
    if (take(p, '"'))
      return true;
    if (take(p, '\\')) {
      if (!escape(p))
        return false;
      continue;
    }
    n = vigil__text_utf8(p->s, (size_t) (p->end - p->s));
    if (n == 0 || (unsigned char) *p->s < 0x20)
      return false;
    p->s += n;
  }
  return false;
}

static bool digits(struct state* p) {
  const char* from = p->s;

  while (p->s < p->end && *p->s >= '0' && *p->s <= '9')
    p->s++;
  return p->s > from;
}

static bool number(struct state* p) {
  take(p, '-');
  if (!take(p, '0') && !digits(p))
    return false;
  if (take(p, '.') && !digits(p))
    return false;
  if (take(p, 'e') || take(p, 'E')) {
    if (!take(p, '+'))
      take(p, '-');
    return digits(p);
  }
  return true;
}

static bool word(struct state* p, const char* w) {
  const size_t len = strlen(w);

  if ((size_t) (p->end - p->s) < len || memcmp(p->s, w, len) != 0)
    return false;
  p->s += len;
  return true;
}

/* Goes down to the member whose quoted name is at `name`. */
static void descend(struct state* p, const char* name, size_t len) {
  const bool dot = p->path_len != 0;

  if (p->path_len == SIZE_MAX || len + dot >= sizeof(p->path) - p->path_len) {
    p->path_len = SIZE_MAX;
    return;
  }
  if (dot)
    p->path[p->path_len++] = '.';
  memcpy(p->path + p->path_len, name, len);
  p->path_len += len;
}

static bool member(struct state* p) {
  const size_t above = p->path_len;
  const char* name = p->s;

  if (!string(p))
    return false;
  /* What has a dot could pass for a path. */
  if (memchr(name, '.', (size_t) (p->s - name)) != NULL)
    p->path_len = SIZE_MAX;
  else
    descend(p, name + 1, (size_t) (p->s - name) - 2);
  space(p);
  if (!take(p, ':') || !value(p))
    return false;
  p->path_len = above;
  return true;
}

static bool element(struct state* p) {
  const size_t above = p->path_len;

  p->path_len = SIZE_MAX;
  if (!value(p))
    return false;
  p->path_len = above;
  return true;
}

static bool list(struct state* p, char end, bool (*one)(struct state*)) {
  p->s++;
  if (++p->depth == VIGIL__PICK_DEPTH)
    return false;
  space(p);
  if (!take(p, end)) {
    do {
      space(p);
      if (!one(p))
        return false;
      space(p);
    } while (take(p, ','));
    if (!take(p, end))
      return false;
  }
  p->depth--;
  return true;
}

/* `at` NULL: it is none that can be taken. */
static void note(struct state* p, const char* at) {
  size_t i;

  if (p->path_len == SIZE_MAX)
    return;
  for (i = 0; i < p->picks; i++) {
    if (strlen(p->pick[i].path) != p->path_len ||
        memcmp(p->pick[i].path, p->path, p->path_len) != 0)
      continue;
    p->pick[i].at = at;
    p->pick[i].len = at == NULL ? 0 : (size_t) (p->s - at);
  }
}

static bool value(struct state* p) {
  const char* at;
  bool ok;

  space(p);
  at = p->s;
  if (p->s == p->end)
    return false;
  switch (*p->s) {
    case '{':
      ok = list(p, '}', member);
      at = NULL;
      break;
    case '[':
      ok = list(p, ']', element);
      at = NULL;
      break;
    case '"': ok = string(p); break;
    case 't': ok = word(p, "true"); break;
    case 'f': ok = word(p, "false"); break;
    case 'n': ok = word(p, "null"); break;
    default: ok = number(p);
  }
  if (ok)
    note(p, at);
  return ok;
}

bool vigil__pick(const char* text, size_t len,
                 struct vigil__pick* picks, size_t n) {
  struct state p = {
    .s = text, .end = text + len, .pick = picks, .picks = n
  };
  bool ok;
  size_t i;

  for (i = 0; i < n; i++)
    picks[i].at = NULL, picks[i].len = 0;
  ok = value(&p);
  space(&p);
  ok = ok && p.s == p.end;
  for (i = 0; !ok && i < n; i++)
    picks[i].at = NULL, picks[i].len = 0;
  return ok;
}
