/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* Reads three .heapsnapshot files as the forked children do and compares them
 * as their parent does. Prints leak.json, and the text on stderr; says how long
 * each step took and what it needed when asked to.
 *
 *   compare [-v] ONE TWO THREE */

#include "leak.h"
#include "leak_parse.h"
#include "clock.h"
#include "os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT ((size_t) 6 << 30)

struct bytes {
  char* data;
  size_t len;
};

static int append(void* arg, const char* data, size_t len) {
  struct bytes* b = arg;

  b->data = realloc(b->data, b->len + len);
  memcpy(b->data + b->len, data, len);
  b->len += len;
  return 0;
}

static int print(void* arg, const char* data, size_t len) {
  return fwrite(data, 1, len, arg) == len ? 0 : -1;
}

static void fail(const char* what, int error) {
  fprintf(stderr, "%s: %s\n", what, strerror(-error));
  exit(1);
}

/* To a summary, written and read back. */
static void analyse(const char* path, struct vigil__leak_summary* out,
                    bool verbose) {
  static struct vigil__leak_parse p;
  static char chunk[65536];
  struct vigil__leak_memory memory = { .limit = LIMIT };
  struct vigil__leak_summary s;
  struct bytes b = { .data = NULL };
  const vigil__mono_t began = vigil__os.mono();
  vigil__mono_t parsed;
  FILE* f = fopen(path, "r");
  size_t n;
  int e = 0;

  if (f == NULL) {
    perror(path);
    exit(1);
  }
  memset(&p, 0, sizeof(p));
  vigil__leak_parse_begin(&p, &memory);
  while (e == 0 && (n = fread(chunk, 1, sizeof(chunk), f)) != 0)
    e = vigil__leak_parse_write(&p, chunk, n);
  fclose(f);
  parsed = vigil__os.mono();
  if (e == 0)
    e = vigil__leak_summarize(&p, 0, &s);
  else
    vigil__leak_parse_free(&p);
  if (e != 0)
    fail(path, e);
  vigil__leak_summary_write(&s, append, &b);
  if (verbose)
    fprintf(stderr, "%s: %llu nodes, %llu edges, parse %.3f s, rest %.3f s, "
            "peak %.1f bytes/node, summary %zu bytes, left %zu\n",
            path, (unsigned long long) s.nodes, (unsigned long long) s.edges,
            (double) (parsed - began) / 1e9,
            (double) (vigil__os.mono() - parsed) / 1e9,
            (double) memory.peak / (double) s.nodes, b.len, memory.used);
  vigil__leak_summary_free(&s);
  e = vigil__leak_summary_read(out, b.data, b.len);
  if (e != 0)
    fail("summary", e);
  free(b.data);
}

int main(int argc, char** argv) {
  const bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
  struct vigil__leak_summary heap[3];
  struct vigil__leak_report r;
  struct vigil__json j = { .limit = 0 };
  int i;
  int e;

  if (argc != 4 + verbose) {
    fprintf(stderr, "compare [-v] ONE TWO THREE\n");
    return 2;
  }
  for (i = 0; i < 3; i++)
    analyse(argv[1 + verbose + i], &heap[i], verbose);
  e = vigil__leak_compare(&r, heap, 0);
  if (e != 0)
    fail("compare", e);
  vigil__json_object(&j, NULL);
  vigil__json_uint(&j, "schema", 1);
  vigil__leak_json(&r, &j);
  vigil__json_end(&j);
  e = vigil__json_finish(&j);
  if (e == 0)
    e = vigil__leak_text(&r, print, stderr);
  if (e != 0)
    fail("report", e);
  fwrite(j.data, 1, j.len, stdout);
  vigil__json_free(&j);
  vigil__leak_report_free(&r);
  for (i = 0; i < 3; i++)
    vigil__leak_summary_free(&heap[i]);
  return 0;
}
