/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* Which group of one heap is which of another: the one with the same path, step
 * by step. A path that is not there any more may have changed far up, because
 * its beginning was moved; then the group with the same end is taken. */

#include "leak.h"

#include "os.h"

#include <errno.h>
#include <stdlib.h>  /* free, qsort */
#include <string.h>

#define END_NAMES 3u            /* Names that the end of a path has, ... */
#define END_STEPS 10u           /* ...at most in so many steps. */

struct key {
  uint64_t path;
  uint64_t end;
  uint32_t group;
};

struct heap {
  const struct vigil__leak_summary* s;
  uint64_t* path;               /* By group, as `end`. */
  uint64_t* end;
  struct key* key;              /* Sorted by path. */
};

static uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
  h ^= h >> 32;
  h *= UINT64_C(0xd6e8feb86659fd93);
  return h ^ h >> 32;
}

static uint64_t mix_text(uint64_t h, const char* s) {
  for (; *s != '\0'; s++)
    h = (h ^ (unsigned char) *s) * UINT64_C(0x100000001b3);
  return mix(h, 0);
}

static uint64_t step_hash(const struct vigil__leak_summary* s, uint32_t i) {
  const struct vigil__leak_group* g = &s->group[i];
  uint64_t h = mix(g->edge_type, g->type);

  return mix_text(mix_text(h, s->text + g->edge), s->text + g->class);
}

static bool is_name(const struct vigil__leak_summary* s, uint32_t i) {
  const struct vigil__leak_group* g = &s->group[i];

  return s->text[g->edge] != '\0' && (g->edge_type == VIGIL__LEAK_PROPERTY ||
                                      g->edge_type == VIGIL__LEAK_CONTEXT);
}

static int by_path(const void* a, const void* b) {
  const uint64_t x = ((const struct key*) a)->path;
  const uint64_t y = ((const struct key*) b)->path;

  return x < y ? -1 : x > y;
}

static int by_end(const void* a, const void* b) {
  const uint64_t x = ((const struct key*) a)->end;
  const uint64_t y = ((const struct key*) b)->end;

  return x < y ? -1 : x > y;
}

static void heap_free(struct heap* h) {
  free(h->path);
  free(h->end);
  free(h->key);
}

static int heap_make(struct heap* h, const struct vigil__leak_summary* s) {
  uint64_t* own;                /* Of the last step alone. */
  uint32_t names;
  uint32_t at;
  uint32_t i;
  uint32_t n;

  h->s = s;
  own = vigil__os.realloc(NULL, s->groups * sizeof(*own));
  h->path = vigil__os.realloc(NULL, s->groups * sizeof(*h->path));
  h->end = vigil__os.realloc(NULL, s->groups * sizeof(*h->end));
  h->key = vigil__os.realloc(NULL, s->groups * sizeof(*h->key));
  if (own == NULL || h->path == NULL || h->end == NULL || h->key == NULL) {
    free(own);
    return -ENOMEM;
  }
  for (i = 0; i < s->groups; i++) {
    own[i] = step_hash(s, i);
    h->path[i] = i == 0 ? 1 : mix(h->path[s->group[i].parent], own[i]);
    h->end[i] = 1;
    names = 0;
    for (at = i, n = 0; at != 0 && n < END_STEPS && names < END_NAMES; n++) {
      h->end[i] = mix(h->end[i], own[at]);
      names += is_name(s, at);
      at = s->group[at].parent;
    }
    h->key[i] = (struct key) {
      .path = h->path[i], .end = h->end[i], .group = i
    };
  }
  free(own);
  qsort(h->key, s->groups, sizeof(*h->key), by_path);
  return 0;
}

static void add(struct vigil__leak_figures* f, unsigned k,
                const struct vigil__leak_group* g) {
  f->count[k] += g->count;
  f->shallow[k] += g->shallow;
  f->retained[k] += g->retained;
  f->through[k] += g->through;
}

static struct key* find_path(const struct heap* h, uint64_t path) {
  const struct key k = { .path = path };

  return bsearch(&k, h->key, h->s->groups, sizeof(k), by_path);
}

/* The groups of `h` that no path of `last` leads to, sorted by end. */
static struct key* list_moved(const struct heap* h, const struct heap* last,
                              uint32_t* count) {
  struct key* moved = vigil__os.realloc(NULL, h->s->groups * sizeof(*moved));
  uint32_t i;

  *count = 0;
  for (i = 0; moved != NULL && i < h->s->groups; i++)
    if (find_path(last, h->key[i].path) == NULL)
      moved[(*count)++] = h->key[i];
  if (moved != NULL)
    qsort(moved, *count, sizeof(*moved), by_end);
  return moved;
}

/* What heap `k` says of the groups of `last`. */
static int match(struct vigil__leak_figures* figures, unsigned k,
                 const struct heap* h, const struct heap* last) {
  struct key wanted = { .path = 0 };
  const struct key* at;
  struct key* moved;
  uint32_t count;
  uint32_t i;

  moved = list_moved(h, last, &count);
  if (moved == NULL)
    return -ENOMEM;
  for (i = 0; i < last->s->groups; i++) {
    at = find_path(h, last->path[i]);
    if (at != NULL) {
      add(&figures[i], k, &h->s->group[at->group]);
      continue;
    }
    wanted.end = last->end[i];
    at = bsearch(&wanted, moved, count, sizeof(wanted), by_end);
    while (at != NULL && at > moved && at[-1].end == wanted.end)
      at--;
    for (; at != NULL && at < moved + count && at->end == wanted.end; at++)
      add(&figures[i], k, &h->s->group[at->group]);
  }
  free(moved);
  return 0;
}

int vigil__leak_match(struct vigil__leak_figures* figures,
                      const struct vigil__leak_summary heap[3]) {
  struct heap h[3] = { { .s = NULL } };
  unsigned k;
  uint32_t i;
  int e = 0;

  for (k = 0; e == 0 && k < 3; k++)
    e = heap_make(&h[k], &heap[k]);
  for (i = 0; e == 0 && i < heap[2].groups; i++) {
    figures[i] = (struct vigil__leak_figures) { .count = { 0 } };
    add(&figures[i], 2, &heap[2].group[i]);
  }
  for (k = 0; e == 0 && k < 2; k++)
    e = match(figures, k, &h[k], &h[2]);
  for (k = 0; k < 3; k++)
    heap_free(&h[k]);
  return e;
}
