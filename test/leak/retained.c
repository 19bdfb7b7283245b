/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* Prints the retained size of each node of a .heapsnapshot, a line each in
 * their order there; "-" for one that nothing retains. */

#include "leak_parse.h"
#include "leak_tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char** argv) {
  static struct vigil__leak_parse p;
  static char chunk[65536];
  struct vigil__leak_memory memory = { .limit = (size_t) 4 << 30 };
  struct vigil__leak_tree t = { .nodes = 0 };
  FILE* f = argc == 2 ? fopen(argv[1], "r") : NULL;
  uint32_t i;
  size_t n;
  int e = 0;

  if (f == NULL) {
    fprintf(stderr, "retained FILE\n");
    return 2;
  }
  vigil__leak_parse_begin(&p, &memory);
  while (e == 0 && (n = fread(chunk, 1, sizeof(chunk), f)) != 0)
    e = vigil__leak_parse_write(&p, chunk, n);
  fclose(f);
  if (e == 0)
    e = vigil__leak_parse_finish(&p);
  if (e == 0)
    e = vigil__leak_tree_build(&t, &p.graph);
  for (i = 0; e == 0 && i < t.nodes; i++) {
    if (t.dominator[i] == VIGIL__LEAK_NONE)
      printf("-\n");
    else
      printf("%" PRIu64 "\n", t.retained[i]);
  }
  vigil__leak_tree_free(&t);
  vigil__leak_parse_free(&p);
  if (e != 0)
    fprintf(stderr, "%s: %s\n", argv[1], strerror(-e));
  return e != 0;
}
