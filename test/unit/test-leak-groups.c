/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak-snapshot.h"

#include "leak.h"
#include "leak_groups.h"

/* The group with this path; there must be one. */
static const struct vigil__leak_group* group(
    const struct vigil__leak_summary* s, const char* path) {
  char text[2048];
  uint32_t i;

  for (i = 0; i < s->groups; i++) {
    vigil__leak_path(s, i, text, sizeof(text));
    if (strcmp(text, path) == 0)
      return &s->group[i];
  }
  for (i = 0; i < s->groups; i++) {
    vigil__leak_path(s, i, text, sizeof(text));
    printf("# %s\n", text);
  }
  test_fail(__FILE__, __LINE__, "no %s", path);
}

static void check(const struct vigil__leak_summary* s, const char* path,
                  uint32_t count, uint64_t shallow, uint64_t retained,
                  uint64_t through) {
  const struct vigil__leak_group* g = group(s, path);

  CHECK_EQ(g->count, count);
  CHECK_EQ(g->shallow, shallow);
  CHECK_EQ(g->retained, retained);
  CHECK_EQ(g->through, through);
}

/* Every parent goes through at least what its children do, and all objects
 * that are told apart are counted once. */
static void check_sums(const struct vigil__leak_summary* s) {
  uint64_t* below = calloc(s->groups, sizeof(*below));
  uint32_t i;

  for (i = s->groups; i-- > 1;) {
    CHECK_OP(s->group[i].parent, <, i);
    below[s->group[i].parent] += s->group[i].through;
    if ((s->group[i].flags & VIGIL__LEAK_LOOPED) == 0)
      CHECK_OP(s->group[i].through, >=, below[i]);
  }
  CHECK_EQ(s->group[0].through, s->bytes);
  free(below);
}

TEST(leak_groups_of_a_cache) {
  int roots, global, map, table, value, key, i;
  struct snap* s = snap_new(&roots, &global);
  struct vigil__leak_summary sum;
  const int shared = snap_node(s, OBJECT, "Shared", 5000);

  map = snap_node(s, OBJECT, "Map", 32);
  table = snap_node(s, ARRAY, "", 9000);
  snap_edge(s, global, PROPERTY, "shared", shared);
  snap_edge(s, global, PROPERTY, "cache", map);
  snap_edge(s, map, INTERNAL, "table", table);
  for (i = 0; i < 100; i++) {
    char name[32], index[32];

    snprintf(name, sizeof(name), "key %d", i);
    snprintf(index, sizeof(index), "%d", 2 * i);
    key = snap_node(s, i % 2 == 0 ? STRING : CONCATENATED, name, 24);
    value = snap_node(s, OBJECT, "Value", 40);
    snap_edge(s, table, INTERNAL, index, key);
    snap_edge(s, table, i % 2 == 0 ? INTERNAL : HIDDEN_EDGE, index, value);
    snap_edge(s, value, PROPERTY, "buffer",
              snap_node(s, OBJECT, "Buffer", 60));
    snap_edge(s, value, PROPERTY, "shared", shared);
  }
  sum = snap_summary(s, 0);
  check(&sum, "global > .cache Map", 1, 32, 9032 + 12400, 9032 + 12400);
  check(&sum, "global > .cache Map > [] string", 100, 2400, 2400, 2400);
  check(&sum, "global > .cache Map > [] Value", 100, 4000, 10000, 10000);
  check(&sum, "global > .cache Map > [] Value > .buffer Buffer", 100, 6000,
        6000, 6000);
  check(&sum, "global > .shared Shared", 1, 5000, 5000, 5000);
  CHECK_EQ(sum.nodes, s->nodes);
  CHECK_EQ(sum.edges, s->edges);
  check_sums(&sum);
  vigil__leak_summary_free(&sum);
  snap_free(s);
}

/* Lists of any length, trees of any shape, and both within one another. */
TEST(leak_groups_fold_what_repeats) {
  int roots, global, at, next, i;
  struct snap* s = snap_new(&roots, &global);
  struct vigil__leak_summary sum;
  const int list = snap_node(s, OBJECT, "List", 16);
  int tree[512];

  snap_edge(s, global, PROPERTY, "list", list);
  for (i = 0, at = list; i < 300; i++, at = next) {
    next = snap_node(s, OBJECT, "Node", 10);
    snap_edge(s, at, PROPERTY, i == 0 ? "head" : "next", next);
    if (i != 0)
      snap_edge(s, next, PROPERTY, "previous", at);
    snap_edge(s, next, PROPERTY, "value", snap_node(s, OBJECT, "Value", 100));
  }
  for (i = 0; i < 511; i++) {
    tree[i] = snap_node(s, OBJECT, "Tree", 20);
    if (i == 0)
      snap_edge(s, global, PROPERTY, "tree", tree[i]);
    else
      snap_edge(s, tree[(i - 1) / 2], PROPERTY, i % 2 == 0 ? "l" : "r",
                tree[i]);
  }
  sum = snap_summary(s, 0);
  check(&sum, "global > .list List > .head Node", 1, 10, 33000, 33000);
  check(&sum, "global > .list List > .head Node > .next Node", 299, 2990,
        32890, 32890);
  check(&sum, "global > .list List > .head Node > .next Node > .value Value",
        299, 29900, 29900, 29900);
  check(&sum, "global > .tree Tree", 1, 20, 10220, 10220);
  CHECK_OP(sum.groups, <, 60);
  CHECK((group(&sum, "global > .list List > .head Node > .next Node")->flags &
         VIGIL__LEAK_LOOPED) != 0);
  check_sums(&sum);
  vigil__leak_summary_free(&sum);
  snap_free(s);
}

TEST(leak_groups_fold_keys) {
  int roots, global, i;
  struct snap* s = snap_new(&roots, &global);
  struct vigil__leak_summary sum;
  const int keys = snap_node(s, OBJECT, "Object", 16);
  const int record = snap_node(s, OBJECT, "Object", 16);
  const int handlers = snap_node(s, OBJECT, "Array", 2000);
  char name[32], class[32];

  snap_edge(s, global, PROPERTY, "keys", keys);
  snap_edge(s, global, PROPERTY, "record", record);
  snap_edge(s, global, PROPERTY, "handlers", handlers);
  for (i = 0; i < 40; i++) {
    snprintf(name, sizeof(name), "id-%d", i);
    snprintf(class, sizeof(class), "Class%d", i);
    snap_edge(s, keys, PROPERTY, name,
              snap_node(s, OBJECT, i % 3 == 0 ? class : "Session", 100));
    snap_edge(s, record, PROPERTY, name, snap_node(s, OBJECT, class, 100));
    snap_edge(s, handlers, ELEMENT, "1", snap_node(s, CLOSURE, class, 64));
    snap_edge(s, global, PROPERTY, name, snap_node(s, OBJECT, "Module", 100));
  }
  sum = snap_summary(s, 0);
  check(&sum, "global > .keys Object > [key] Session", 26, 2600, 2600, 2600);
  check(&sum, "global > .record Object > [\"id-39\"] Class39", 1, 100, 100,
        100);
  check(&sum, "global > .handlers Array > [] function ()", 40, 2560, 2560,
        2560);
  check(&sum, "global > [\"id-39\"] Module", 1, 100, 100, 100);
  vigil__leak_summary_free(&sum);
  snap_free(s);
}

/* More different children than a group may have, and more groups than are
 * kept: what is left is whole. */
TEST(leak_groups_are_bounded) {
  int roots, global, i;
  struct snap* s = snap_new(&roots, &global);
  struct vigil__leak_summary sum;
  uint64_t children = 0;
  char class[32];
  uint32_t g;

  for (i = 0; i < 1500; i++) {
    snprintf(class, sizeof(class), "Class%d", i);
    snap_edge(s, global, ELEMENT, "1", snap_node(s, OBJECT, class, 10));
  }
  sum = snap_summary(s, 0);
  check(&sum, "global > [any] (other)", 1500 - VIGIL__LEAK_CHILDREN,
        10 * (1500 - VIGIL__LEAK_CHILDREN), 10 * (1500 - VIGIL__LEAK_CHILDREN),
        10 * (1500 - VIGIL__LEAK_CHILDREN));
  for (g = 0; g < sum.groups; g++)
    children += strncmp(sum.text + sum.group[g].class, "Class", 5) == 0;
  CHECK_EQ(children, VIGIL__LEAK_CHILDREN);
  /* (GC roots) has nothing here. */
  CHECK_EQ(sum.folded, 1);
  vigil__leak_summary_free(&sum);

  sum = snap_summary(s, 5);
  CHECK_OP(sum.groups, <=, 5);
  CHECK_OP(sum.groups, >=, 3);
  CHECK_EQ(sum.groups + sum.folded, VIGIL__LEAK_CHILDREN + 1 + 3);
  check_sums(&sum);
  vigil__leak_summary_free(&sum);
  snap_free(s);
}

static char written[1 << 16];
static size_t len;
static int refuse_at;           /* The how-manieth piece; 0: none. */

static int sink(void* arg, const char* data, size_t n) {
  (void) arg;
  if (refuse_at > 0 && --refuse_at == 0)
    return -EPIPE;
  CHECK_OP(len + n, <=, sizeof(written));
  memcpy(written + len, data, n);
  len += n;
  return 0;
}

static struct vigil__leak_summary sample(void) {
  int roots, global, i;
  struct snap* s = snap_new(&roots, &global);
  struct vigil__leak_summary sum;

  for (i = 0; i < 20; i++)
    snap_edge(s, global, PROPERTY, i % 2 == 0 ? "even" : "odd",
              snap_node(s, OBJECT, i % 3 == 0 ? "Three" : "Other", 2000));
  sum = snap_summary(s, 0);
  snap_free(s);
  return sum;
}

TEST(leak_summary_is_read_back) {
  struct vigil__leak_summary a = sample();
  struct vigil__leak_summary b;
  size_t n;
  int i;

  CHECK_EQ(vigil__leak_summary_write(&a, sink, NULL), 0);
  CHECK_EQ(vigil__leak_summary_read(&b, written, len), 0);
  CHECK_EQ(a.groups, b.groups);
  CHECK_EQ(a.text_len, b.text_len);
  CHECK_EQ(a.bytes, b.bytes);
  CHECK(memcmp(a.group, b.group, a.groups * sizeof(*a.group)) == 0);
  CHECK(memcmp(a.text, b.text, a.text_len) == 0);
  vigil__leak_summary_free(&b);
  for (n = 0; n < len; n++)
    CHECK_EQ(vigil__leak_summary_read(&b, written, n), -EINVAL);
  CHECK_EQ(vigil__leak_summary_read(&b, written, len + 1), -EINVAL);
  for (i = 1; i <= 3; i++) {
    refuse_at = i;
    CHECK_EQ(vigil__leak_summary_write(&a, sink, NULL), -EPIPE);
  }
  vigil__leak_summary_free(&a);
}

/* What is accepted can be compared and reported, whatever it is. */
TEST(leak_summary_is_not_trusted) {
  struct vigil__leak_summary a = sample();
  struct vigil__leak_summary heap[3];
  struct vigil__leak_report r;
  struct vigil__json j = { .limit = 1 << 24 };
  char* bad;
  unsigned accepted = 0;
  unsigned round, k;
  uint64_t v;

  CHECK_EQ(vigil__leak_summary_write(&a, sink, NULL), 0);
  bad = malloc(len);
  CHECK_EQ(vigil__leak_summary_read(&heap[0], written, len), 0);
  CHECK_EQ(vigil__leak_summary_read(&heap[1], written, len), 0);
  for (round = 0; round < 20000; round++) {
    memcpy(bad, written, len);
    for (k = 0; k <= test_random(4); k++) {
      v = test_random(3) == 0 ? UINT64_MAX : test_random(300);
      memcpy(bad + test_random(len - 8), &v, 1 + test_random(8));
    }
    if (vigil__leak_summary_read(&heap[2], bad, len) != 0)
      continue;
    accepted++;
    for (k = 0; k < heap[2].groups; k++)
      CHECK_OP(heap[2].group[k].parent, <=, k);
    if (accepted % 8 == 0) {
      CHECK_EQ(vigil__leak_compare(&r, heap, 1), 0);
      vigil__json_object(&j, NULL);
      vigil__leak_json(&r, &j);
      vigil__json_end(&j);
      CHECK_EQ(vigil__json_finish(&j), 0);
      CHECK(test_json_valid(j.data, j.len));
      len = 0;
      CHECK_EQ(vigil__leak_text(&r, sink, NULL), 0);
      CHECK_EQ(vigil__leak_summary_write(&a, sink, NULL), 0);
      len = 0;
      CHECK_EQ(vigil__leak_summary_write(&a, sink, NULL), 0);
      vigil__json_free(&j);
      vigil__leak_report_free(&r);
    }
    vigil__leak_summary_free(&heap[2]);
  }
  CHECK_OP(accepted, >, 1000);
  free(bad);
  vigil__leak_summary_free(&heap[0]);
  vigil__leak_summary_free(&heap[1]);
  vigil__leak_summary_free(&a);
}
