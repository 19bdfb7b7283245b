/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "profile.h"

#include "json.h"
#include "os.h"

#include <errno.h>
#include <inttypes.h>  /* PRIu64 */
#include <stdio.h>     /* snprintf */
#include <stdlib.h>    /* free */
#include <string.h>

#define FILL_MOST 5000u         /* Samples to fill idle time with, about. */

struct moment {
  uint64_t us;
  uint32_t node;                /* In the merged tree. */
  bool idle;
};

/* What is to be written: the trees of the window's generations as one, and
 * all samples. */
struct model {
  struct vigil__calltree tree;
  uint32_t* hits;               /* By node, as the next two. */
  uint32_t* child;              /* The first one; 0: none. */
  uint32_t* sibling;            /* The next one; 0: none. */
  struct moment* moment;
  size_t moments;
  uint64_t begin_us;
  uint64_t end_us;
  uint64_t fill_us;
};

struct output {
  vigil__profile_sink* sink;
  void* arg;
  int error;
  size_t len;
  char data[8192];
};

static void model_free(struct model* m) {
  vigil__calltree_free(&m->tree);
  free(m->hits);
  free(m->child);
  free(m->sibling);
  free(m->moment);
}

/* Adds the nodes of one generation that are marked in `map`, and the ones above
 * them, to the merged tree; `map` becomes where they are there. */
static int merge(struct model* m,
                 const struct vigil__calltree* tree,
                 uint32_t* map) {
  uint32_t marked = 0;
  uint32_t i;

  /* A parent comes before its children. */
  for (i = tree->count; i-- > 1;) {
    map[tree->node[i].parent] |= map[i];
    marked += map[i];
  }
  if (vigil__calltree_reserve(&m->tree, marked) != 0)
    return -ENOMEM;
  map[0] = 0;
  for (i = 1; i < tree->count; i++)
    if (map[i] != 0)
      map[i] = vigil__calltree_child(&m->tree, map[tree->node[i].parent],
                                     tree->node[i].frame);
  return 0;
}

static void append(struct model* m, uint64_t us, uint32_t node, bool idle) {
  m->moment[m->moments++] = (struct moment) {
    .us = us, .node = node, .idle = idle
  };
  m->hits[node]++;
}

/* The next sample, after what fills the time since the last one. */
static void add_moment(struct model* m,
                       uint64_t us,
                       uint32_t node,
                       bool idle) {
  struct moment last;

  if (m->moments != 0) {
    last = m->moment[m->moments - 1];
    while (last.idle && us - last.us > m->fill_us) {
      last.us += m->fill_us;
      append(m, last.us, last.node, true);
    }
  }
  append(m, us, node, idle);
}

/* Everything but the nodes: by now their number is known. */
static int add_moments(struct model* m,
                       const struct vigil__recorder_walk* from,
                       uint32_t* const* map,
                       size_t samples) {
  const size_t most = samples + 1 +
                      (size_t) ((m->end_us - m->begin_us) / m->fill_us);
  struct vigil__recorder_walk w = *from;
  const size_t nodes = m->tree.count * sizeof(uint32_t);
  const struct vigil__recorder_sample* s;
  uint64_t us;
  uint32_t i;

  m->hits = vigil__os.realloc(NULL, nodes);
  m->child = vigil__os.realloc(NULL, nodes);
  m->sibling = vigil__os.realloc(NULL, nodes);
  m->moment = vigil__os.realloc(NULL, most * sizeof(*m->moment));
  if (m->hits == NULL || m->child == NULL || m->sibling == NULL ||
      m->moment == NULL)
    return -ENOMEM;
  memset(m->hits, 0, nodes);
  memset(m->child, 0, nodes);
  m->sibling[0] = 0;
  for (i = m->tree.count; i-- > 1; m->child[m->tree.node[i].parent] = i)
    m->sibling[i] = m->child[m->tree.node[i].parent];

  while ((s = vigil__recorder_next(&w)) != NULL) {
    us = s->at / VIGIL__US;
    add_moment(m, us > m->begin_us ? us : m->begin_us, map[w.g][s->node],
               s->state == VIGIL__RECORDER_IDLE);
  }
  /* Gives the last one its length. */
  add_moment(m, m->end_us, m->moment[m->moments - 1].node,
             m->moment[m->moments - 1].idle);
  return 0;
}

static int model_build(struct model* m,
                       const struct vigil__recorder* r,
                       const struct vigil__recorder_walk* from) {
  uint32_t* map[VIGIL__RECORDER_GENERATIONS] = { NULL };
  struct vigil__recorder_walk w = *from;
  const struct vigil__calltree* tree;
  const struct vigil__recorder_sample* s;
  size_t samples = 0;
  int e = 0;
  uint32_t g;

  for (; e == 0 && (s = vigil__recorder_next(&w)) != NULL; samples++) {
    tree = &vigil__recorder_generation(r, w.g)->tree;
    if (map[w.g] == NULL) {
      map[w.g] = vigil__os.realloc(NULL, tree->count * sizeof(*map[0]));
      if (map[w.g] == NULL) {
        e = -ENOMEM;
        break;
      }
      memset(map[w.g], 0, tree->count * sizeof(*map[0]));
    }
    map[w.g][s->node] = 1;
  }
  for (g = 0; e == 0 && g < r->count; g++)
    if (map[g] != NULL)
      e = merge(m, &vigil__recorder_generation(r, g)->tree, map[g]);
  if (e == 0)
    e = add_moments(m, from, map, samples);
  for (g = 0; g < r->count; g++)
    free(map[g]);
  return e;
}

static void flush(struct output* o) {
  if (o->error == 0 && o->len != 0)
    o->error = o->sink(o->arg, o->data, o->len);
  o->len = 0;
}

static void put(struct output* o, const char* s, size_t len) {
  size_t n;

  for (; len != 0; s += n, len -= n) {
    if (o->len == sizeof(o->data))
      flush(o);
    n = sizeof(o->data) - o->len;
    n = n < len ? n : len;
    memcpy(o->data + o->len, s, n);
    o->len += n;
  }
}

static void put_text(struct output* o, const char* s) {
  put(o, s, strlen(s));
}

static void put_number(struct output* o, const char* before, int64_t v) {
  char text[24];

  snprintf(text, sizeof(text), "%" PRId64, v);
  put_text(o, before);
  put_text(o, text);
}

/* V8's events count lines and columns from 1, the format from 0. */
static void put_frame(struct output* o, const struct vigil__frame* f) {
  struct vigil__json j = { .compact = true };

  vigil__json_object(&j, NULL);
  vigil__json_string(&j, "functionName", f->name);
  vigil__json_string(&j, "scriptId", "0");
  vigil__json_string(&j, "url",
                     f->kind == VIGIL__FRAME_NATIVE ? "" : f->script);
  vigil__json_int(&j, "lineNumber", f->line > 0 ? f->line - 1 : -1);
  vigil__json_int(&j, "columnNumber", f->column > 0 ? f->column - 1 : -1);
  vigil__json_end(&j);
  if (o->error == 0)
    o->error = j.error;
  put(o, j.data, j.len);
  vigil__json_free(&j);
}

static void put_node(struct output* o,
                     const struct model* m,
                     const struct vigil__frames* frames,
                     uint32_t i) {
  const struct vigil__frame f =
      vigil__frames_get(frames, m->tree.node[i].frame);
  uint32_t c;

  put_number(o, i == 0 ? "{\"id\":" : ",{\"id\":", i + 1);
  put_text(o, ",\"callFrame\":");
  put_frame(o, &f);
  put_number(o, ",\"hitCount\":", m->hits[i]);
  for (c = m->child[i]; c != 0; c = m->sibling[c])
    put_number(o, c == m->child[i] ? ",\"children\":[" : ",", c + 1);
  put_text(o, m->child[i] != 0 ? "]}" : "}");
}

static int write_model(struct output* o,
                       const struct model* m,
                       const struct vigil__frames* frames) {
  uint64_t last = m->begin_us;
  uint32_t i;
  size_t k;

  put_text(o, "{\"nodes\":[");
  for (i = 0; i < m->tree.count; i++)
    put_node(o, m, frames, i);
  put_number(o, "],\"startTime\":", (int64_t) m->begin_us);
  put_number(o, ",\"endTime\":", (int64_t) m->end_us);
  put_text(o, ",\"samples\":");
  for (k = 0; k < m->moments; k++)
    put_number(o, k == 0 ? "[" : ",", m->moment[k].node + 1);
  put_text(o, "],\"timeDeltas\":");
  for (k = 0; k < m->moments; last = m->moment[k++].us)
    put_number(o, k == 0 ? "[" : ",", (int64_t) (m->moment[k].us - last));
  put_text(o, "]}\n");
  flush(o);
  return o->error;
}

int vigil__profile_write(const struct vigil__recorder* r,
                         const struct vigil__frames* frames,
                         vigil__mono_t from,
                         vigil__mono_t to,
                         uint64_t interval_ns,
                         vigil__profile_sink* sink,
                         void* arg) {
  struct output o = { .sink = sink, .arg = arg };
  struct model m = { .end_us = to / VIGIL__US };
  struct vigil__recorder_walk w;
  const struct vigil__recorder_sample* s;
  int e;

  vigil__recorder_walk(&w, r, from, to);
  s = vigil__recorder_next(&w);
  if (s == NULL)
    return -ENODATA;
  m.begin_us = (s->at > from ? s->at : from) / VIGIL__US;
  m.fill_us = (m.end_us - m.begin_us) / FILL_MOST + 1;
  if (m.fill_us < interval_ns / VIGIL__US)
    m.fill_us = interval_ns / VIGIL__US;
  vigil__recorder_walk(&w, r, from, to);
  e = model_build(&m, r, &w);
  if (e == 0)
    e = write_model(&o, &m, frames);
  model_free(&m);
  return e;
}
