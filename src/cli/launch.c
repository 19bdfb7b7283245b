/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* bin/vigil: runs lib/vigil/cli/main.js with the node beside it. A program and no
 * script, because an image without a shell has neither sh nor env. It finds both
 * from where it really is, so symbolic links to it work, with any PATH. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const char* what) {
  fprintf(stderr, "vigil: %s: %s\n", what, strerror(errno));
  return 1;
}

int main(int argc, char** argv) {
  static char prefix[4096];
  static char node[4096 + 32];
  static char script[4096 + 32];
  const ssize_t len = readlink("/proc/self/exe", prefix, sizeof(prefix) - 1);
  char** args = calloc((size_t) argc + 2, sizeof(*args));
  char* slash = NULL;
  int i;

  if (len < 0 || args == NULL)
    return fail("/proc/self/exe");
  /* PREFIX/bin/vigil */
  for (i = 0; i < 2; i++) {
    slash = strrchr(prefix, '/');
    if (slash == NULL)
      return fail(prefix);
    *slash = '\0';
  }
  snprintf(node, sizeof(node), "%s/bin/node", prefix);
  snprintf(script, sizeof(script), "%s/lib/vigil/cli/main.js", prefix);
  args[0] = node;
  args[1] = script;
  for (i = 1; i < argc; i++)
    args[i + 1] = argv[i];
  /* It is not to be watched itself, nor to load what the program that it looks at
   * is started with. */
  setenv("VIGIL", "off", 1);
  unsetenv("NODE_OPTIONS");
  execv(node, args);
  return fail(node);
}
