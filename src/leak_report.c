/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* What was found, as JSON and for people. */

#include "leak.h"

#include "text.h"

#include <inttypes.h>  /* PRIu64 */
#include <stdarg.h>
#include <stdio.h>     /* vsnprintf */
#include <string.h>

#define NAME 256u
#define PATH 2048u
#define HELD_STEPS 12u          /* Down to the name of what a part holds. */

/* Below a part, the named thing that takes most of what it grows by: the
 * request that a closure holds. 0: the part itself is most. */
static uint32_t held_by(const struct vigil__leak_report* r, uint32_t part) {
  const struct vigil__leak_summary* s = r->heap[2];
  uint32_t at = part;
  uint32_t best;
  uint32_t i;
  unsigned n;

  for (n = 0; n < HELD_STEPS; n++) {
    best = 0;
    for (i = at + 1; i < s->groups; i++)
      if (s->group[i].parent == at &&
          (best == 0 || r->figures[i].through[2] > r->figures[best].through[2]))
        best = i;
    if (best == 0 ||
        r->figures[best].through[2] < r->figures[part].through[2] / 2)
      return 0;
    if (s->text[s->group[best].edge] != '\0' &&
        (s->group[best].edge_type == VIGIL__LEAK_PROPERTY ||
         s->group[best].edge_type == VIGIL__LEAK_CONTEXT))
      return best;
    at = best;
  }
  return 0;
}

static void numbers(struct vigil__json* j, const char* key,
                    const uint64_t v[3]) {
  unsigned k;

  vigil__json_array(j, key);
  for (k = 0; k < 3; k++)
    vigil__json_uint(j, NULL, v[k]);
  vigil__json_end(j);
}

static void heaps_json(const struct vigil__leak_report* r,
                       struct vigil__json* j) {
  const struct vigil__leak_summary* s;
  unsigned k;

  vigil__json_array(j, "heaps");
  for (k = 0; k < 3; k++) {
    s = r->heap[k];
    vigil__json_object(j, NULL);
    vigil__json_uint(j, "bytes", s->bytes);
    vigil__json_uint(j, "objects", s->nodes);
    vigil__json_uint(j, "references", s->edges);
    vigil__json_uint(j, "weaklyHeld", s->unreached);
    vigil__json_uint(j, "groups", s->groups);
    vigil__json_uint(j, "groupsFolded", s->folded);
    vigil__json_end(j);
  }
  vigil__json_end(j);
}

/* A part, or what it holds. */
static void group_json(const struct vigil__leak_report* r,
                       struct vigil__json* j, const char* key, uint32_t i) {
  const struct vigil__leak_figures* f = &r->figures[i];
  char text[NAME];

  vigil__json_object(j, key);
  vigil__leak_edge_text(r->heap[2], i, text, sizeof(text));
  vigil__json_string(j, "edge", text);
  vigil__leak_class(r->heap[2], i, text, sizeof(text));
  vigil__json_string(j, "class", text);
  numbers(j, "objects", f->count);
  numbers(j, "bytes", f->shallow);
  numbers(j, "retainedBytes", f->retained);
  numbers(j, "pathBytes", f->through);
  vigil__json_bool(j, "recursive",
                   (r->heap[2]->group[i].flags & VIGIL__LEAK_LOOPED) != 0);
  vigil__json_end(j);
}

static void path_json(const struct vigil__leak_summary* s,
                      struct vigil__json* j, uint32_t group) {
  uint32_t step[64];
  uint32_t n = 0;
  char text[NAME];

  for (; group != 0 && n < sizeof(step) / sizeof(step[0]);
       group = s->group[group].parent)
    step[n++] = group;
  vigil__json_bool(j, "pathCut", group != 0);
  vigil__json_array(j, "path");
  while (n-- > 0) {
    vigil__json_object(j, NULL);
    vigil__leak_edge_text(s, step[n], text, sizeof(text));
    vigil__json_string(j, "edge", text);
    vigil__leak_class(s, step[n], text, sizeof(text));
    vigil__json_string(j, "class", text);
    vigil__json_end(j);
  }
  vigil__json_end(j);
}

static void suspect_json(const struct vigil__leak_report* r,
                         struct vigil__json* j,
                         const struct vigil__leak_suspect* x) {
  const uint32_t held = held_by(r, x->part[0]);
  char text[NAME];
  uint32_t i;

  vigil__json_object(j, NULL);
  vigil__leak_name(r->heap[2], x->container, text, sizeof(text));
  vigil__json_string(j, "name", text);
  vigil__leak_class(r->heap[2], x->container, text, sizeof(text));
  vigil__json_string(j, "class", text);
  vigil__json_string(j, "kind", vigil__leak_kind_name(x->kind));
  vigil__json_string(j, "advice", vigil__leak_advice(x->kind));
  vigil__json_uint(j, "bytesPerRound", x->bytes_per_round);
  vigil__json_uint(j, "objectsPerRound", x->objects_per_round);
  numbers(j, "retainedBytes", x->bytes);
  numbers(j, "containers", r->figures[x->container].count);
  vigil__json_array(j, "parts");
  for (i = 0; i < x->parts; i++)
    group_json(r, j, NULL, x->part[i]);
  vigil__json_end(j);
  vigil__json_uint(j, "partsMore", x->more);
  if (held != 0)
    group_json(r, j, "holds", held);
  else
    vigil__json_null(j, "holds");
  path_json(r->heap[2], j, x->part[0]);
  vigil__json_end(j);
}

void vigil__leak_json(const struct vigil__leak_report* r,
                      struct vigil__json* j) {
  uint32_t i;

  heaps_json(r, j);
  numbers(j, "systemBytes", r->system);
  vigil__json_uint(j, "leastBytesPerRound", r->least);
  vigil__json_array(j, "suspects");
  for (i = 0; i < r->suspects; i++)
    suspect_json(r, j, &r->suspect[i]);
  vigil__json_end(j);
  vigil__json_uint(j, "suspectsMore", r->more);
}

struct out {
  vigil__leak_sink* sink;
  void* arg;
  int error;
};

__attribute__((format(printf, 2, 3)))
static void line(struct out* o, const char* format, ...) {
  /* Escaped, a byte takes up to four. */
  char plain[PATH + 512];
  char safe[4 * sizeof(plain)];
  size_t len;
  va_list args;

  va_start(args, format);
  vsnprintf(plain, sizeof(plain), format, args);
  va_end(args);
  len = vigil__text_escape(safe, sizeof(safe) - 1, plain);
  safe[len++] = '\n';
  if (o->error == 0)
    o->error = o->sink(o->arg, safe, len);
}

/* "1.2 MB" */
static const char* amount(char out[24], uint64_t bytes) {
  static const char* const units[] = { "KB", "MB", "GB", "TB" };
  uint64_t tenths = bytes * 10 / 1024;
  unsigned u = 0;

  if (bytes < 1024) {
    snprintf(out, 24, "%" PRIu64 " bytes", bytes);
    return out;
  }
  for (; tenths >= 10240 && u < 3; u++)
    tenths /= 1024;
  snprintf(out, 24, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10,
           units[u]);
  return out;
}

static void suspect_text(const struct vigil__leak_report* r, struct out* o,
                         uint32_t rank) {
  const struct vigil__leak_suspect* x = &r->suspect[rank];
  const uint32_t held = held_by(r, x->part[0]);
  char name[NAME], class[NAME], part[NAME];
  char path[PATH];
  char a[24], b[24], c[24], d[24];

  vigil__leak_name(r->heap[2], x->container, name, sizeof(name));
  vigil__leak_class(r->heap[2], x->container, class, sizeof(class));
  vigil__leak_class(r->heap[2], x->part[0], part, sizeof(part));
  line(o, "%u. %s (%s): %s more each round", rank + 1, name, class,
       amount(a, x->bytes_per_round));
  line(o, "   retains %s, then %s, then %s", amount(b, x->bytes[0]),
       amount(c, x->bytes[1]), amount(d, x->bytes[2]));
  if (x->objects_per_round != 0)
    line(o, "   %" PRIu64 " more each round of %s: %" PRIu64 ", %" PRIu64
         ", %" PRIu64, x->objects_per_round, part, x->objects[0],
         x->objects[1], x->objects[2]);
  if (held != 0) {
    vigil__leak_edge_text(r->heap[2], held, name, sizeof(name));
    vigil__leak_class(r->heap[2], held, class, sizeof(class));
    line(o, "   most of it in %s (%s)", name + (name[0] == '.'), class);
  }
  vigil__leak_path(r->heap[2], x->part[0], path, sizeof(path));
  line(o, "   held by %s", path);
  line(o, "   %s", vigil__leak_advice(x->kind));
}

int vigil__leak_text(const struct vigil__leak_report* r,
                     vigil__leak_sink* sink, void* arg) {
  const uint64_t* s = r->system;
  struct out o = { .sink = sink, .arg = arg };
  char a[24], b[24], c[24];
  uint32_t i;

  line(&o, "Heap: %s in the steady state, %s after work, %s after the same work"
       " again", amount(a, r->heap[0]->bytes), amount(b, r->heap[1]->bytes),
       amount(c, r->heap[2]->bytes));
  if (r->suspects == 0)
    line(&o, "Nothing grew by %s or more in both rounds.",
         amount(a, r->least));
  for (i = 0; i < r->suspects; i++)
    suspect_text(r, &o, i);
  if (r->more != 0)
    line(&o, "%" PRIu32 " more are not listed.", r->more);
  if (s[1] > s[0] && s[2] > s[1] && s[2] - s[0] > s[2] / 8)
    line(&o, "Code and hidden classes grew as well: %s, then %s, then %s.",
         amount(a, s[0]), amount(b, s[1]), amount(c, s[2]));
  return o.error;
}
