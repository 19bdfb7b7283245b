/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "frames.h"
#include "os.h"
#include "profile.h"
#include "recorder.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START (UINT64_C(1000) * VIGIL__SEC)
#define PERIOD (50 * VIGIL__MS)

static uint64_t refuse_at;      /* Which allocation from now on fails. */

static void* refusing(void* p, size_t size) {
  return refuse_at != 0 && --refuse_at == 0 ? NULL : realloc(p, size);
}

static struct {
  char* data;
  size_t len;
  size_t largest;
  int error;                    /* To give from `error_at` bytes on. */
  size_t error_at;
  int after;                    /* Calls after the error. */
} file;

static int sink(void* arg, const char* data, size_t len) {
  CHECK(arg == &file);
  if (file.error != 0 && file.len + len > file.error_at) {
    file.after++;
    return file.error;
  }
  file.data = realloc(file.data, file.len + len + 1);
  memcpy(file.data + file.len, data, len);
  file.len += len;
  file.data[file.len] = '\0';
  file.largest = len > file.largest ? len : file.largest;
  return 0;
}

static int write_file(const struct vigil__recorder* r,
                      const struct vigil__frames* f,
                      vigil__mono_t from, vigil__mono_t to) {
  free(file.data);
  file.data = NULL;
  file.len = 0;
  return vigil__profile_write(r, f, from, to, PERIOD, sink, &file);
}

/* What a reader of the file sees. */
#define NODES 20000
#define SAMPLES 20000
static struct {
  char name[64];
  size_t parent;                /* 0: the root. */
  uint64_t hits;
} node[NODES + 1];
static size_t nodes;
static uint64_t start;
static uint64_t end;
static size_t sample[SAMPLES];
static uint64_t at[SAMPLES];
static size_t samples;

static const char* expect(const char* s, const char* what) {
  if (strncmp(s, what, strlen(what)) != 0)
    test_fail(__FILE__, __LINE__, "want %s, have %.60s", what, s);
  return s + strlen(what);
}

static const char* number(const char* s, uint64_t* v) {
  CHECK(*s >= '0' && *s <= '9');
  for (*v = 0; *s >= '0' && *s <= '9'; s++)
    *v = *v * 10 + (uint64_t) (*s - '0');
  return s;
}

static const char* read_node(const char* s) {
  const char* quote;
  uint64_t v;

  s = number(expect(s, "{\"id\":"), &v);
  CHECK_EQ(v, ++nodes);
  CHECK_OP(nodes, <=, NODES);
  s = expect(s, ",\"callFrame\":{\"functionName\":\"");
  quote = strchr(s, '"');
  CHECK_OP(quote - s, <, 64);
  memcpy(node[nodes].name, s, (size_t) (quote - s));
  node[nodes].name[quote - s] = '\0';
  s = expect(quote, "\",\"scriptId\":\"0\",\"url\":\"");
  s = expect(strchr(s, '"'), "\",\"lineNumber\":");
  s = strchr(s, '}');
  s = number(expect(s, "},\"hitCount\":"), &node[nodes].hits);
  if (strncmp(s, ",\"children\":", 12) == 0) {
    for (s += 12; *s != ']';) {
      s = number(s + 1, &v);
      CHECK_OP(v, >, nodes);
      CHECK_OP(v, <=, NODES);
      CHECK_EQ(node[v].parent, 0);
      node[v].parent = nodes;
    }
    s++;
  }
  return expect(s, "}");
}

/* Reads `file` and checks all that is always true. */
static void read_file(void) {
  uint64_t hits[NODES + 1] = { 0 };
  uint64_t below[NODES + 1];
  const char* s;
  uint64_t v;
  size_t i;
  size_t k;

  CHECK(test_json_valid(file.data, file.len));
  CHECK_OP(file.largest, <=, 8192);
  memset(node, 0, sizeof(node));
  nodes = 0;
  s = expect(file.data, "{\"nodes\":[");
  for (s = read_node(s); *s == ','; s = read_node(s + 1)) {}
  s = number(expect(s, "],\"startTime\":"), &start);
  s = number(expect(s, ",\"endTime\":"), &end);
  s = expect(s, ",\"samples\":[");
  for (samples = 0; samples == 0 || *s++ == ','; samples++) {
    CHECK_OP(samples, <, SAMPLES);
    s = number(s, &v);
    CHECK_OP(v, >=, 1);
    CHECK_OP(v, <=, nodes);
    sample[samples] = v;
    hits[v]++;
  }
  /* No node that no sample has in its stack. */
  memcpy(below, hits, sizeof(below));
  for (i = nodes; i > 1; i--) {
    CHECK_OP(below[i], >, 0);
    below[node[i].parent] += below[i];
  }
  s = expect(s, ",\"timeDeltas\":[");
  for (i = 0, at[0] = start; i == 0 || *s++ == ','; i++) {
    CHECK_OP(i, <, samples);
    s = number(s, &v);  /* Never below 0. */
    at[i] = (i == 0 ? start : at[i - 1]) + v;
  }
  expect(s, "}\n");
  CHECK_EQ(i, samples);
  CHECK_EQ(at[0], start);
  CHECK_EQ(at[samples - 1], end);
  CHECK_STR(node[1].name, "(root)");
  for (i = 1; i <= nodes; i++) {
    CHECK_EQ(node[i].hits, hits[i]);
    CHECK_EQ(node[i].parent == 0, i == 1);
    for (k = 2; k < i && nodes < 3000; k++)
      CHECK(node[k].parent != node[i].parent ||
            strcmp(node[k].name, node[i].name) != 0);
  }
}

static uint32_t js(struct vigil__frames* f, const char* name,
                   const char* script, int32_t line, int32_t column) {
  return vigil__frames_code(f, VIGIL__FRAME_JS, name, strlen(name), script,
                            strlen(script), line, column);
}

TEST(profile_text) {
  struct vigil__frames* f = vigil__frames_new(0, 0);
  struct vigil__recorder r = { .limit = 0 };
  const uint32_t main_id = js(f, "main", "/app/a.js", 10, 5);
  const uint32_t busy_id = js(f, "<b\"\xff>", "file:///b.mjs", 1, 1);
  const uint32_t native_id = vigil__frames_native(f, "SHA256_Update", "libc");
  const uint32_t one[] = { busy_id, main_id };
  const uint32_t two[] = { native_id, main_id };

  vigil__recorder_add(&r, START, VIGIL__RECORDER_JS, one, 2);
  vigil__recorder_add(&r, START + 50 * VIGIL__MS, VIGIL__RECORDER_NATIVE, two,
                      2);
  vigil__recorder_add(&r, START + 100 * VIGIL__MS, VIGIL__RECORDER_GC, one, 0);
  vigil__recorder_add(&r, START + 150 * VIGIL__MS, VIGIL__RECORDER_SYSCALL, one,
                      0);
  vigil__recorder_idle(&r, START + 200 * VIGIL__MS);
  CHECK_EQ(write_file(&r, f, START - 1, START + 301 * VIGIL__MS), 0);
  read_file();
  CHECK_STR(file.data,
            "{\"nodes\":["
            "{\"id\":1,\"callFrame\":{\"functionName\":\"(root)\","
            "\"scriptId\":\"0\",\"url\":\"\",\"lineNumber\":-1,"
            "\"columnNumber\":-1},\"hitCount\":0,\"children\":[2,5,6,7]},"
            "{\"id\":2,\"callFrame\":{\"functionName\":\"main\","
            "\"scriptId\":\"0\",\"url\":\"/app/a.js\",\"lineNumber\":9,"
            "\"columnNumber\":4},\"hitCount\":0,\"children\":[3,4]},"
            "{\"id\":3,\"callFrame\":{\"functionName\":"
            "\"\\u003cb\\u0022\\ufffd>\",\"scriptId\":\"0\","
            "\"url\":\"file:///b.mjs\",\"lineNumber\":0,"
            "\"columnNumber\":0},\"hitCount\":1},"
            "{\"id\":4,\"callFrame\":{\"functionName\":\"SHA256_Update\","
            "\"scriptId\":\"0\",\"url\":\"\",\"lineNumber\":-1,"
            "\"columnNumber\":-1},\"hitCount\":1},"
            "{\"id\":5,\"callFrame\":{\"functionName\":"
            "\"(garbage collector)\",\"scriptId\":\"0\",\"url\":\"\","
            "\"lineNumber\":-1,\"columnNumber\":-1},\"hitCount\":1},"
            "{\"id\":6,\"callFrame\":{\"functionName\":\"(program)\","
            "\"scriptId\":\"0\",\"url\":\"\",\"lineNumber\":-1,"
            "\"columnNumber\":-1},\"hitCount\":1},"
            "{\"id\":7,\"callFrame\":{\"functionName\":\"(idle)\","
            "\"scriptId\":\"0\",\"url\":\"\",\"lineNumber\":-1,"
            "\"columnNumber\":-1},\"hitCount\":4}],"
            "\"startTime\":1000000000,\"endTime\":1000301000,"
            "\"samples\":[3,4,5,6,7,7,7,7],"
            "\"timeDeltas\":[0,50000,50000,50000,50000,50000,50000,1000]}\n");
  vigil__recorder_free(&r);
  vigil__frames_free(f);
}

/* Stacks of the oracle, as one string each, from the root. */
#define MOST 4000
static struct {
  uint64_t us;
  char stack[400];
} all[MOST];
static size_t count;

static void fill(struct vigil__recorder* r, struct vigil__frames* f,
                 size_t n, uint64_t step_ns) {
  vigil__mono_t now = START;
  uint32_t frames[20];
  char name[20];
  uint32_t depth;
  uint32_t i;

  for (count = 0; count < n; count++) {
    char* to = all[count].stack;

    now += test_random(step_ns);
    all[count].us = now / VIGIL__US;
    strcpy(to, "(root)");
    if (test_random(5) == 0) {
      strcat(to, ";(idle)");
      CHECK_EQ(vigil__recorder_add(r, now, VIGIL__RECORDER_IDLE, NULL, 0), 0);
      continue;
    }
    depth = 1 + (uint32_t) test_random(20);
    for (i = depth; i-- > 0;) {
      snprintf(name, sizeof(name), "f%u", (unsigned) test_random(5));
      strcat(strcat(to, ";"), name);
      frames[i] = js(f, name, "/x.js", 1, 1);
    }
    CHECK_EQ(vigil__recorder_add(r, now, VIGIL__RECORDER_JS, frames, depth), 0);
  }
}

static void stack_of(size_t n, char* to, size_t size) {
  char rest[400] = "";

  for (; n != 0; n = node[n].parent) {
    const int len = snprintf(to, size, "%s%s%s", node[n].name,
                             rest[0] ? ";" : "", rest);

    CHECK_OP(len, <, (int) size);
    strcpy(rest, to);
  }
}

/* At any time of the window, the file says what the oracle does. */
static void check_window(const struct vigil__recorder* r,
                         const struct vigil__frames* f, size_t oldest,
                         vigil__mono_t from, vigil__mono_t to) {
  const vigil__mono_t first =
      from / VIGIL__US > all[oldest].us ? from / VIGIL__US : all[oldest].us;
  char stack[400];
  size_t k = oldest;
  size_t i;

  CHECK_EQ(write_file(r, f, from, to), 0);
  read_file();
  CHECK_EQ(start, first);
  CHECK_EQ(end, to / VIGIL__US);
  for (i = 0; i + 1 < samples; i++) {
    if (at[i] == at[i + 1])
      continue;
    while (k + 1 < count && all[k + 1].us <= at[i])
      k++;
    /* Nothing of the oracle is left out. */
    CHECK(k + 1 == count || all[k + 1].us >= at[i + 1]);
    stack_of(sample[i], stack, sizeof(stack));
    CHECK_STR(stack, all[k].stack);
    if (strcmp(all[k].stack, "(root);(idle)") == 0 && to - from < VIGIL__SEC)
      CHECK_OP(at[i + 1] - at[i], <=, PERIOD / VIGIL__US);
  }
}

TEST(profile_says_what_was_recorded) {
  struct vigil__frames* f = vigil__frames_new(0, 0);
  struct vigil__recorder r = { .limit = 0 };
  size_t oldest;
  uint32_t g;
  int i;

  fill(&r, f, 1500, 100 * VIGIL__MS);
  for (g = 0, oldest = count; g < r.count; g++)
    oldest -= vigil__recorder_generation(&r, g)->count;
  check_window(&r, f, oldest, 0, r.last + 1);
  check_window(&r, f, oldest, 0, r.last + VIGIL__SEC);
  check_window(&r, f, oldest, r.last - 60 * VIGIL__SEC, r.last + 1);
  for (i = 0; i < 30; i++) {
    const vigil__mono_t from = r.last - test_random(50 * VIGIL__SEC);

    check_window(&r, f, oldest, from, from + 1 + test_random(10 * VIGIL__SEC));
    check_window(&r, f, oldest, from, from + 1 + test_random(VIGIL__SEC));
  }
  /* Between two samples. */
  check_window(&r, f, oldest, r.last + 5000, r.last + 9000);
  vigil__recorder_free(&r);
  vigil__frames_free(f);
}

TEST(profile_of_no_time_and_no_samples) {
  struct vigil__frames* f = vigil__frames_new(0, 0);
  struct vigil__recorder r = { .limit = 0 };

  CHECK_EQ(write_file(&r, f, 0, UINT64_MAX), -ENODATA);
  vigil__recorder_idle(&r, START);
  CHECK_EQ(write_file(&r, f, START - 9, START), -ENODATA);
  CHECK_EQ(write_file(&r, f, START + 9, START), -ENODATA);
  CHECK_EQ(write_file(&r, f, START + 9, START + 9), -ENODATA);
  CHECK_EQ(write_file(&r, f, START + 9000, START + 5000), -ENODATA);
  CHECK_EQ(write_file(&r, f, START, START + 1), 0);
  read_file();
  CHECK_EQ(samples, 2);
  CHECK_EQ(start, end);
  vigil__recorder_free(&r);
  vigil__frames_free(f);
}

TEST(profile_of_long_idle_is_bounded) {
  struct vigil__frames* f = vigil__frames_new(0, 0);
  struct vigil__recorder r = { .limit = 0 };

  vigil__recorder_idle(&r, START);
  CHECK_EQ(write_file(&r, f, START, START + 60 * VIGIL__SEC), 0);
  read_file();
  CHECK_EQ(samples, 1201);
  CHECK_EQ(write_file(&r, f, START, START + 1000000 * VIGIL__SEC), 0);
  read_file();
  CHECK_OP(samples, <=, 5002);
  CHECK_OP(samples, >, 4000);
  vigil__recorder_free(&r);
  vigil__frames_free(f);
}

TEST(profile_while_blocked_for_ever) {
  struct vigil__frames* f = vigil__frames_new(0, 0);
  struct vigil__recorder r = { .limit = 0 };
  const uint32_t loop[] = { js(f, "spin", "/x.js", 1, 1) };
  vigil__mono_t now;

  for (now = START; now < START + 600 * VIGIL__SEC; now += PERIOD)
    vigil__recorder_add(&r, now, VIGIL__RECORDER_JS, loop, 1);
  CHECK_EQ(write_file(&r, f, now - 60 * VIGIL__SEC, now), 0);
  read_file();
  CHECK_EQ(nodes, 2);
  CHECK_EQ(samples, 1201);
  CHECK_EQ(end - start, 60000000);
  CHECK_OP(vigil__recorder_bytes(&r), <, 64 * 1024);
  vigil__recorder_free(&r);
  vigil__frames_free(f);
}

TEST(profile_sink_error_ends_it) {
  struct vigil__frames* f = vigil__frames_new(0, 0);
  struct vigil__recorder r = { .limit = 0 };

  fill(&r, f, 500, 100 * VIGIL__MS);
  file.error = -ENOSPC;
  CHECK_EQ(write_file(&r, f, 0, r.last + 1), -ENOSPC);
  file.error_at = 20000;
  CHECK_EQ(write_file(&r, f, 0, r.last + 1), -ENOSPC);
  CHECK_EQ(file.after, 2);
  CHECK_OP(file.len, >, 8192);
  vigil__recorder_free(&r);
  vigil__frames_free(f);
}

TEST(profile_without_memory_fails_whole) {
  struct vigil__frames* f = vigil__frames_new(0, 0);
  struct vigil__recorder r = { .limit = 0 };
  uint64_t n = 0;
  int e;

  fill(&r, f, 100, 900 * VIGIL__MS);
  vigil__os.realloc = refusing;
  do {
    refuse_at = ++n;
    e = write_file(&r, f, 0, r.last + 1);
    CHECK(e == -ENOMEM || e == 0);
  } while (e != 0);
  CHECK_OP(n, >, 10);
  read_file();
  vigil__recorder_free(&r);
  vigil__frames_free(f);
}
