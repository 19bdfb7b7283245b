/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak_graph.h"

#include "text.h"

#include <errno.h>
#include <stdlib.h>  /* strtoull */
#include <string.h>

/* In the table of strings: not kept. No text begins there. */
#define NO_TEXT UINT32_MAX

/* Begins the text of an edge into or out of a WeakMap; the number of the table
 * follows. No name does: a control character would be 6 bytes long in it. */
#define EPHEMERON '\1'
#define EPHEMERON_NAME "(value of a WeakMap)"

struct key {
  const char* text;
  size_t len;
};

static uint32_t hash_of(const char* s, size_t len) {
  uint32_t h = 2166136261u;
  size_t i;

  for (i = 0; i < len; i++)
    h = (h ^ (unsigned char) s[i]) * 16777619u;
  return vigil__set_mix(h);
}

static uint32_t text_hash(const void* owner, uint32_t at) {
  const char* s = ((const struct vigil__leak_graph*) owner)->text + at;

  return hash_of(s, strlen(s));
}

static bool text_equal(const void* owner, uint32_t at, const void* key) {
  const char* s = ((const struct vigil__leak_graph*) owner)->text + at;
  const struct key* k = key;

  return strncmp(s, k->text, k->len) == 0 && s[k->len] == '\0';
}

static const struct vigil__set_type type = {
  .hash = text_hash, .equal = text_equal
};

static int grow_texts(struct vigil__leak_graph* g, size_t len) {
  const size_t need = (size_t) g->text_len + len + 1;
  const size_t slots = vigil__set_need(&g->texts, 1);
  size_t more = g->text_most == 0 ? 4096 : g->text_most + g->text_most / 2;
  size_t extra;
  int e;

  if (need > VIGIL__LEAK_LABEL_MASK)
    return -EFBIG;
  if (need > g->text_most) {
    more = more < need ? need : more;
    e = VIGIL__LEAK_RESIZE(g->memory, g->text, g->text_most, more);
    if (e != 0)
      return e;
    g->text_most = (uint32_t) more;
  }
  if (slots == g->texts.size)
    return 0;
  extra = (slots - g->texts.size) * sizeof(uint32_t);
  if (slots == UINT32_MAX || extra > g->memory->limit - g->memory->used)
    return -EFBIG;
  if (vigil__set_reserve(&g->texts, 1, &type, g) != 0)
    return -ENOMEM;
  g->memory->used += extra;
  if (g->memory->used > g->memory->peak)
    g->memory->peak = g->memory->used;
  return 0;
}

/* Where the text is kept. */
static int intern(struct vigil__leak_graph* g, const char* text, size_t len,
                  uint32_t* at) {
  const struct key k = { .text = text, .len = len };
  uint32_t* slot;
  int e = grow_texts(g, len);

  if (e != 0)
    return e;
  slot = vigil__set_find(&g->texts, hash_of(text, len), &type, g, &k);
  if (*slot == 0) {
    memcpy(g->text + g->text_len, text, len);
    g->text[g->text_len + len] = '\0';
    vigil__set_put(&g->texts, slot, g->text_len);
    g->text_len += (uint32_t) len + 1;
  }
  *at = *slot - 1;
  return 0;
}

/* The length to keep: no character cut in two, no NUL. */
static size_t cut(const char* s, size_t len) {
  size_t kept = 0;
  size_t n;

  while (kept < len && s[kept] != '\0') {
    n = vigil__text_utf8(s + kept, len - kept);
    n = n == 0 ? 1 : n;
    if (kept + n > VIGIL__LEAK_NAME)
      break;
    kept += n;
  }
  return kept;
}

/* "part of key (... @1) -> value (... @2) pair in WeakMap (table @3)": the
 * length of "3)", or 0. */
static size_t table_of(const char* s, size_t len) {
  static const char begin[] = "part of key (";
  static const char end[] = " pair in WeakMap (table @";
  size_t n = 1;

  if (len < sizeof(begin) + sizeof(end) ||
      memcmp(s, begin, sizeof(begin) - 1) != 0 || s[len - 1] != ')')
    return 0;
  while (n < 12 && s[len - n - 1] >= '0' && s[len - n - 1] <= '9')
    n++;
  if (n == 1 || n + sizeof(end) - 1 > len ||
      memcmp(s + len - n - (sizeof(end) - 1), end, sizeof(end) - 1) != 0)
    return 0;
  return n;
}

int vigil__leak_graph_string(struct vigil__leak_graph* g, const char* text,
                             size_t len, bool wanted) {
  const uint32_t more = g->strings_most + g->strings_most / 2 + 1024;
  char weak[16] = { EPHEMERON };
  size_t n = 0;
  uint32_t at;
  int e;

  if (g->strings == UINT32_MAX / 2)
    return -EFBIG;
  if (g->strings == g->strings_most) {
    e = VIGIL__LEAK_RESIZE(g->memory, g->string, g->strings_most, more);
    if (e != 0)
      return e;
    g->strings_most = more;
  }
  g->string[g->strings] = NO_TEXT;
  if (!wanted) {
    g->strings++;
    return 0;
  }
  /* A number alone is an index; "12 / name" is V8's way to make names differ
   * within one object. */
  while (n < len && text[n] >= '0' && text[n] <= '9')
    n++;
  if (n != 0 && n == len)
    text += len, len = 0;
  else if (n != 0 && len - n > 3 && memcmp(text + n, " / ", 3) == 0)
    text += n + 3, len -= n + 3;
  n = table_of(text, len);
  if (n != 0) {
    memcpy(weak + 1, text + len - n, n - 1);
    text = weak;
    len = n;
  }
  e = intern(g, text, cut(text, len), &at);
  if (e == 0)
    g->string[g->strings++] = at;
  return e;
}

int vigil__leak_graph_room(struct vigil__leak_graph* g, uint64_t nodes,
                           uint64_t edges) {
  uint32_t at;
  int e;

  /* Both are used as numbers of 32 bits with room for markers. */
  if (nodes == 0)
    return -EINVAL;
  if (nodes > UINT32_MAX / 4 || edges > UINT32_MAX / 2)
    return -EFBIG;
  e = intern(g, "", 0, &at);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(g->memory, g->type, 0, nodes);
  g->nodes = (uint32_t) nodes;
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(g->memory, g->size, 0, nodes);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(g->memory, g->name, 0, nodes);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(g->memory, g->id, 0, nodes);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(g->memory, g->first, 0, nodes + 1);
  g->edges_most = (uint32_t) edges;
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(g->memory, g->to, 0, edges);
  if (e == 0)
    e = VIGIL__LEAK_RESIZE(g->memory, g->label, 0, edges);
  return e;
}

/* Whether a node's name is that of its class, or only its content. */
static bool is_class(enum vigil__leak_type t) {
  return t == VIGIL__LEAK_HIDDEN || t == VIGIL__LEAK_ARRAY ||
         t == VIGIL__LEAK_OBJECT || t == VIGIL__LEAK_CLOSURE ||
         t == VIGIL__LEAK_NATIVE || t == VIGIL__LEAK_SYNTHETIC ||
         t == VIGIL__LEAK_OTHER;
}

/* The offset of a string's text; not there: an error. */
static int resolve(const struct vigil__leak_graph* g, uint32_t* name) {
  if (*name >= g->strings || g->string[*name] == NO_TEXT)
    return -EINVAL;
  *name = g->string[*name];
  return 0;
}

static int resolve_edge(struct vigil__leak_graph* g, uint32_t e, uint32_t from,
                        uint32_t weak, bool* drop) {
  const enum vigil__leak_edge t = vigil__leak_edge_type(g, e);
  uint32_t name = g->label[e] & VIGIL__LEAK_LABEL_MASK;

  if (t == VIGIL__LEAK_ELEMENT || t == VIGIL__LEAK_HIDDEN_EDGE)
    return 0;
  if (resolve(g, &name) != 0)
    return -EINVAL;
  if (g->text[name] == EPHEMERON) {
    /* Key and table retain it together, and both have an edge to it: the one
     * of the key tells more. */
    *drop = strtoull(g->text + name + 1, NULL, 10) == g->id[from];
    name = weak;
  }
  g->label[e] = (uint32_t) t << VIGIL__LEAK_LABEL_TYPE | name;
  return 0;
}

/* Numbers of strings become offsets of texts, and what retains nothing goes. */
static int resolve_all(struct vigil__leak_graph* g, uint32_t weak) {
  uint32_t kept = 0;
  uint32_t begin;
  uint32_t node;
  uint32_t e;
  bool drop;

  for (node = 0; node < g->nodes; node++) {
    if (!is_class(vigil__leak_node_type(g, node)))
      g->name[node] = 0;
    else if (resolve(g, &g->name[node]) != 0)
      return -EINVAL;
    begin = g->first[node];
    g->first[node] = kept;
    for (e = begin; e < g->first[node + 1]; e++) {
      drop = false;
      if (resolve_edge(g, e, node, weak, &drop) != 0)
        return -EINVAL;
      if (drop)
        continue;
      g->to[kept] = g->to[e];
      g->label[kept++] = g->label[e];
    }
  }
  g->first[g->nodes] = kept;
  g->edges = kept;
  return 0;
}

int vigil__leak_graph_finish(struct vigil__leak_graph* g) {
  uint32_t weak;
  int e;

  e = intern(g, EPHEMERON_NAME, strlen(EPHEMERON_NAME), &weak);
  if (e == 0)
    e = resolve_all(g, weak);
  if (e != 0)
    return e;
  VIGIL__LEAK_RELEASE(g->memory, g->id, g->nodes);
  VIGIL__LEAK_RELEASE(g->memory, g->string, g->strings_most);
  g->memory->used -= g->texts.size * sizeof(uint32_t);
  vigil__set_free(&g->texts);
  /* Shrinking does not fail. */
  (void) VIGIL__LEAK_RESIZE(g->memory, g->to, g->edges_most, g->edges);
  (void) VIGIL__LEAK_RESIZE(g->memory, g->label, g->edges_most, g->edges);
  g->edges_most = g->edges;
  return 0;
}

uint32_t vigil__leak_edge_from(const struct vigil__leak_graph* g,
                               uint32_t edge) {
  uint32_t low = 0;
  uint32_t high = g->nodes;
  uint32_t middle;

  /* The last node whose first edge is not after it. */
  while (high - low > 1) {
    middle = low + (high - low) / 2;
    if (g->first[middle] <= edge)
      low = middle;
    else
      high = middle;
  }
  return low;
}

void vigil__leak_graph_free(struct vigil__leak_graph* g) {
  if (g->memory == NULL)
    return;
  VIGIL__LEAK_RELEASE(g->memory, g->type, g->nodes);
  VIGIL__LEAK_RELEASE(g->memory, g->size, g->nodes);
  VIGIL__LEAK_RELEASE(g->memory, g->name, g->nodes);
  VIGIL__LEAK_RELEASE(g->memory, g->id, g->nodes);
  VIGIL__LEAK_RELEASE(g->memory, g->first, (size_t) g->nodes + 1);
  VIGIL__LEAK_RELEASE(g->memory, g->to, g->edges_most);
  VIGIL__LEAK_RELEASE(g->memory, g->label, g->edges_most);
  VIGIL__LEAK_RELEASE(g->memory, g->string, g->strings_most);
  VIGIL__LEAK_RELEASE(g->memory, g->text, g->text_most);
  g->memory->used -= g->texts.size * sizeof(uint32_t);
  vigil__set_free(&g->texts);
  *g = (struct vigil__leak_graph) { .memory = g->memory };
}
