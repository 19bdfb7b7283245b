/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* Runs every test in a process of its own and prints "ok NAME" or "not ok
 * NAME" for each, then "N passed, N failed". Arguments: parts of the names of
 * the tests to run. */

#include "test.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Only against a hang; no test passes or fails by time. */
#define TIMEOUT_SECONDS 50

static struct test* tests;
static char directory[PATH_MAX];

/* Sorted by name, because the order of constructors is the linker's. */
void test_register(struct test* t) {
  struct test** at = &tests;

  while (*at != NULL && strcmp((*at)->name, t->name) < 0)
    at = &(*at)->next;
  t->next = *at;
  *at = t;
}

void test_fail(const char* file, int line, const char* format, ...) {
  va_list args;

  /* Not stderr, which some tests replace. */
  printf("# %s:%d: ", strrchr(file, '/') ? strrchr(file, '/') + 1 : file,
         line);
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  printf("\n");
  fflush(stdout);
  _exit(1);
}

void test_check_str(const char* file, int line, const char* a, const char* b) {
  if (a == NULL || b == NULL || strcmp(a, b) != 0)
    test_fail(file, line, "\n#   \"%s\"\n#   \"%s\"", a ? a : "(null)",
              b ? b : "(null)");
}

/* xorshift64* */
uint64_t test_random(uint64_t below) {
  static uint64_t state = 88172645463325252ull;

  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (state * 2685821657736338717ull >> 11) % below;
}

double test_random_unit(void) {
  return (double) (test_random(UINT64_C(1) << 52) + 1) /
         (double) (UINT64_C(1) << 52);
}

static const char* json_space(const char* s, const char* end) {
  while (s < end && strchr(" \n\r\t", *s) != NULL)
    s++;
  return s;
}

static const char* json_string(const char* s, const char* end) {
  if (s >= end || *s++ != '"')
    return NULL;
  for (; s < end && *s != '"'; s++) {
    if ((unsigned char) *s < 0x20)
      return NULL;
    if (*s != '\\')
      continue;
    if (++s >= end || strchr("\"\\/bfnrtu", *s) == NULL)
      return NULL;
    if (*s == 'u') {
      if (end - s < 5 || strspn(s + 1, "0123456789abcdefABCDEF") < 4)
        return NULL;
      s += 4;
    }
  }
  return s < end ? s + 1 : NULL;
}

/* The end of one value, or NULL. */
static const char* json_value(const char* s, const char* end) {
  static const char* const words[] = { "true", "false", "null" };
  char close;
  size_t i;

  s = json_space(s, end);
  if (s >= end)
    return NULL;
  if (*s == '"')
    return json_string(s, end);
  for (i = 0; i < 3; i++)
    if (strncmp(s, words[i], strlen(words[i])) == 0)
      return s + strlen(words[i]);
  if (*s != '{' && *s != '[') {
    i = strspn(s, "-0123456789.");
    if (i != 0 && (s[i] == 'e' || s[i] == 'E'))
      i += 1 + strspn(s + i + 1, "+-0123456789");
    return i == 0 ? NULL : s + i;
  }
  close = *s == '{' ? '}' : ']';
  s = json_space(s + 1, end);
  if (s < end && *s == close)
    return s + 1;
  for (;;) {
    if (close == '}') {
      s = json_string(json_space(s, end), end);
      if (s == NULL || *(s = json_space(s, end)) != ':')
        return NULL;
      s++;
    }
    s = json_value(s, end);
    if (s == NULL)
      return NULL;
    s = json_space(s, end);
    if (s < end && *s == close)
      return s + 1;
    if (s >= end || *s++ != ',')
      return NULL;
  }
}

bool test_json_valid(const char* text, size_t len) {
  char* copy = malloc(len + 1);
  const char* end;
  bool valid;

  memcpy(copy, text, len);
  copy[len] = '\0';
  end = json_value(copy, copy + len);
  valid = end != NULL && json_space(end, copy + len) == copy + len;
  free(copy);
  return valid;
}

int test_open_fds(void) {
  DIR* d = opendir("/proc/self/fd");
  int n = 0;

  CHECK(d != NULL);
  while (readdir(d) != NULL)
    n++;
  closedir(d);
  return n;
}

const char* test_dir(void) {
  return directory;
}

static int remove_one(const char* path, const struct stat* st, int type,
                      struct FTW* ftw) {
  (void) st, (void) type, (void) ftw;
  return remove(path);
}

static bool run(const struct test* t) {
  const char* tmp = getenv("TMPDIR");
  int status;
  pid_t pid;

  snprintf(directory, sizeof(directory), "%s/vigil-test-XXXXXX",
           tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
  if (mkdtemp(directory) == NULL) {
    perror(directory);
    exit(2);
  }
  fflush(stdout);
  pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    alarm(TIMEOUT_SECONDS);
    t->run();
    /* Not _exit(): the leak check of AddressSanitizer runs at exit. */
    exit(0);
  }
  if (pid < 0 || waitpid(pid, &status, 0) != pid) {
    perror("fork");
    exit(2);
  }
  kill(-pid, SIGKILL);
  nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  if (WIFSIGNALED(status))
    printf("# %s\n", WTERMSIG(status) == SIGALRM
                         ? "timed out" : strsignal(WTERMSIG(status)));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool wanted(const char* name, int argc, char** argv) {
  int i;

  for (i = 1; i < argc; i++)
    if (strstr(name, argv[i]) != NULL)
      return true;
  return argc < 2;
}

int main(int argc, char** argv) {
  const struct test* t;
  int passed = 0;
  int failed = 0;
  bool ok;

  for (t = tests; t != NULL; t = t->next) {
    if (!wanted(t->name, argc, argv))
      continue;
    ok = run(t);
    printf("%s %s\n", ok ? "ok" : "not ok", t->name);
    passed += ok;
    failed += !ok;
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
