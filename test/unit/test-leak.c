/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak-snapshot.h"

#include "leak.h"
#include "os.h"

/* What one heap has. All numbers are of objects. */
struct shape {
  int cache;                    /* Entries of 500 bytes in a Map. */
  int warm;                     /* Of 900 bytes, in an object by key. */
  int churn;                    /* Of 300 bytes, in an array. */
  int emitters;
  int listeners;                /* Closures with a view of 400 bytes, in all. */
  int slices;                   /* Two to a Buffer of 64 KB. */
  int numbers;                  /* In one array, no objects. */
  int code;                     /* Of 2 KB. */
  int pending;                  /* Closures that hold a request of 5 KB... */
  int large;                    /* ...and so much more from the tenth on. */
  bool moved;                   /* The Map hangs somewhere else. */
};

static int map_of(struct snap* s, int from, const char* name, int entries) {
  const int map = snap_node(s, OBJECT, "Map", 32);
  const int table = snap_node(s, ARRAY, "", 64 + 200 * (uint64_t) entries);

  snap_edge(s, from, CONTEXT, name, map);
  snap_edge(s, map, INTERNAL, "table", table);
  return table;
}

static int array_of(struct snap* s, int from, int type, const char* name,
                    uint64_t bytes) {
  const int array = snap_node(s, OBJECT, "Array", 16);

  snap_edge(s, from, type, name, array);
  snap_edge(s, array, INTERNAL, "elements",
            snap_node(s, ARRAY, "(object elements)", bytes));
  return array;
}

static void add_listeners(struct snap* s, int scope, const struct shape* h) {
  int emitters = array_of(s, scope, CONTEXT, "sockets", 64);
  int array[64];
  int i, emitter, events, f, context, view;

  for (i = 0; i < h->emitters; i++) {
    emitter = snap_node(s, OBJECT, "EventEmitter", 56);
    events = snap_node(s, OBJECT, "Object", 24);
    snap_edge(s, emitters, ELEMENT, "1", emitter);
    snap_edge(s, emitter, PROPERTY, "_events", events);
    array[i] = array_of(s, events, PROPERTY, "drain", 64);
  }
  for (i = 0; i < h->listeners; i++) {
    f = snap_node(s, CLOSURE, "", 56);
    context = snap_node(s, OBJECT, "system / Context", 40);
    view = snap_node(s, OBJECT, "View", 400);
    snap_edge(s, array[i % h->emitters], ELEMENT, "1", f);
    snap_edge(s, f, INTERNAL, "context", context);
    snap_edge(s, context, CONTEXT, "view", view);
    snap_edge(s, context, INTERNAL, "previous", scope);
  }
}

static void add_buffers(struct snap* s, int scope, int slices) {
  const int array = array_of(s, scope, CONTEXT, "slices", 64);
  int buffer = 0;
  int memory;
  int slice;
  int i;

  for (i = 0; i < slices; i++) {
    slice = snap_node(s, OBJECT, "Buffer", 80);
    snap_edge(s, array, ELEMENT, "1", slice);
    if (i % 2 == 0) {
      buffer = snap_node(s, OBJECT, "ArrayBuffer", 96);
      memory = snap_node(s, NATIVE, "system / JSArrayBufferData", 65536);
      snap_edge(s, buffer, INTERNAL, "backing_store", memory);
    }
    snap_edge(s, slice, INTERNAL, "buffer", buffer);
  }
}

static void add_pending(struct snap* s, int scope, int pending, int large) {
  const int array = array_of(s, scope, CONTEXT, "pending", 64);
  int f, context, request, i;

  for (i = 0; i < pending; i++) {
    f = snap_node(s, CLOSURE, "", 56);
    context = snap_node(s, OBJECT, "system / Context", 40);
    request = snap_node(s, OBJECT, "IncomingMessage", 200);
    snap_edge(s, array, ELEMENT, "1", f);
    snap_edge(s, f, INTERNAL, "context", context);
    snap_edge(s, context, CONTEXT, "req", request);
    snap_edge(s, request, PROPERTY, "headers",
              snap_node(s, OBJECT, "Object",
                        4800 + (i < 9 ? 0 : (uint64_t) large)));
  }
}

static struct vigil__leak_summary heap(const struct shape* h) {
  int roots, global, scope, table, warm, churn, f, module, i;
  struct snap* s = snap_new(&roots, &global);
  struct vigil__leak_summary sum;
  char name[32];

  module = snap_node(s, OBJECT, "Module", 64);
  f = snap_node(s, CLOSURE, "serve", 64);
  scope = snap_node(s, OBJECT, "system / Context", 64);
  if (h->moved) {
    const int moved = snap_node(s, OBJECT, "Other", 64);

    snap_edge(s, global, PROPERTY, "other", moved);
    snap_edge(s, moved, PROPERTY, "module", module);
  } else {
    snap_edge(s, global, PROPERTY, "module", module);
  }
  snap_edge(s, module, PROPERTY, "serve", f);
  snap_edge(s, f, INTERNAL, "context", scope);
  table = map_of(s, scope, "cache", h->cache);
  for (i = 0; i < h->cache; i++) {
    snprintf(name, sizeof(name), "key %d", i);
    snap_edge(s, table, INTERNAL, "1", snap_node(s, STRING, "key", 24));
    snap_edge(s, table, INTERNAL, "2", snap_node(s, OBJECT, "Entry", 500));
  }
  warm = snap_node(s, OBJECT, "Object", 24);
  snap_edge(s, scope, CONTEXT, "templates", warm);
  for (i = 0; i < h->warm; i++) {
    snprintf(name, sizeof(name), "template-%d", i);
    snap_edge(s, warm, PROPERTY, name, snap_node(s, OBJECT, "Template", 900));
  }
  churn = array_of(s, scope, CONTEXT, "latest", 64);
  for (i = 0; i < h->churn; i++)
    snap_edge(s, churn, ELEMENT, "1", snap_node(s, OBJECT, "Visit", 300));
  for (i = 0; i < h->code; i++) {
    const int code = snap_node(s, CODE, "f", 2048);

    snap_edge(s, f, INTERNAL, "shared", code);
    snap_edge(s, code, INTERNAL, "1", snap_node(s, OBJECT, "Array", 16));
  }
  if (h->emitters != 0)
    add_listeners(s, scope, h);
  add_buffers(s, scope, h->slices);
  add_pending(s, scope, h->pending, h->large);
  array_of(s, scope, CONTEXT, "samples", (uint64_t) h->numbers * 8);
  sum = snap_summary(s, 0);
  snap_free(s);
  return sum;
}

static struct vigil__leak_summary heaps[3];
static struct vigil__leak_report report;
static char text[1 << 16];
static size_t text_len;

static int append(void* arg, const char* data, size_t len) {
  (void) arg;
  CHECK_OP(text_len + len, <, sizeof(text));
  memcpy(text + text_len, data, len);
  text_len += len;
  text[text_len] = '\0';
  return 0;
}

static void compare(const struct shape* a, const struct shape* b,
                    const struct shape* c) {
  struct vigil__json j = { .limit = 0 };
  unsigned k;

  for (k = 0; k < 3; k++)
    heaps[k] = heap(k == 0 ? a : k == 1 ? b : c);
  CHECK_EQ(vigil__leak_compare(&report, heaps, 0), 0);
  vigil__json_object(&j, NULL);
  vigil__leak_json(&report, &j);
  vigil__json_end(&j);
  CHECK_EQ(vigil__json_finish(&j), 0);
  CHECK(test_json_valid(j.data, j.len));
  vigil__json_free(&j);
  text_len = 0;
  CHECK_EQ(vigil__leak_text(&report, append, NULL), 0);
}

static void done(void) {
  unsigned k;

  vigil__leak_report_free(&report);
  for (k = 0; k < 3; k++)
    vigil__leak_summary_free(&heaps[k]);
}

static void check(uint32_t rank, const char* name, enum vigil__leak_kind kind,
                  uint64_t bytes, uint64_t objects) {
  const struct vigil__leak_suspect* x = &report.suspect[rank];
  char found[256];

  CHECK_OP(rank, <, report.suspects);
  vigil__leak_name(&heaps[2], x->container, found, sizeof(found));
  CHECK_STR(found, name);
  CHECK_STR(vigil__leak_kind_name(x->kind), vigil__leak_kind_name(kind));
  CHECK_EQ(x->bytes_per_round, bytes);
  CHECK_EQ(x->objects_per_round, objects);
}

static const struct shape base = {
  .cache = 20, .warm = 20, .churn = 50, .emitters = 20, .listeners = 40,
  .slices = 4, .numbers = 10, .code = 5, .pending = 9
};

TEST(leak_of_nothing) {
  struct shape b = base;
  struct shape c = base;

  compare(&base, &base, &base);
  CHECK_EQ(report.suspects, 0);
  CHECK(strstr(text, "Nothing grew by 8.0 KB or more") != NULL);
  done();
  /* Filled once; up and down; grown and given back. */
  b.warm = 300;
  c.warm = 330;
  b.churn = 150;
  c.churn = 70;
  b.cache = 200;
  c.cache = 100;
  b.pending = 60;
  c.pending = 9;
  compare(&base, &b, &c);
  CHECK_EQ(report.suspects, 0);
  done();
  /* Grown late, or once and then by little. */
  b = base;
  b.cache = 40;
  c.cache = 200;
  c.warm = 300;
  compare(&base, &b, &c);
  CHECK_EQ(report.suspects, 0);
  done();
}

TEST(leak_of_each_kind) {
  struct shape b = base;
  struct shape c = base;

  b.cache += 100;
  c.cache += 200;
  b.warm = c.warm = 200;
  compare(&base, &b, &c);
  CHECK_EQ(report.suspects, 1);
  check(0, "cache", VIGIL__LEAK_CACHE, 72400, 100);
  CHECK_EQ(report.suspect[0].parts, 3);
  CHECK(strstr(text, "1. cache (Map): 70.7 KB more each round\n") != NULL);
  CHECK(strstr(text, "100 more each round of Entry: 20, 120, 220\n") != NULL);
  CHECK(strstr(text, "held by global > .module Module > .serve function serve"
                     " > {context} scope > cache: Map > [] Entry\n") != NULL);
  done();

  b = c = base;
  b.listeners += 100;
  c.listeners += 200;
  compare(&base, &b, &c);
  CHECK_EQ(report.suspects, 1);
  check(0, "sockets[]._events.drain", VIGIL__LEAK_LISTENERS, 49600, 100);
  CHECK(strstr(text, "most of it in view (View)\n") != NULL);
  done();

  b = c = base;
  b.pending += 30;
  c.pending += 61;
  compare(&base, &b, &c);
  CHECK_EQ(report.suspects, 1);
  check(0, "pending", VIGIL__LEAK_CLOSURES, 30 * 5096, 30);
  CHECK(strstr(text, "most of it in req (IncomingMessage)\n") != NULL);
  done();

  b = c = base;
  b.slices += 20;
  c.slices += 40;
  compare(&base, &b, &c);
  CHECK_EQ(report.suspects, 1);
  check(0, "slices", VIGIL__LEAK_BUFFERS, 20 * 80 + 10 * (65536 + 96), 20);
  done();

  b = c = base;
  b.numbers += 5000;
  c.numbers += 10000;
  compare(&base, &b, &c);
  CHECK_EQ(report.suspects, 1);
  check(0, "samples", VIGIL__LEAK_CACHE, 40000, 0);
  done();
}

TEST(leaks_are_sorted_by_bytes) {
  struct shape b = base;
  struct shape c = base;

  b.cache += 30;
  c.cache += 60;
  b.pending += 40;
  c.pending += 80;
  b.slices += 2;
  c.slices += 4;
  b.code += 400;
  c.code += 800;
  compare(&base, &b, &c);
  CHECK_EQ(report.suspects, 3);
  check(0, "pending", VIGIL__LEAK_CLOSURES, 40 * 5096, 40);
  check(1, "slices", VIGIL__LEAK_BUFFERS, 2 * 80 + 65632, 2);
  check(2, "cache", VIGIL__LEAK_CACHE, 30 * 724, 30);
  /* Code is told of, but is no suspect. */
  CHECK(strstr(text, "Code and hidden classes grew as well") != NULL);
  CHECK_EQ(report.system[1] - report.system[0], 400 * 2064);
  done();
}

/* Some more sockets each round, each with as many listeners as the others: the
 * sockets leak. With ever more listeners on each: these do. */
TEST(leak_is_where_the_bytes_are) {
  struct shape a = base;
  struct shape b = base;
  struct shape c = base;

  a.listeners = 10 * (a.emitters = 20);
  b.listeners = 10 * (b.emitters = 30);
  c.listeners = 10 * (c.emitters = 40);
  compare(&a, &b, &c);
  CHECK_EQ(report.suspects, 1);
  CHECK_EQ(report.suspect[0].objects_per_round, 10);
  CHECK(strstr(text, "1. sockets (Array)") != NULL);
  done();
  b.emitters = 21;
  c.emitters = 22;
  b.listeners = 500;
  c.listeners = 800;
  compare(&a, &b, &c);
  CHECK_EQ(report.suspects, 1);
  /* With the elements of the new one. */
  check(0, "sockets[]._events.drain", VIGIL__LEAK_LISTENERS, 300 * 496 + 64,
        300);
  done();
}

/* Larger ones than before: nothing within them says why. */
TEST(leak_of_ever_larger_objects) {
  struct shape b = base;
  struct shape c = base;

  b.large = c.large = 40000;
  b.pending += 20;
  c.pending += 40;
  compare(&base, &b, &c);
  CHECK_EQ(report.suspects, 1);
  check(0, "pending", VIGIL__LEAK_CLOSURES, 20 * 45096, 20);
  done();
}

/* The same Map under another path in one of the heaps. */
TEST(leak_is_found_where_it_was_moved_to) {
  struct shape b = base;
  struct shape c = base;
  unsigned which;

  for (which = 0; which < 3; which++) {
    struct shape a = base;

    a.moved = which == 0;
    b.moved = which == 1;
    c.moved = which == 2;
    b.cache = base.cache + 100;
    c.cache = base.cache + 200;
    compare(&a, &b, &c);
    CHECK_EQ(report.suspects, 1);
    check(0, "cache", VIGIL__LEAK_CACHE, 72400, 100);
    CHECK_EQ(report.suspect[0].objects[0], 20);
    done();
  }
}

static int fail_at;

static void* refusing(void* block, size_t size) {
  return fail_at > 0 && --fail_at == 0 ? NULL : realloc(block, size);
}

TEST(leak_without_memory) {
  int n;
  int e;

  compare(&base, &base, &base);
  vigil__leak_report_free(&report);
  vigil__os.realloc = refusing;
  for (n = 1; ; n++) {
    fail_at = n;
    e = vigil__leak_compare(&report, heaps, 0);
    if (e == 0)
      break;
    CHECK_EQ(e, -ENOMEM);
    CHECK(report.figures == NULL);
  }
  CHECK_OP(n, >, 15);
  done();
}

/* Names come from the program: nothing of them gets out as it is. */
TEST(leak_names_are_escaped) {
  int roots, global, i, k, array;
  char name[96];

  for (k = 0; k < 3; k++) {
    struct snap* s = snap_new(&roots, &global);

    snprintf(name, sizeof(name), "\\u001b[31m<b>\\n\\u0007\\\\%s",
             "long-long-long-long-long-long-long-long-long-long-long");
    array = snap_node(s, OBJECT, "<symbol \\u009b kEvents x>", 16);
    snap_edge(s, global, PROPERTY, name, array);
    for (i = 0; i < 100 * (k + 1); i++)
      snap_edge(s, array, ELEMENT, "1", snap_node(s, OBJECT, name, 1000));
    heaps[k] = snap_summary(s, 0);
    snap_free(s);
  }
  CHECK_EQ(vigil__leak_compare(&report, heaps, 0), 0);
  CHECK_EQ(report.suspects, 1);
  text_len = 0;
  CHECK_EQ(vigil__leak_text(&report, append, NULL), 0);
  for (i = 0; text[i] != '\0'; i++)
    CHECK(text[i] == '\n' || (unsigned char) text[i] >= 0x20);
  CHECK(strstr(text, "\\x1b[31m<b>\\x0a\\x07") != NULL);
  done();
}
