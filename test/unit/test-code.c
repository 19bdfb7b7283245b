/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "code.h"
#include "frames.h"
#include "os.h"
#include "ranges.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every allocation from now on fails with probability 1 / `refuse`. */
static uint64_t refuse;

static void* refusing(void* p, size_t size) {
  return refuse != 0 && test_random(refuse) == 0 ? NULL : realloc(p, size);
}

/* The naive oracle: a list without overlaps. */
#define MOST 4000
static struct vigil__range list[MOST];
static size_t listed;

static void list_clear(uint64_t start, uint64_t end) {
  size_t i = 0;

  while (i < listed)
    if (list[i].start < end && start < list[i].start + list[i].size)
      list[i] = list[--listed];
    else
      i++;
}

static void list_add(uint64_t start, uint32_t size, uint32_t value, bool add) {
  list_clear(start, start + size);
  if (add)
    list[listed++] = (struct vigil__range) { start, size, value };
}

static bool list_move(uint64_t from, uint64_t to, uint32_t size) {
  struct vigil__range moved;
  size_t i;

  for (i = 0; i < listed && list[i].start != from; i++) {}
  if (i == listed)
    return false;
  moved = list[i];
  list[i] = list[--listed];
  list_add(to, size == 0 ? moved.size : size, moved.value, true);
  return true;
}

static const struct vigil__range* list_find(uint64_t address) {
  size_t i;

  for (i = 0; i < listed; i++)
    if (address - list[i].start < list[i].size)
      return &list[i];
  return NULL;
}

static void check_address(struct vigil__ranges* r, uint64_t address) {
  const struct vigil__range* want = list_find(address);
  struct vigil__range got;

  CHECK_EQ(vigil__ranges_find(r, address, &got), want ? 0 : -ENOENT);
  if (want != NULL) {
    CHECK_EQ(got.start, want->start);
    CHECK_EQ(got.size, want->size);
    CHECK_EQ(got.value, want->value);
  }
}

static void check_model(uint64_t space, uint32_t longest, unsigned rounds) {
  struct vigil__ranges r = { .most = MOST };
  unsigned n;

  listed = 0;
  for (n = 0; n < rounds; n++) {
    const uint64_t a = 1000 + test_random(space);
    const uint64_t b = 1000 + test_random(space);
    const uint32_t size = 1 + (uint32_t) test_random(longest);
    int e;

    if (test_random(3) != 0) {
      e = vigil__ranges_add(&r, a, size, n);
      CHECK(e == 0 || (e == -ENOMEM && refuse != 0));
      list_add(a, size, n, e == 0);
    } else {
      const uint64_t from =
          listed == 0 || test_random(8) == 0 ? a
                                             : list[test_random(listed)].start;
      const uint32_t now = test_random(2) ? size : 0;

      CHECK_EQ(vigil__ranges_move(&r, from, b, now),
               list_move(from, b, now) ? 0 : -ENOENT);
    }
    CHECK_EQ(r.count, listed);
    check_address(&r, 1000 + test_random(space + longest));
    if (listed != 0) {
      const struct vigil__range* some = &list[test_random(listed)];

      check_address(&r, some->start - 1);
      check_address(&r, some->start);
      check_address(&r, some->start + some->size - 1);
      check_address(&r, some->start + some->size);
    }
  }
  CHECK_EQ(r.evicted, 0);
  vigil__ranges_free(&r);
}

TEST(code_ranges_are_those_of_a_list) {
  check_model(500, 40, 20000);          /* Crowded: most overlap. */
  check_model(100000, 100, 20000);
  check_model(UINT64_C(1) << 46, 4096, 2000);
}

TEST(code_ranges_without_memory_are_still_right) {
  vigil__os.realloc = refusing;
  refuse = 2;
  check_model(10000, 100, 5000);
}

TEST(code_ranges_at_the_edges) {
  struct vigil__ranges r = { .most = 10 };
  struct vigil__range found;

  CHECK_EQ(vigil__ranges_find(&r, 0, &found), -ENOENT);
  CHECK_EQ(vigil__ranges_find(&r, UINT64_MAX, &found), -ENOENT);
  CHECK_EQ(vigil__ranges_move(&r, 0, 1, 1), -ENOENT);
  CHECK_EQ(vigil__ranges_move(&r, UINT64_MAX, 1, 1), -ENOENT);
  CHECK_EQ(vigil__ranges_add(&r, 5, 0, 1), -EINVAL);
  CHECK_EQ(vigil__ranges_add(&r, 5, UINT64_C(1) << 31, 1), -EINVAL);
  CHECK_EQ(vigil__ranges_add(&r, UINT64_MAX - 5, 6, 1), -EINVAL);
  CHECK_EQ(r.count, 0);
  CHECK_EQ(vigil__ranges_add(&r, UINT64_MAX - 5, 5, 1), 0);
  CHECK_EQ(vigil__ranges_add(&r, 0, (UINT64_C(1) << 31) - 1, 2), 0);
  CHECK_EQ(vigil__ranges_find(&r, UINT64_MAX - 1, &found), 0);
  CHECK_EQ(vigil__ranges_find(&r, UINT64_MAX, &found), -ENOENT);
  CHECK_EQ(vigil__ranges_find(&r, 0, &found), 0);
  CHECK_EQ(found.size, (UINT64_C(1) << 31) - 1);
  CHECK_EQ(vigil__ranges_move(&r, 0, UINT64_MAX - 3, 4), -EINVAL);
  CHECK_EQ(vigil__ranges_find(&r, 0, &found), 0);
  /* Onto itself, and over its neighbour. */
  CHECK_EQ(vigil__ranges_move(&r, 0, 0, 10), 0);
  CHECK_EQ(vigil__ranges_move(&r, 0, UINT64_MAX - 6, 5), 0);
  CHECK_EQ(r.count, 1);
  vigil__ranges_free(&r);
}

TEST(code_ranges_full_forgets_what_is_not_found) {
  struct vigil__ranges r = { .most = 1000 };
  struct vigil__range found;
  uint64_t at = 4200;
  uint64_t i;

  for (i = 1; i <= 5000; i++) {
    CHECK_EQ(vigil__ranges_add(&r, i * 100, 50, (uint32_t) i), 0);
    if (i % 100 == 0) {
      /* It stays known when it moves, too. */
      CHECK_EQ(vigil__ranges_find(&r, at, &found), 0);
      CHECK_EQ(vigil__ranges_move(&r, at, 4210 - at, 0), 0);
      at = 4210 - at;
    }
    CHECK_OP(r.count, <=, 1000);
  }
  CHECK_EQ(r.count, 1000);
  CHECK_EQ(r.evicted, 4000);
  CHECK_EQ(vigil__ranges_find(&r, at, &found), 0);
  CHECK_EQ(found.value, 42);
  CHECK_OP(vigil__ranges_bytes(&r), <=, 1001 * 24);
  vigil__ranges_free(&r);
}

/* In the order that makes a list of a plain tree: that would time out. */
TEST(code_ranges_stay_balanced) {
  struct vigil__ranges r = { .most = 500000 };
  struct vigil__range found;
  uint32_t i;

  for (i = 0; i < 500000; i++)
    CHECK_EQ(vigil__ranges_add(&r, i * 512, 500, i), 0);
  for (i = 0; i < 500000; i++) {
    CHECK_EQ(vigil__ranges_find(&r, i * 512 + 499, &found), 0);
    CHECK_EQ(found.value, i);
  }
  vigil__ranges_free(&r);
}

/* What a service with many functions costs: one code object a function. */
TEST(code_bytes_per_function) {
  struct vigil__frames* f = vigil__frames_new(0, 0);
  struct vigil__code* c = vigil__code_new(f);
  struct vigil__code_stats s;
  char name[32];
  size_t text = 0;
  uint32_t i;

  for (i = 0; i < 100000; i++) {
    const int len = snprintf(name, sizeof(name), "function%u", i);

    text += (size_t) len + 1;
    vigil__code_add(c, 4096 + i * 512, 500, VIGIL__FRAME_JS, name,
                    (size_t) len, "/app/x.js", 9, (int32_t) i, 3);
  }
  vigil__code_stats(c, &s);
  /* The log takes the burst without a reader. */
  CHECK_EQ(s.lost, 0);
  CHECK_OP(s.unread_bytes, <=, VIGIL__CODE_UNREAD);
  vigil__code_drain(c);
  vigil__code_stats(c, &s);
  CHECK_EQ(s.lost, 0);
  CHECK_EQ(s.ranges, 100000);
  CHECK_OP(s.unread_bytes, <=, 64 * 1024);
  CHECK_EQ(vigil__frames_count(f), 100000);
  CHECK_OP(s.map_bytes + vigil__frames_bytes(f) - text, <, 10000000);
  vigil__code_free(c);
  vigil__frames_free(f);
}

static void add(struct vigil__code* c, uint64_t start, const char* name,
                const char* script) {
  vigil__code_add(c, start, 16, VIGIL__FRAME_JS, name, strlen(name), script,
                  strlen(script), 7, 3);
}

static void check_name(struct vigil__code* c, struct vigil__frames* f,
                       uint64_t pc, const char* name, const char* script) {
  const uint32_t id = vigil__code_find(c, pc, NULL);

  CHECK(id != VIGIL__FRAME_NONE);
  CHECK_STR(vigil__frames_get(f, id).name, name);
  CHECK_STR(vigil__frames_get(f, id).script, script);
}

TEST(code_log_reaches_the_map) {
  struct vigil__frames* f = vigil__frames_new(0, 0);
  struct vigil__code* c = vigil__code_new(f);
  struct vigil__code_found found;
  struct vigil__frame frame;
  uint32_t id;

  vigil__code_drain(c);
  CHECK_EQ(vigil__code_find(c, 100, NULL), VIGIL__FRAME_NONE);
  add(c, 100, "a", "/x.js");
  CHECK_EQ(vigil__code_find(c, 100, NULL), VIGIL__FRAME_NONE);  /* Not yet. */
  add(c, 200, "b", "/x.js");
  add(c, 300, "c", "/y.js");
  add(c, 400, "", "");
  add(c, 500, "a", "/x.js");                    /* Compiled once more. */
  vigil__code_add(c, 600, 16, VIGIL__FRAME_TRAMPOLINE,
                  "InterpreterEntryTrampoline", 26, NULL, 0, 0, 0);
  vigil__code_move(c, 200, 700, 0);
  add(c, 800, "d", "/y.js");
  vigil__code_move(c, 999, 300, 16);            /* Nobody knows it. */
  add(c, 900, "e", "");
  vigil__code_drain(c);

  check_name(c, f, 100, "a", "/x.js");
  check_name(c, f, 715, "b", "/x.js");
  check_name(c, f, 315, "c", "/y.js");
  check_name(c, f, 400, "", "");
  check_name(c, f, 800, "d", "/y.js");
  check_name(c, f, 900, "e", "");
  check_name(c, f, 600, "InterpreterEntryTrampoline", "");
  CHECK_EQ(vigil__code_find(c, 200, NULL), VIGIL__FRAME_NONE);
  CHECK_EQ(vigil__code_find(c, 116, NULL), VIGIL__FRAME_NONE);
  id = vigil__code_find(c, 510, &found);
  CHECK_EQ(id, vigil__code_find(c, 110, NULL));  /* The same function. */
  CHECK_EQ(found.frame, id);
  CHECK_EQ(found.start, 500);
  CHECK_EQ(found.size, 16);
  frame = vigil__frames_get(f, id);
  CHECK_EQ(frame.line, 7);
  CHECK_EQ(frame.column, 3);
  CHECK_EQ(frame.kind, VIGIL__FRAME_JS);
  CHECK_EQ(vigil__frames_get(f, vigil__code_find(c, 600, NULL)).kind,
           VIGIL__FRAME_TRAMPOLINE);
  vigil__code_free(c);
  vigil__frames_free(f);
}

/* Unread events at the end, over several chunks: nothing may leak. */
TEST(code_log_drops_and_says_so_when_nobody_reads) {
  struct vigil__frames* f = vigil__frames_new(0, 0);
  struct vigil__code* c = vigil__code_new(f);
  struct vigil__code_stats s;
  char name[600];
  uint64_t i;

  memset(name, 'n', sizeof(name));
  for (i = 0; i < 20000; i++) {
    snprintf(name, 8, "%07u", (unsigned) i);
    name[7] = 'n';
    vigil__code_add(c, 1000 + 16 * i, 16, VIGIL__FRAME_JS, name, sizeof(name),
                    "/x.js", 5, 1, 1);
  }
  vigil__code_stats(c, &s);
  CHECK_OP(s.unread_bytes, <=, VIGIL__CODE_UNREAD);
  CHECK_OP(s.unread_bytes, >=, VIGIL__CODE_UNREAD - 65536);
  CHECK_OP(s.lost, >, 5000);
  CHECK_OP(s.lost, <, 10000);
  vigil__code_drain(c);
  vigil__code_stats(c, &s);
  CHECK_EQ(s.ranges + s.lost, 20000);
  add(c, 5, "later", "/z.js");
  vigil__code_drain(c);
  check_name(c, f, 5, "later", "/z.js");
  for (i = 0; i < 5000; i++)
    add(c, 1000 + 16 * i, "unread", "/x.js");
  vigil__code_free(c);
  vigil__frames_free(f);
}

TEST(code_events_without_memory_are_counted) {
  struct vigil__frames* f;
  struct vigil__code* c;
  struct vigil__code_stats s;
  char script[40];
  char name[40];
  uint64_t i;
  uint64_t known = 0;

  vigil__os.realloc = refusing;
  refuse = 1;
  CHECK(vigil__frames_new(0, 0) == NULL);
  CHECK(vigil__code_new(NULL) == NULL);
  refuse = 0;
  f = vigil__frames_new(0, 0);
  c = vigil__code_new(f);
  refuse = 2;
  for (i = 0; i < 20000; i++) {
    snprintf(name, sizeof(name), "name%u", (unsigned) i);
    snprintf(script, sizeof(script), "/%u.js", (unsigned) i / 7);
    add(c, 1000 + 16 * i, name, script);
    if (i % 1000 == 0)
      vigil__code_drain(c);
  }
  vigil__code_drain(c);
  vigil__code_stats(c, &s);
  CHECK_OP(s.lost, >, 0);
  CHECK_EQ(s.ranges + s.lost, 20000);
  for (i = 0; i < 20000; i++) {
    const uint32_t id = vigil__code_find(c, 1000 + 16 * i, NULL);

    if (id == VIGIL__FRAME_NONE || id == VIGIL__FRAME_MANY)
      continue;
    known++;
    snprintf(name, sizeof(name), "name%u", (unsigned) i);
    snprintf(script, sizeof(script), "/%u.js", (unsigned) i / 7);
    check_name(c, f, 1000 + 16 * i, name, script);
  }
  CHECK_OP(known, >, 10000);
  CHECK_OP(known, <=, vigil__frames_count(f));
  vigil__code_free(c);
  vigil__frames_free(f);
}

TEST(code_frames_fixed_and_unknown) {
  struct vigil__frames* f = vigil__frames_new(0, 0);

  CHECK_STR(vigil__frames_get(f, VIGIL__FRAME_ROOT).name, "(root)");
  CHECK_STR(vigil__frames_get(f, VIGIL__FRAME_PROGRAM).name, "(program)");
  CHECK_STR(vigil__frames_get(f, VIGIL__FRAME_GC).name,
            "(garbage collector)");
  CHECK_STR(vigil__frames_get(f, VIGIL__FRAME_IDLE).name, "(idle)");
  CHECK_STR(vigil__frames_get(f, VIGIL__FRAME_TRUNCATED).name, "(truncated)");
  CHECK_STR(vigil__frames_get(f, VIGIL__FRAME_MANY).name,
            "(too many functions)");
  CHECK_STR(vigil__frames_get(f, VIGIL__FRAME_FIRST).name, "(unknown)");
  CHECK_STR(vigil__frames_get(f, VIGIL__FRAME_NONE).name, "(unknown)");
  CHECK_STR(vigil__frames_get(f, UINT32_MAX).script, "");
  vigil__frames_free(f);
}

TEST(code_frames_differ_in_every_part) {
  struct vigil__frames* f = vigil__frames_new(0, 0);
  const uint32_t a =
      vigil__frames_code(f, VIGIL__FRAME_JS, "f", 1, "s", 1, 1, 2);
  const uint32_t others[] = {
    vigil__frames_code(f, VIGIL__FRAME_REGEXP, "f", 1, "s", 1, 1, 2),
    vigil__frames_code(f, VIGIL__FRAME_JS, "g", 1, "s", 1, 1, 2),
    vigil__frames_code(f, VIGIL__FRAME_JS, "f", 1, "t", 1, 1, 2),
    vigil__frames_code(f, VIGIL__FRAME_JS, "f", 1, "s", 1, 2, 2),
    vigil__frames_code(f, VIGIL__FRAME_JS, "f", 1, "s", 1, 1, 3),
    vigil__frames_code(f, VIGIL__FRAME_JS, "fs", 2, "", 0, 1, 2),
    vigil__frames_native(f, "f", "s"),
    vigil__frames_native(f, "f", "t"),
    vigil__frames_native(f, "f", NULL),
  };
  const size_t n = sizeof(others) / sizeof(others[0]);
  size_t i;
  size_t k;

  for (i = 0; i < n; i++) {
    CHECK(others[i] != a);
    CHECK_OP(others[i], >=, VIGIL__FRAME_FIRST);
    for (k = 0; k < i; k++)
      CHECK(others[i] != others[k]);
  }
  CHECK_EQ(vigil__frames_code(f, VIGIL__FRAME_JS, "fxx", 1, "sy", 1, 1, 2), a);
  CHECK_EQ(vigil__frames_native(f, "f", "t"), others[7]);
  CHECK_STR(vigil__frames_get(f, others[7]).script, "t");
  CHECK_EQ(vigil__frames_count(f), n + 1);
  vigil__frames_free(f);
}

TEST(code_frames_are_bounded) {
  struct vigil__frames* f = vigil__frames_new(100, 0);
  struct vigil__frames* g = vigil__frames_new(0, 3000);
  uint32_t first = vigil__frames_native(f, "first", NULL);
  char name[100];
  unsigned i;

  for (i = 0; i < 1000; i++) {
    snprintf(name, sizeof(name), "%090u", i);
    CHECK_EQ(vigil__frames_native(f, name, NULL) == VIGIL__FRAME_MANY,
             i >= 99);
    vigil__frames_native(g, name, NULL);
  }
  CHECK_EQ(vigil__frames_count(f), 100);
  CHECK_EQ(vigil__frames_refused(f), 901);
  CHECK_EQ(vigil__frames_native(f, "first", NULL), first);
  CHECK_EQ(vigil__frames_count(g), 32);  /* 91 bytes each, and one for "". */
  CHECK_OP(vigil__frames_bytes(g), <, 3000 + 32 * 100 + 2000);
  vigil__frames_free(f);
  vigil__frames_free(g);
}

TEST(code_frames_cut_names_between_characters) {
  char text[2000];
  size_t i;

  memset(text, 'x', sizeof(text));
  CHECK_EQ(vigil__frames_cut(text, 10), 10);
  CHECK_EQ(vigil__frames_cut(NULL, 0), 0);
  CHECK_EQ(vigil__frames_cut("ab\0cd", 5), 2);
  CHECK_EQ(vigil__frames_cut(text, VIGIL__FRAMES_STRING),
           VIGIL__FRAMES_STRING);
  CHECK_EQ(vigil__frames_cut(text, sizeof(text)), VIGIL__FRAMES_STRING);
  for (i = 0; i + 3 < sizeof(text); i += 3)
    memcpy(text + i, "\xe2\x82\xac", 3);
  CHECK_EQ(VIGIL__FRAMES_STRING % 3, 0);
  CHECK_EQ(vigil__frames_cut(text + 3, 1500), 1023);
  CHECK_EQ(vigil__frames_cut(text + 2, 1500), 1021);
  CHECK_EQ(vigil__frames_cut(text + 1, 1500), 1022);
}
