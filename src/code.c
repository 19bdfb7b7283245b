/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "code.h"

#include "atomic.h"
#include "os.h"
#include "ranges.h"

#include <stdbool.h>
#include <stdlib.h>  /* free */
#include <string.h>

#define CHUNK_SIZE (64u * 1024)
#define SAME_SCRIPT UINT16_MAX  /* As `script_len`: as the event before. */

enum { MOVED = VIGIL__FRAME_KINDS };  /* As `kind`. */

/* Followed by the name and the script's name, up to a multiple of 8. */
struct event {
  uint64_t start;
  uint64_t to;                  /* MOVED only. */
  uint64_t size;
  int32_t line;
  int32_t column;
  uint16_t name_len;
  uint16_t script_len;
  uint16_t kind;
};

struct chunk {
  /* Both are stored with release by the writer, after what they announce, and
   * loaded with acquire by the reader. */
  _Atomic(struct chunk*) next;
  _Atomic uint32_t filled;
  _Alignas(8) char data[];
};

#define DATA_SIZE (CHUNK_SIZE - (uint32_t) sizeof(struct chunk))

/* The script of the event before; each side has its own. */
struct script {
  uint32_t len;
  char name[VIGIL__FRAMES_STRING];
};

struct vigil__code {
  struct {
    struct chunk* tail;
    vigil__word_t chunks;       /* Ever allocated. */
    vigil__word_t lost;
    struct script script;
  } writer;
  struct {
    struct chunk* head;
    uint32_t at;                /* What is read of it. */
    vigil__word_t chunks;       /* Ever freed. */
    uint64_t lost;
    struct vigil__ranges ranges;
    struct vigil__frames* frames;
    struct script script;
  } reader;
};

static struct chunk* chunk_new(void) {
  struct chunk* k = vigil__os.realloc(NULL, CHUNK_SIZE);

  if (k != NULL) {
    atomic_init(&k->next, NULL);
    atomic_init(&k->filled, 0);
  }
  return k;
}

struct vigil__code* vigil__code_new(struct vigil__frames* frames) {
  struct vigil__code* c = vigil__os.realloc(NULL, sizeof(*c));

  if (c == NULL)
    return NULL;
  memset(c, 0, sizeof(*c));
  c->writer.tail = c->reader.head = chunk_new();
  if (c->writer.tail == NULL) {
    free(c);
    return NULL;
  }
  vigil__store(&c->writer.chunks, 1);
  c->reader.ranges.most = VIGIL__CODE_RANGES;
  c->reader.frames = frames;
  return c;
}

void vigil__code_free(struct vigil__code* c) {
  struct chunk* next;
  struct chunk* k;

  if (c == NULL)
    return;
  for (k = c->reader.head; k != NULL; k = next) {
    next = atomic_load_explicit(&k->next, memory_order_acquire);
    free(k);
  }
  vigil__ranges_free(&c->reader.ranges);
  free(c);
}

/* Room for `size` bytes at the end of the log, or NULL. */
static char* room(struct vigil__code* c, uint32_t size) {
  struct chunk* k = c->writer.tail;
  uint32_t filled = atomic_load_explicit(&k->filled, memory_order_relaxed);

  if (size <= DATA_SIZE - filled)
    return k->data + filled;
  /* A stale count of what was freed only makes the bound tighter. */
  if ((vigil__load(&c->writer.chunks) - vigil__load(&c->reader.chunks) + 1) *
      CHUNK_SIZE > VIGIL__CODE_UNREAD)
    return NULL;
  k = chunk_new();
  if (k == NULL)
    return NULL;
  vigil__add(&c->writer.chunks, 1);
  /* Release: the reader finds it empty, not undefined. */
  atomic_store_explicit(&c->writer.tail->next, k, memory_order_release);
  c->writer.tail = k;
  return k->data;
}

static void append(struct vigil__code* c,
                   const struct event* e,
                   const char* name,
                   const char* script) {
  const uint32_t script_len = e->script_len == SAME_SCRIPT ? 0 : e->script_len;
  const uint32_t len = (uint32_t) sizeof(*e) + e->name_len + script_len;
  const uint32_t size = (len + 7) & ~7u;
  char* to = room(c, size);
  struct chunk* k = c->writer.tail;

  if (to == NULL) {
    vigil__add(&c->writer.lost, 1);
    return;
  }
  memcpy(to, e, sizeof(*e));
  if (e->name_len != 0)
    memcpy(to + sizeof(*e), name, e->name_len);
  if (script_len != 0)
    memcpy(to + sizeof(*e) + e->name_len, script, script_len);
  if (e->kind != MOVED && e->script_len != SAME_SCRIPT) {
    c->writer.script.len = script_len;
    if (script_len != 0)
      memcpy(c->writer.script.name, script, script_len);
  }
  /* Release: what was copied is seen before it is counted. */
  atomic_store_explicit(&k->filled, (uint32_t) (to - k->data) + size,
                        memory_order_release);
}

void vigil__code_add(struct vigil__code* c,
                     uint64_t start,
                     uint64_t size,
                     enum vigil__frame_kind kind,
                     const char* name, size_t name_len,
                     const char* script, size_t script_len,
                     int32_t line,
                     int32_t column) {
  const struct script* last = &c->writer.script;
  struct event e = {
    .start = start,
    .size = size,
    .line = line,
    .column = column,
    .name_len = (uint16_t) vigil__frames_cut(name, name_len),
    .script_len = (uint16_t) vigil__frames_cut(script, script_len),
    .kind = (uint16_t) kind
  };

  if (e.script_len == last->len &&
      (e.script_len == 0 || memcmp(script, last->name, last->len) == 0))
    e.script_len = SAME_SCRIPT;
  append(c, &e, name, script);
}

void vigil__code_move(struct vigil__code* c,
                      uint64_t from,
                      uint64_t to,
                      uint64_t size) {
  const struct event e = {
    .start = from,
    .to = to,
    .size = size,
    .kind = MOVED
  };

  append(c, &e, NULL, NULL);
}

/* The event's length in the log. */
static uint32_t take(struct vigil__code* c, const char* data) {
  struct script* script = &c->reader.script;
  uint32_t len = sizeof(struct event);
  const char* name = data + len;
  struct event e;
  uint32_t frame;
  int r;

  memcpy(&e, data, sizeof(e));
  if (e.kind == MOVED) {
    /* Of code that was lost, or that came before us. */
    vigil__ranges_move(&c->reader.ranges, e.start, e.to, e.size);
    return len;
  }
  len += e.name_len;
  if (e.script_len != SAME_SCRIPT) {
    memcpy(script->name, data + len, e.script_len);
    script->len = e.script_len;
    len += e.script_len;
  }
  frame = vigil__frames_code(c->reader.frames, (enum vigil__frame_kind) e.kind,
                             name, e.name_len, script->name, script->len,
                             e.line, e.column);
  r = vigil__ranges_add(&c->reader.ranges, e.start, e.size, frame);
  if (r != 0)
    c->reader.lost++;
  return (len + 7) & ~7u;
}

void vigil__code_drain(struct vigil__code* c) {
  struct chunk* next;
  struct chunk* k;
  uint32_t filled;

  for (;;) {
    k = c->reader.head;
    /* Before `filled`: a chunk that has a successor gets nothing more. */
    next = atomic_load_explicit(&k->next, memory_order_acquire);
    filled = atomic_load_explicit(&k->filled, memory_order_acquire);
    while (c->reader.at < filled)
      c->reader.at += take(c, k->data + c->reader.at);
    if (next == NULL)
      return;
    free(k);
    vigil__add(&c->reader.chunks, 1);
    c->reader.head = next;
    c->reader.at = 0;
  }
}

uint32_t vigil__code_find(struct vigil__code* c,
                          uint64_t pc,
                          struct vigil__code_found* found) {
  struct vigil__range range;

  if (vigil__ranges_find(&c->reader.ranges, pc, &range) != 0)
    return VIGIL__FRAME_NONE;
  if (found != NULL)
    *found = (struct vigil__code_found) {
      .start = range.start,
      .size = range.size,
      .frame = range.value
    };
  return range.value;
}

void vigil__code_stats(const struct vigil__code* c,
                       struct vigil__code_stats* s) {
  const uint64_t freed = vigil__load(&c->reader.chunks);

  *s = (struct vigil__code_stats) {
    .lost = vigil__load(&c->writer.lost) + c->reader.lost,
    .evicted = c->reader.ranges.evicted,
    .ranges = c->reader.ranges.count,
    .unread_bytes =
        (size_t) (vigil__load(&c->writer.chunks) - freed) * CHUNK_SIZE,
    .map_bytes = sizeof(*c) + vigil__ranges_bytes(&c->reader.ranges)
  };
}
