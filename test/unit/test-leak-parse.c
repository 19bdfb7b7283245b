/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak-snapshot.h"

#include "leak_tree.h"
#include "os.h"

static struct vigil__leak_parse p;

static int fail_at;             /* The how-manieth allocation is refused. */

static void* refusing(void* block, size_t size) {
  return fail_at > 0 && --fail_at == 0 ? NULL : realloc(block, size);
}

/* A bit of everything. */
static struct snap* sample(void) {
  int roots, global;
  struct snap* s = snap_new(&roots, &global);
  const int map = snap_node(s, OBJECT, "Map", 32);
  const int table = snap_node(s, ARRAY, "", 4096);
  const int weak = snap_node(s, HIDDEN, "system / EphemeronHashTable", 64);
  const int key = snap_node(s, OBJECT, "Key", 16);
  const int value = snap_node(s, OBJECT, "Value", 16);
  const int string = snap_node(s, STRING, "a \\\"long\\\" \\u00e9 text", 40);
  const int f = snap_node(s, CLOSURE, "get \\ud83d\\ude00 x", 64);
  char ephemeron[128];

  snprintf(ephemeron, sizeof(ephemeron), "7 / part of key (Key @%d) -> value "
           "(Value @%d) pair in WeakMap (table @%d)", 2 * key + 1,
           2 * value + 1, 2 * weak + 1);
  snap_edge(s, roots, ELEMENT, "1", weak);
  snap_edge(s, roots, WEAK, "2", table);
  snap_edge(s, global, PROPERTY, "cache", map);
  snap_edge(s, global, PROPERTY, "global", global);
  snap_edge(s, global, SHORTCUT, "short", table);
  snap_edge(s, global, PROPERTY, "key", key);
  snap_edge(s, map, INTERNAL, "table", table);
  snap_edge(s, table, INTERNAL, "12", string);
  snap_edge(s, table, INTERNAL, "13 / code", f);
  snap_edge(s, table, HIDDEN_EDGE, "900000000", value);
  snap_edge(s, key, INTERNAL, ephemeron, value);
  snap_edge(s, weak, INTERNAL, ephemeron, value);
  snap_edge(s, f, CONTEXT, "tab\\tand\\nline", value);
  snap_write(s);
  return s;
}

/* Everything there is in a graph, as text. */
static void describe(const struct vigil__leak_graph* g, char* out,
                     size_t size) {
  size_t len = 0;
  uint32_t i, e;

  for (i = 0; i < g->nodes; i++) {
    len += (size_t) snprintf(out + len, size - len, "%u %s %" PRIu64 ":",
                             g->type[i], g->text + g->name[i],
                             vigil__leak_size(g->size[i]));
    for (e = g->first[i]; e < g->first[i + 1]; e++) {
      len += (size_t) snprintf(out + len, size - len, " %u'%s'>%u",
                               vigil__leak_edge_type(g, e),
                               vigil__leak_edge_name(g, e), g->to[e]);
      CHECK_EQ(vigil__leak_edge_from(g, e), i);
    }
    len += (size_t) snprintf(out + len, size - len, "\n");
  }
  CHECK_OP(len, <, size);
}

static const char expected[] =
    "9  0: 1''>1 5''>2\n"
    "9 (GC roots) 0: 1''>5\n"
    "3 global 32: 2'cache'>3 2'key'>6\n"
    "3 Map 32: 3'table'>4\n"
    "1  4096: 3''>8 3'code'>9 4''>7\n"
    "0 system / EphemeronHashTable 64:\n"
    "3 Key 16: 3'(value of a WeakMap)'>7\n"
    "3 Value 16:\n"
    "2  40:\n"
    "5 get \xf0\x9f\x98\x80 x 64: 0'tab\tand\nline'>7\n";

TEST(leak_parse_every_split) {
  struct vigil__leak_memory m = { .limit = 1 << 24 };
  struct snap* s = sample();
  char text[4096];
  size_t at;

  for (at = 0; at <= s->len; at++) {
    memset(&p, 0, sizeof(p));
    vigil__leak_parse_begin(&p, &m);
    CHECK_EQ(vigil__leak_parse_write(&p, s->text, at), 0);
    CHECK_EQ(vigil__leak_parse_write(&p, s->text + at, s->len - at), 0);
    CHECK_EQ(vigil__leak_parse_finish(&p), 0);
    describe(&p.graph, text, sizeof(text));
    CHECK_STR(text, expected);
    CHECK_EQ(p.graph.edges_read, s->edges);
    vigil__leak_parse_free(&p);
    CHECK_EQ(m.used, 0);
  }
  for (at = 1; at < 40; at++) {
    CHECK_EQ(snap_parse(&p, &m, s->text, s->len, at), 0);
    CHECK_EQ(vigil__leak_parse_finish(&p), 0);
    describe(&p.graph, text, sizeof(text));
    CHECK_STR(text, expected);
    vigil__leak_parse_free(&p);
  }
  snap_free(s);
}

TEST(leak_parse_takes_the_order_from_the_file) {
  static const char file[] =
      "{\"snapshot\":{\"meta\":{\"node_fields\":[\"trace\",\"edge_count\","
      "\"self_size\",\"name\",\"id\",\"type\"],\"node_types\":[\"number\","
      "[\"x\"],\"number\",\"string\",\"number\",[\"native\",\"object\","
      "\"novel\"]],"
      "\"edge_fields\":[\"to_node\",\"colour\",\"type\",\"name_or_index\"],"
      "\"edge_types\":[\"node\",[\"red\"],[\"weak\",\"property\"],\"string\"]},"
      "\"node_count\":3,\"edge_count\":3},\"nodes\":["
      "5,2,8,0,1,1, 6,1,16,1,3,2, 7,0,3000000000,2,5,0],"
      "\"edges\":[6,9,1,1, 12,8,0,3, 12,7,1,3],"
      "\"strings\":[\"A\",\"B\",\"C\",\"d\"]}";
  struct vigil__leak_memory m = { .limit = 1 << 20 };
  char text[256];

  CHECK_EQ(snap_parse(&p, &m, file, sizeof(file) - 1, 7), 0);
  CHECK_EQ(vigil__leak_parse_finish(&p), 0);
  describe(&p.graph, text, sizeof(text));
  /* From 2 GB on a size is rounded down to 4 KB. */
  CHECK_STR(text, "3 A 8: 2'B'>1\n13 B 16: 2'd'>2\n8 C 2999996416:\n");
  vigil__leak_parse_free(&p);
}

TEST(leak_parse_truncated_is_an_error) {
  struct vigil__leak_memory m = { .limit = 1 << 24 };
  struct snap* s = sample();
  size_t len;

  for (len = 0; len < s->len; len++) {
    CHECK_EQ(snap_parse(&p, &m, s->text, len, 64), 0);
    CHECK_EQ(vigil__leak_parse_finish(&p), -EINVAL);
    CHECK_EQ(vigil__leak_parse_write(&p, " ", 1), -EINVAL);
    vigil__leak_parse_free(&p);
    CHECK_EQ(m.used, 0);
  }
  snap_free(s);
}

TEST(leak_parse_refuses_what_is_wrong) {
  static const struct { const char* from; const char* to; } wrong[] = {
    { "\"node_count\":10", "\"node_count\":9" },
    { "\"node_count\":10", "\"node_count\":11" },
    { "\"node_count\":10", "\"node_count\":0" },
    { "\"node_count\":10", "\"node_count\":-1" },
    { "\"edge_count\":15", "\"edge_count\":14" },
    { "\"edge_count\":15", "\"edge_count\":16" },
    { "\"nodes\":[9,0", "\"nodes\":[15,0" },
    { "\"nodes\":[9,0", "\"nodes\":[9,\"0\"" },
    { "\"nodes\":[9,0", "\"nodes\":[9,-1" },
    { "\"nodes\":[9,0", "\"nodes\":[9,1.5" },
    { "\"nodes\":[9,0", "\"nodes\":[9,99999999999999999999999" },
    { "\"nodes\":[9,0", "\"nodes\":[[9],0" },
    { "\"nodes\":[9,0", "\"nodes\":[9,8000" },
    { "\"edges\":[1,1,6", "\"edges\":[7,1,6" },
    { "\"edges\":[1,1,6", "\"edges\":[1,1,7" },
    { "\"edges\":[1,1,6", "\"edges\":[1,1,60" },
    { "\"edges\":[1,1,6", "\"edges\":[2,4000,6" },
    { "\"edges\":[1,1,6", "\"edges\":[null,1,6" },
    { "\"nodes\":[", "\"n\":5,\"nodes\":5,\"nodes\":[" },
    { "\"nodes\":[", "\"strings\":[],\"nodes\":[" },
    { "\"nodes\":[", "\"edges\":[],\"nodes\":[" },
    { "\"edges\":[", "\"nodes\":[],\"edges\":[" },
    { "\"samples\":[", "\"nodes\":5,\"samples\":[" },
    { "\"samples\":[", "\"edges\":[],\"samples\":[" },
    { "\"strings\":[", "\"strings\":{\"a\":1},\"b\":[" },
    { "\"strings\":[", "\"strings\":[],\"strings\":[" },
    { "\"strings\":[\"", "\"strings\":[1,\"" },
    { "\"self_size\"", "\"self\"" },
    { "\"to_node\"", "\"to\"" },
    { "[true,null]", "[tru,null]" },
    { "[true,null]", "[true,null}" },
    { "[true,null]", "[true,,null]" },
    { "\\ud83d", "\\ux83d" },
    { "\\ud83d", "\\v" },
    { "get ", "get\n" },
    { "{\"snapshot\"", "[{\"snapshot\"" },
  };
  struct vigil__leak_memory m = { .limit = 1 << 24 };
  struct snap* s = sample();
  char* bad = malloc(s->len + 256);
  const char* at;
  size_t i;
  size_t n;
  int e;

  for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    at = strstr(s->text, wrong[i].from);
    if (at == NULL)
      test_fail(__FILE__, __LINE__, "no %s", wrong[i].from);
    n = (size_t) (at - s->text);
    memcpy(bad, s->text, n);
    strcpy(bad + n, wrong[i].to);
    strcat(bad, at + strlen(wrong[i].from));
    e = snap_parse(&p, &m, bad, strlen(bad), 100);
    if (e == 0)
      e = vigil__leak_parse_finish(&p);
    if (e != -EINVAL)
      test_fail(__FILE__, __LINE__, "%s: %d", wrong[i].to, e);
    vigil__leak_parse_free(&p);
    CHECK_EQ(m.used, 0);
  }
  free(bad);
  snap_free(s);
}

TEST(leak_parse_keeps_to_its_limit) {
  struct vigil__leak_memory m = { .limit = 1 << 24 };
  struct vigil__leak_summary sum;
  struct snap* s = sample();
  size_t peak;
  size_t limit;
  int e;

  CHECK_EQ(snap_parse(&p, &m, s->text, s->len, 99), 0);
  CHECK_EQ(vigil__leak_summarize(&p, 0, &sum), 0);
  vigil__leak_summary_free(&sum);
  peak = m.peak;
  for (limit = 0; limit < peak; limit += 1 + limit / 50) {
    m = (struct vigil__leak_memory) { .limit = limit };
    e = snap_parse(&p, &m, s->text, s->len, 99);
    if (e == 0)
      e = vigil__leak_summarize(&p, 0, &sum);
    else
      vigil__leak_parse_free(&p);
    CHECK_EQ(e, -EFBIG);
    CHECK_EQ(m.used, 0);
    CHECK_OP(m.peak, <=, limit);
  }
  /* Counts alone do not make it allocate. */
  snap_put(s, "x");
  m = (struct vigil__leak_memory) { .limit = 1 << 20 };
  CHECK_EQ(snap_parse(&p, &m, SNAP_META "\"node_count\":1000000000,"
                      "\"edge_count\":2000000000},\"nodes\":[",
                      strlen(SNAP_META) + 66, 8), -EFBIG);
  vigil__leak_parse_free(&p);
  snap_free(s);
}

TEST(leak_parse_without_memory) {
  struct vigil__leak_memory m = { .limit = 1 << 24 };
  struct vigil__leak_summary sum;
  struct snap* s = sample();
  int n;
  int e;

  vigil__os.realloc = refusing;
  for (n = 1; ; n++) {
    fail_at = n;
    e = snap_parse(&p, &m, s->text, s->len, 99);
    if (e == 0)
      e = vigil__leak_summarize(&p, 0, &sum);
    else
      vigil__leak_parse_free(&p);
    CHECK_EQ(m.used, 0);
    /* It need not become smaller to go on. */
    CHECK(e == -ENOMEM || e == 0);
    if (e == 0)
      vigil__leak_summary_free(&sum);
    if (fail_at > 0)
      break;
  }
  CHECK_EQ(e, 0);
  CHECK_OP(n, >, 25);
  snap_free(s);
}

TEST(leak_parse_cuts_long_names) {
  struct vigil__leak_memory m = { .limit = 1 << 24 };
  char name[5000];
  char file[8192];
  size_t i;

  /* Two bytes each, and an odd one before: the cut is not in the middle. */
  name[0] = 'x';
  for (i = 1; i + 1 < sizeof(name); i += 2)
    memcpy(name + i, "\xc3\xa9", 2);
  name[sizeof(name) - 1] = '\0';
  snprintf(file, sizeof(file), "%s\"node_count\":1,\"edge_count\":0},"
           "\"nodes\":[3,0,1,8,0,0],\"edges\":[],\"strings\":[\"%s\"]}",
           SNAP_META, name);
  CHECK_EQ(snap_parse(&p, &m, file, strlen(file), 1000), 0);
  CHECK_EQ(vigil__leak_parse_finish(&p), 0);
  CHECK_EQ(strlen(p.graph.text + p.graph.name[0]), VIGIL__LEAK_NAME - 1);
  CHECK(memcmp(p.graph.text + p.graph.name[0], name, VIGIL__LEAK_NAME - 1) ==
        0);
  vigil__leak_parse_free(&p);
}

/* Anything may stand in the file: no crash, nothing left, and what is accepted
 * can be worked with. */
TEST(leak_parse_fuzz) {
  static const char pieces[][12] = {
    "0", "1", "6", "12", "999", "4294967295", "-1", "\"", "[", "]", "{", "}",
    ",", "null", "\\u", "9,0,1,0,2,0"
  };
  struct vigil__leak_summary sum;
  struct snap* s = sample();
  char* text = malloc(s->len + 64);
  unsigned accepted = 0;
  unsigned round;
  size_t at, len, n, k;
  int e;

  for (round = 0; round < 20000; round++) {
    struct vigil__leak_memory m = { .limit = 1 << 20 };

    memcpy(text, s->text, s->len);
    len = s->len;
    for (k = 1 + test_random(3); k > 0; k--) {
      /* Mostly where the numbers are. */
      at = test_random(3) == 0 ? test_random(len)
                               : 900 + test_random(len - 900);
      switch (test_random(3)) {
        case 0:
          text[at] = (char) test_random(256);
          break;
        case 1:
          /* One digit for another. */
          while (at + 1 < len && (text[at] < '0' || text[at] > '9'))
            at++;
          text[at] = (char) ('0' + test_random(10));
          break;
        default:
          n = strlen(pieces[test_random(16)]);
          n = n > len - at ? len - at : n;
          memcpy(text + at, pieces[test_random(16)], n < 2 ? n : 2);
      }
    }
    e = snap_parse(&p, &m, text, len, 1 + test_random(200));
    if (e == 0)
      e = vigil__leak_summarize(&p, 1 + (uint32_t) test_random(20), &sum);
    else
      vigil__leak_parse_free(&p);
    CHECK_EQ(m.used, 0);
    CHECK(e == 0 || e == -EINVAL || e == -EFBIG);
    if (e == 0) {
      accepted++;
      vigil__leak_summary_free(&sum);
    }
  }
  CHECK_OP(accepted, >, 500);
  free(text);
  snap_free(s);
}
