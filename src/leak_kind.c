/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* Which of the usual leaks a suspect looks like. */

#include "leak.h"

#include <string.h>

static const struct {
  const char* name;
  const char* advice;
} kinds[VIGIL__LEAK_KINDS] = {
  { "cache", "A collection that only grows: bound it (an LRU, a time limit), or"
             " delete entries when they are done with." },
  { "listeners", "Listeners that are added and never removed: use once(), an"
                 " AbortSignal, or off() when their owner is done." },
  { "closures", "Functions that are kept keep what they use: let them run or"
                " go, and take only the values they need out of large"
                " objects." },
  { "buffers", "Memory of Buffers is kept alive, maybe by small slices of them:"
               " copy what is to stay with Buffer.from(slice)." },
  { "unknown", "Find out who should have let go of these objects." },
};

const char* vigil__leak_kind_name(enum vigil__leak_kind kind) {
  return kinds[kind].name;
}

const char* vigil__leak_advice(enum vigil__leak_kind kind) {
  return kinds[kind].advice;
}

static bool is_text(const struct vigil__leak_summary* s, uint32_t at,
                    const char* text) {
  return strcmp(s->text + at, text) == 0;
}

static bool is_buffer(const struct vigil__leak_summary* s, uint32_t i) {
  static const char* const names[] = {
    "Buffer", "FastBuffer", "ArrayBuffer", "SharedArrayBuffer", "Uint8Array",
    "DataView", "system / JSArrayBufferData"
  };
  size_t k;

  for (k = 0; k < sizeof(names) / sizeof(names[0]); k++)
    if (is_text(s, s->group[i].class, names[k]))
      return true;
  return false;
}

/* Bytes a round of the memory of Buffers below a group. Children come after
 * their parents; `inside` is scratch for all groups. */
static uint64_t buffers_below(const struct vigil__leak_report* r, uint32_t top,
                              uint8_t* inside) {
  const struct vigil__leak_summary* s = r->heap[2];
  uint64_t sum = 0;
  uint32_t i;

  memset(inside, 0, s->groups);
  inside[top] = 1;
  for (i = top + 1; i < s->groups; i++) {
    inside[i] = inside[s->group[i].parent];
    if (inside[i] != 0 && s->group[i].type == VIGIL__LEAK_NATIVE &&
        is_buffer(s, i))
      sum += vigil__leak_growth(r->figures[i].shallow);
  }
  return sum;
}

/* Not what a listener uses: a variable has a life of its own. */
static bool holds_listeners(const struct vigil__leak_summary* s, uint32_t i) {
  unsigned steps;

  for (steps = 0; i != 0 && steps < 4; i = s->group[i].parent, steps++) {
    if (is_text(s, s->group[i].edge, "_events") ||
        strstr(s->text + s->group[i].edge, "kEvents") != NULL)
      return true;
    if (s->group[i].edge_type == VIGIL__LEAK_CONTEXT)
      return false;
  }
  return false;
}

enum vigil__leak_kind vigil__leak_kind_of(const struct vigil__leak_report* r,
                                          const struct vigil__leak_suspect* x,
                                          uint8_t* scratch) {
  static const char* const collections[] = {
    "Map", "Set", "Object", "Array", "WeakMap"
  };
  const struct vigil__leak_summary* s = r->heap[2];
  size_t k;

  if (holds_listeners(s, x->container))
    return VIGIL__LEAK_LISTENERS;
  if (s->group[x->part[0]].type == VIGIL__LEAK_CLOSURE ||
      is_text(s, s->group[x->part[0]].class, "Timeout"))
    return VIGIL__LEAK_CLOSURES;
  if (is_buffer(s, x->part[0]) || buffers_below(r, x->container, scratch) >
                                      x->bytes_per_round / 2)
    return VIGIL__LEAK_BUFFERS;
  for (k = 0; k < sizeof(collections) / sizeof(collections[0]); k++)
    if (is_text(s, s->group[x->container].class, collections[k]))
      return VIGIL__LEAK_CACHE;
  /* A list that is linked. */
  return (s->group[x->part[0]].flags & VIGIL__LEAK_LOOPED) != 0
      ? VIGIL__LEAK_CACHE : VIGIL__LEAK_UNKNOWN;
}
