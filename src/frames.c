/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "frames.h"

#include "os.h"
#include "set.h"

#include <stdlib.h>  /* free */
#include <string.h>

struct entry {
  uint32_t name;                /* Where it begins in `text`. */
  uint32_t script;
  int32_t line;
  int32_t column;
  uint32_t kind;
};

struct vigil__frames {
  struct entry* entry;          /* Of VIGIL__FRAME_FIRST and on. */
  uint32_t count;
  uint32_t size;
  uint32_t most;
  char* text;                   /* Terminated strings, each once. */
  size_t text_len;
  size_t text_size;
  size_t text_most;
  struct vigil__set entries;
  struct vigil__set strings;    /* By their beginning. */
  uint64_t refused;
};

struct piece {
  const char* s;
  size_t len;
};

static const char* const fixed[VIGIL__FRAME_FIRST] = {
  [VIGIL__FRAME_ROOT] = "(root)",
  [VIGIL__FRAME_PROGRAM] = "(program)",
  [VIGIL__FRAME_GC] = "(garbage collector)",
  [VIGIL__FRAME_IDLE] = "(idle)",
  [VIGIL__FRAME_TRUNCATED] = "(truncated)",
  [VIGIL__FRAME_MANY] = "(too many functions)",
};

/* FNV-1a */
static uint32_t hash_text(const char* s, size_t len) {
  uint32_t h = 2166136261u;
  size_t i;

  for (i = 0; i < len; i++)
    h = (h ^ (unsigned char) s[i]) * 16777619u;
  return vigil__set_mix(h);
}

static uint32_t string_hash(const void* owner, uint32_t at) {
  const struct vigil__frames* f = owner;

  return hash_text(f->text + at, strlen(f->text + at));
}

static bool string_equal(const void* owner, uint32_t at, const void* key) {
  const struct vigil__frames* f = owner;
  const struct piece* p = key;

  return strncmp(f->text + at, p->s, p->len) == 0 &&
         f->text[at + p->len] == '\0';
}

static uint32_t hash_entry(const struct entry* e) {
  uint32_t h = vigil__set_mix(e->name);

  h = vigil__set_mix(h ^ e->script);
  h = vigil__set_mix(h ^ (uint32_t) e->line);
  h = vigil__set_mix(h ^ (uint32_t) e->column);
  return vigil__set_mix(h ^ e->kind);
}

static uint32_t entry_hash(const void* owner, uint32_t i) {
  return hash_entry(&((const struct vigil__frames*) owner)->entry[i]);
}

static bool entry_equal(const void* owner, uint32_t i, const void* key) {
  const struct entry* e = &((const struct vigil__frames*) owner)->entry[i];

  return memcmp(e, key, sizeof(*e)) == 0;
}

static const struct vigil__set_type string_type = {
  .hash = string_hash, .equal = string_equal
};

static const struct vigil__set_type entry_type = {
  .hash = entry_hash, .equal = entry_equal
};

struct vigil__frames* vigil__frames_new(uint32_t most, size_t text) {
  struct vigil__frames* f = vigil__os.realloc(NULL, sizeof(*f));

  if (f == NULL)
    return NULL;
  *f = (struct vigil__frames) {
    .most = most == 0 ? VIGIL__FRAMES_MOST : most,
    .text_most = text == 0 ? VIGIL__FRAMES_TEXT : text
  };
  return f;
}

void vigil__frames_free(struct vigil__frames* f) {
  if (f == NULL)
    return;
  vigil__set_free(&f->entries);
  vigil__set_free(&f->strings);
  free(f->entry);
  free(f->text);
  free(f);
}

/* Half as much again: doubling would leave more unused than V8 has left us. */
static size_t grown(size_t size, size_t least, size_t need, size_t most) {
  size = size < least ? least : size + size / 2;
  size = size < need ? need : size;
  return size > most ? most : size;
}

/* Where the text is kept, or -1. */
static int64_t intern(struct vigil__frames* f, const char* s, size_t len) {
  const struct piece p = { s, len };
  const size_t need = f->text_len + len + 1;
  uint32_t* slot;
  size_t size;
  char* text;

  if (vigil__set_reserve(&f->strings, 1, &string_type, f) != 0)
    return -1;
  slot = vigil__set_find(&f->strings, hash_text(s, len), &string_type, f, &p);
  if (*slot != 0)
    return *slot - 1;
  if (need > f->text_most)
    return -1;
  if (need > f->text_size) {
    size = grown(f->text_size, 4096, need, f->text_most);
    text = vigil__os.realloc(f->text, size);
    if (text == NULL)
      return -1;
    f->text = text;
    f->text_size = size;
  }
  memcpy(f->text + f->text_len, s, len);
  f->text[need - 1] = '\0';
  vigil__set_put(&f->strings, slot, (uint32_t) f->text_len);
  f->text_len = need;
  return *slot - 1;
}

/* The number of the entry, or -1. */
static int64_t add(struct vigil__frames* f, const struct entry* e) {
  struct entry* entry;
  uint32_t* slot;
  size_t size;

  if (vigil__set_reserve(&f->entries, 1, &entry_type, f) != 0)
    return -1;
  slot = vigil__set_find(&f->entries, hash_entry(e), &entry_type, f, e);
  if (*slot != 0)
    return *slot - 1;
  if (f->count == f->most)
    return -1;
  if (f->count == f->size) {
    size = grown(f->size, 128, 0, f->most);
    entry = vigil__os.realloc(f->entry, size * sizeof(*entry));
    if (entry == NULL)
      return -1;
    f->entry = entry;
    f->size = (uint32_t) size;
  }
  f->entry[f->count] = *e;
  vigil__set_put(&f->entries, slot, f->count++);
  return *slot - 1;
}

uint32_t vigil__frames_code(struct vigil__frames* f,
                            enum vigil__frame_kind kind,
                            const char* name, size_t name_len,
                            const char* script, size_t script_len,
                            int32_t line,
                            int32_t column) {
  const int64_t n = intern(f, name, vigil__frames_cut(name, name_len));
  const int64_t s = n < 0 ? -1
      : intern(f, script, vigil__frames_cut(script, script_len));
  const struct entry e = {
    .name = (uint32_t) n,
    .script = (uint32_t) s,
    .line = line,
    .column = column,
    .kind = kind
  };
  const int64_t id = s < 0 ? -1 : add(f, &e);

  if (id < 0) {
    f->refused++;
    return VIGIL__FRAME_MANY;
  }
  return VIGIL__FRAME_FIRST + (uint32_t) id;
}

uint32_t vigil__frames_native(struct vigil__frames* f,
                              const char* name,
                              const char* module) {
  if (module == NULL)
    module = "";
  return vigil__frames_code(f, VIGIL__FRAME_NATIVE, name, strlen(name),
                            module, strlen(module), 0, 0);
}

struct vigil__frame vigil__frames_get(const struct vigil__frames* f,
                                      uint32_t id) {
  const struct entry* e;

  if (id < VIGIL__FRAME_FIRST)
    return (struct vigil__frame) { .name = fixed[id], .script = "" };
  if (id - VIGIL__FRAME_FIRST >= f->count)
    return (struct vigil__frame) { .name = "(unknown)", .script = "" };
  e = &f->entry[id - VIGIL__FRAME_FIRST];
  return (struct vigil__frame) {
    .name = f->text + e->name,
    .script = f->text + e->script,
    .line = e->line,
    .column = e->column,
    .kind = (enum vigil__frame_kind) e->kind
  };
}

uint32_t vigil__frames_count(const struct vigil__frames* f) {
  return f->count;
}

size_t vigil__frames_bytes(const struct vigil__frames* f) {
  return sizeof(*f) + f->size * sizeof(*f->entry) + f->text_size +
         (f->entries.size + f->strings.size) * sizeof(uint32_t);
}

uint64_t vigil__frames_refused(const struct vigil__frames* f) {
  return f->refused;
}

size_t vigil__frames_cut(const char* s, size_t len) {
  size_t n = len > VIGIL__FRAMES_STRING ? VIGIL__FRAMES_STRING : len;

  if (n == 0)
    return 0;
  n = strnlen(s, n);
  if (n == VIGIL__FRAMES_STRING && n < len)
    while (n > 0 && ((unsigned char) s[n] & 0xc0) == 0x80)
      n--;
  return n;
}
