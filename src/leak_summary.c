/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak_summary.h"

#include "leak_groups.h"
#include "leak_parse.h"
#include "leak_trie.h"
#include "os.h"

#include <errno.h>
#include <stdlib.h>  /* free, qsort */
#include <string.h>

#define MAGIC UINT64_C(0x314b4c4c47495600)      /* "\0VIGLLK1" */

/* What a written summary begins with; groups and text follow. */
struct header {
  uint64_t magic;
  uint64_t nodes;
  uint64_t edges;
  uint64_t bytes;
  uint64_t unreached;
  uint64_t folded;
  uint32_t groups;
  uint32_t text_len;
};

static int descending(const void* a, const void* b) {
  const uint64_t x = *(const uint64_t*) a;
  const uint64_t y = *(const uint64_t*) b;

  return x < y ? 1 : x > y ? -1 : 0;
}

/* The bytes a group must go over to be among the first `most`: a parent has at
 * least as many as its children, so none is kept without its parent. */
static int limit_of(const struct vigil__leak_trie* t, uint32_t most,
                    uint64_t* limit) {
  uint64_t* all = NULL;
  uint32_t n = 0;
  uint32_t i;

  *limit = 0;
  if (t->count <= most)
    return 0;
  if (VIGIL__LEAK_RESIZE(t->memory, all, 0, t->count) != 0)
    return t->memory->error;
  for (i = 0; i < t->count; i++)
    if (t->entry[i].same == i)
      all[n++] = t->entry[i].through;
  qsort(all, n, sizeof(*all), descending);
  if (n > most)
    *limit = all[most];
  VIGIL__LEAK_RELEASE(t->memory, all, t->count);
  return 0;
}

/* Copies a text once; `moved` says where to, by offset, 0: not yet. */
static uint32_t take_text(struct vigil__leak_summary* s, const char* text,
                          uint32_t from, uint32_t* moved) {
  size_t len;

  if (from == 0 || moved[from] != 0)
    return from == 0 ? 0 : moved[from];
  len = strlen(text + from) + 1;
  memcpy(s->text + s->text_len, text + from, len);
  moved[from] = s->text_len;
  s->text_len += (uint32_t) len;
  return moved[from];
}

static void take_groups(struct vigil__leak_summary* s,
                        const struct vigil__leak_graph* g,
                        const struct vigil__leak_trie* t,
                        uint64_t limit,
                        uint32_t* number,
                        uint32_t* moved) {
  const struct vigil__leak_entry* e;
  uint32_t i;

  for (i = 0; i < t->count; i++) {
    e = &t->entry[i];
    number[i] = UINT32_MAX;
    if (e->same != i)
      continue;
    if (i != 0 &&
        (e->through <= limit || number[e->step.parent] == UINT32_MAX)) {
      s->folded++;
      continue;
    }
    number[i] = s->groups;
    s->group[s->groups++] = (struct vigil__leak_group) {
      .parent = i == 0 ? 0 : number[e->step.parent],
      .edge = take_text(s, g->text, e->step.edge, moved),
      .class = take_text(s, g->text, e->step.class, moved),
      .count = e->count,
      .shallow = e->shallow,
      .retained = e->retained,
      .through = e->through,
      .edge_type = e->step.edge_type,
      .type = e->step.type,
      .flags = (uint8_t) e->flags
    };
  }
}

/* The summary's own arrays: no longer than they have to be, and not counted any
 * more, because they outlive the rest. */
static void trim(struct vigil__leak_memory* m, struct vigil__leak_summary* s,
                 uint32_t groups, uint32_t text_len) {
  (void) VIGIL__LEAK_RESIZE(m, s->group, groups, s->groups);
  (void) VIGIL__LEAK_RESIZE(m, s->text, text_len, s->text_len);
  m->used -= s->groups * sizeof(*s->group) + s->text_len;
}

int vigil__leak_summary_make(struct vigil__leak_summary* s,
                             const struct vigil__leak_graph* g,
                             const struct vigil__leak_trie* t,
                             uint32_t most) {
  struct vigil__leak_memory* m = t->memory;
  const uint32_t groups = most < t->count ? most + 1 : t->count;
  uint32_t* number = NULL;
  uint32_t* moved = NULL;
  uint64_t limit;
  int e;

  *s = (struct vigil__leak_summary) {
    .nodes = g->nodes, .edges = g->edges_read, .bytes = g->bytes
  };
  e = limit_of(t, most, &limit);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(m, number, 0, t->count);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(m, moved, 0, g->text_len);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(m, s->group, 0, groups);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(m, s->text, 0, g->text_len);
  if (e == 0) {
    memset(moved, 0, g->text_len * sizeof(*moved));
    s->text[s->text_len++] = '\0';
    take_groups(s, g, t, limit, number, moved);
    trim(m, s, groups, g->text_len);
  } else {
    VIGIL__LEAK_RELEASE(m, s->group, groups);
    VIGIL__LEAK_RELEASE(m, s->text, g->text_len);
  }
  VIGIL__LEAK_RELEASE(m, number, t->count);
  VIGIL__LEAK_RELEASE(m, moved, g->text_len);
  return e;
}

int vigil__leak_summarize(struct vigil__leak_parse* p, uint32_t most,
                          struct vigil__leak_summary* s) {
  struct vigil__leak_tree t = { .memory = NULL };
  int e = vigil__leak_parse_finish(p);

  *s = (struct vigil__leak_summary) { .group = NULL };
  if (e == 0)
    e = vigil__leak_tree_build(&t, &p->graph);
  if (e == 0)
    e = vigil__leak_groups_build(s, &p->graph, &t,
                                 most == 0 ? VIGIL__LEAK_GROUPS_MOST : most);
  vigil__leak_tree_free(&t);
  vigil__leak_parse_free(p);
  return e;
}

int vigil__leak_summary_write(const struct vigil__leak_summary* s,
                              vigil__leak_sink* sink, void* arg) {
  const struct header h = {
    .magic = MAGIC, .nodes = s->nodes, .edges = s->edges, .bytes = s->bytes,
    .unreached = s->unreached, .folded = s->folded, .groups = s->groups,
    .text_len = s->text_len
  };
  int e = sink(arg, (const char*) &h, sizeof(h));

  if (e == 0)
    e = sink(arg, (const char*) s->group, s->groups * sizeof(*s->group));
  if (e == 0)
    e = sink(arg, s->text, s->text_len);
  return e;
}

static bool valid(const struct vigil__leak_summary* s) {
  const struct vigil__leak_group* g;
  uint32_t i;

  if (s->text[0] != '\0' || s->text[s->text_len - 1] != '\0')
    return false;
  for (i = 0; i < s->groups; i++) {
    g = &s->group[i];
    if ((i != 0 && g->parent >= i) || (i == 0 && g->parent != 0) ||
        g->edge >= s->text_len || g->class >= s->text_len ||
        g->edge_type > VIGIL__LEAK_EDGES || g->type >= VIGIL__LEAK_TYPES ||
        (g->shallow | g->retained | g->through) >> 60 != 0)
      return false;
  }
  return true;
}

int vigil__leak_summary_read(struct vigil__leak_summary* s, const void* data,
                             size_t len) {
  struct header h;
  size_t groups;

  *s = (struct vigil__leak_summary) { .group = NULL };
  if (len < sizeof(h))
    return -EINVAL;
  memcpy(&h, data, sizeof(h));
  groups = (size_t) h.groups * sizeof(*s->group);
  if (h.magic != MAGIC || h.groups == 0 || h.groups > VIGIL__LEAK_TRIE ||
      h.text_len == 0 || len - sizeof(h) < groups ||
      len - sizeof(h) - groups != h.text_len)
    return -EINVAL;
  *s = (struct vigil__leak_summary) {
    .nodes = h.nodes, .edges = h.edges, .bytes = h.bytes,
    .unreached = h.unreached, .folded = h.folded, .groups = h.groups,
    .text_len = h.text_len,
    .group = vigil__os.realloc(NULL, groups),
    .text = vigil__os.realloc(NULL, h.text_len)
  };
  if (s->group == NULL || s->text == NULL) {
    vigil__leak_summary_free(s);
    return -ENOMEM;
  }
  memcpy(s->group, (const char*) data + sizeof(h), groups);
  memcpy(s->text, (const char*) data + sizeof(h) + groups, h.text_len);
  if (valid(s))
    return 0;
  vigil__leak_summary_free(s);
  return -EINVAL;
}

void vigil__leak_summary_free(struct vigil__leak_summary* s) {
  free(s->group);
  free(s->text);
  *s = (struct vigil__leak_summary) { .group = NULL };
}
