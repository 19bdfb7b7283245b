/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_TEST_H_
#define VIGIL_TEST_H_

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TEST(name) { ... } is a test; it registers itself. Each runs in its own
 * process, so it may change vigil__os and leave anything behind. */
struct test {
  const char* name;
  void (*run)(void);
  struct test* next;
};

void test_register(struct test* t);
_Noreturn void test_fail(const char* file, int line, const char* format, ...)
    __attribute__((format(printf, 3, 4)));

#define TEST(id)                                                              \
  static void id(void);                                                       \
  __attribute__((constructor)) static void register_##id(void) {              \
    static struct test t = { #id, id, NULL };                                 \
    test_register(&t);                                                        \
  }                                                                           \
  static void id(void)

/* These do not depend on NDEBUG, and print both values. */
#define CHECK(what)                                                           \
  do {                                                                        \
    if (!(what))                                                              \
      test_fail(__FILE__, __LINE__, "%s", #what);                             \
  } while (0)

#define CHECK_OP(a, op, b)                                                    \
  do {                                                                        \
    const long long va = (long long) (a);                                     \
    const long long vb = (long long) (b);                                     \
    if (!(va op vb))                                                          \
      test_fail(__FILE__, __LINE__, "%s %s %s: %lld, %lld", #a, #op, #b, va,  \
                vb);                                                          \
  } while (0)

#define CHECK_EQ(a, b) CHECK_OP(a, ==, b)

#define CHECK_NEAR(a, b, most)                                                \
  do {                                                                        \
    const double va = (double) (a);                                           \
    const double vb = (double) (b);                                           \
    const double vm = (double) (most);                                        \
    if (!(va - vb <= vm && vb - va <= vm))                                    \
      test_fail(__FILE__, __LINE__, "%s ~ %s: %.12g, %.12g, allowed %.12g",   \
                #a, #b, va, vb, vm);                                          \
  } while (0)

#define CHECK_STR(a, b) test_check_str(__FILE__, __LINE__, (a), (b))
void test_check_str(const char* file, int line, const char* a, const char* b);

/* Random numbers, the same in every run. */
uint64_t test_random(uint64_t below);
double test_random_unit(void);  /* In (0, 1]. */

/* The text is one valid JSON value and white space. */
bool test_json_valid(const char* text, size_t len);

/* Number of open descriptors of this process. */
int test_open_fds(void);

/* A new empty directory; the runner removes it. */
const char* test_dir(void);

#endif  /* VIGIL_TEST_H_ */
