/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* Groups as people name them. */

#include "leak.h"

#include <stdio.h>   /* snprintf */
#include <string.h>

#define NAME_STEPS 4u           /* Of a name: a.b.c[] */
#define PATH_STEPS 64u          /* Of a path: the last ones. */

struct out {
  char* data;
  size_t size;
  size_t len;
};

/* What does not fit ends in "...". */
static void put(struct out* o, const char* s) {
  const size_t n = strlen(s);

  if (o->len + n < o->size) {
    memcpy(o->data + o->len, s, n + 1);
    o->len += n;
    return;
  }
  while (o->len + 4 > o->size)
    o->len--;
  /* No character cut in two. */
  while (o->len > 0 && ((unsigned char) o->data[o->len] & 0xc0) == 0x80)
    o->len--;
  strcpy(o->data + o->len, "...");
  o->size = 0;
}

static struct out begin(char* data, size_t size) {
  data[0] = '\0';
  return (struct out) { .data = data, .size = size };
}

static bool is_word(const char* s) {
  if ((*s >= '0' && *s <= '9') || *s == '\0')
    return false;
  for (; *s != '\0'; s++)
    if (!((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
          (*s >= 'A' && *s <= 'Z') || *s == '_' || *s == '$' || *s == '#' ||
          (unsigned char) *s >= 0x80))
      return false;
  return true;
}

static void put_edge(struct out* o, const struct vigil__leak_summary* s,
                     uint32_t i) {
  const struct vigil__leak_group* g = &s->group[i];
  const char* name = s->text + g->edge;
  const bool word = is_word(name);
  char symbol[VIGIL__LEAK_NAME + 8];

  switch (g->edge_type) {
    case VIGIL__LEAK_CONTEXT:
      put(o, name);
      return;
    case VIGIL__LEAK_PROPERTY:
      if (*name == '\0') {
        put(o, "[key]");
      } else if (sscanf(name, "<symbol %120[^>]>", symbol) == 1) {
        put(o, "[Symbol(");
        put(o, symbol);
        put(o, ")]");
      } else {
        put(o, word ? "." : "[\"");
        put(o, name);
        put(o, word ? "" : "\"]");
      }
      return;
    case VIGIL__LEAK_EDGES:
      put(o, "[any]");
      return;
  }
  if (*name == '\0') {
    put(o, "[]");
  } else {
    put(o, "{");
    put(o, name);
    put(o, "}");
  }
}

static void put_class(struct out* o, const struct vigil__leak_summary* s,
                      uint32_t i) {
  static const char* const types[VIGIL__LEAK_TYPES] = {
    "(hidden)", "(array)", "string", "Object", "(code)", "function ()",
    "RegExp", "number", "(native)", "(synthetic)", "symbol", "bigint",
    "(shape)", "(other)"
  };
  static const char system[] = "system / ";
  const struct vigil__leak_group* g = &s->group[i];
  const char* name = s->text + g->class;

  if (strcmp(name, "system / Context") == 0) {
    put(o, "scope");
  } else if (*name == '\0') {
    put(o, i == 0 ? "(root)" : types[g->type]);
  } else {
    if (g->type == VIGIL__LEAK_CLOSURE)
      put(o, "function ");
    put(o, strncmp(name, system, sizeof(system) - 1) == 0
               ? name + sizeof(system) - 1 : name);
  }
}

/* Steps that say nothing to people: the array behind a collection and such. */
static bool is_plumbing(const struct vigil__leak_summary* s, uint32_t i) {
  const struct vigil__leak_group* g = &s->group[i];

  return g->type == VIGIL__LEAK_ARRAY ||
         (g->type == VIGIL__LEAK_HIDDEN &&
          strcmp(s->text + g->class, "system / Cell") == 0);
}

static bool is_named(const struct vigil__leak_summary* s, uint32_t i) {
  const struct vigil__leak_group* g = &s->group[i];

  return s->text[g->edge] != '\0' && (g->edge_type == VIGIL__LEAK_PROPERTY ||
                                      g->edge_type == VIGIL__LEAK_CONTEXT);
}

void vigil__leak_class(const struct vigil__leak_summary* s, uint32_t group,
                       char* out, size_t size) {
  struct out o = begin(out, size);

  put_class(&o, s, group);
}

void vigil__leak_edge_text(const struct vigil__leak_summary* s, uint32_t group,
                           char* out, size_t size) {
  struct out o = begin(out, size);

  if (group != 0)
    put_edge(&o, s, group);
}

/* From the last variable on; without one, from the class of the object that
 * the first property is of. */
void vigil__leak_name(const struct vigil__leak_summary* s, uint32_t group,
                      char* out, size_t size) {
  uint32_t step[NAME_STEPS];
  struct out o = begin(out, size);
  uint32_t at = group;
  uint32_t n = 0;

  while (at != 0 && n < NAME_STEPS) {
    if (!is_plumbing(s, at)) {
      step[n++] = at;
      if (s->group[at].edge_type == VIGIL__LEAK_CONTEXT)
        break;
      if (!is_named(s, at) && s->group[at].edge_type == VIGIL__LEAK_INTERNAL)
        break;
    }
    at = s->group[at].parent;
  }
  if (n == 0 || s->group[step[n - 1]].edge_type != VIGIL__LEAK_CONTEXT) {
    put_class(&o, s, n == 0 ? 0 : step[n - 1]);
    n -= n != 0;
  }
  while (n-- > 0)
    put_edge(&o, s, step[n]);
}

void vigil__leak_path(const struct vigil__leak_summary* s, uint32_t group,
                      char* out, size_t size) {
  uint32_t step[PATH_STEPS];
  struct out o = begin(out, size);
  uint32_t skipped = 0;
  uint32_t n = 0;
  uint32_t at;

  for (at = group; at != 0; at = s->group[at].parent) {
    if (is_plumbing(s, at) && at != group)
      continue;
    if (n == PATH_STEPS)
      skipped++;
    else
      step[n++] = at;
  }
  if (skipped != 0)
    put(&o, "... > ");
  while (n-- > 0) {
    /* The roots have only numbers. */
    if (s->group[step[n]].parent != 0) {
      put_edge(&o, s, step[n]);
      put(&o, s->group[step[n]].edge_type == VIGIL__LEAK_CONTEXT ? ": " : " ");
    }
    put_class(&o, s, step[n]);
    if (n != 0)
      put(&o, " > ");
  }
}
