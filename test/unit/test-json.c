/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "json.h"
#include "os.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void check(struct vigil__json* j, const char* want) {
  CHECK_EQ(vigil__json_finish(j), 0);
  CHECK(test_json_valid(j->data, j->len));
  CHECK_EQ(j->len, strlen(want));
  j->data = realloc(j->data, j->len + 1);
  j->data[j->len] = '\0';
  CHECK_STR(j->data, want);
  vigil__json_free(j);
}

TEST(json_all_kinds) {
  struct vigil__json j = { .limit = 0 };

  vigil__json_object(&j, NULL);
  vigil__json_string(&j, "s", "text");
  vigil__json_uint(&j, "u", UINT64_MAX);
  vigil__json_int(&j, "i", INT64_MIN);
  vigil__json_bool(&j, "t", true);
  vigil__json_bool(&j, "f", false);
  vigil__json_null(&j, "n");
  vigil__json_ms(&j, "lag_ms", 12005006);
  vigil__json_array(&j, "a");
  vigil__json_uint(&j, NULL, 1);
  vigil__json_object(&j, NULL);
  vigil__json_end(&j);
  vigil__json_array(&j, NULL);
  vigil__json_end(&j);
  vigil__json_end(&j);
  vigil__json_bool(&j, "last", true);
  vigil__json_end(&j);
  check(&j, "{\n  \"s\": \"text\",\n  \"u\": 18446744073709551615,\n"
            "  \"i\": -9223372036854775808,\n  \"t\": true,\n"
            "  \"f\": false,\n  \"n\": null,\n  \"lag_ms\": 12.005006,\n"
            "  \"a\": [\n    1,\n    {},\n    []\n  ],\n"
            "  \"last\": true\n}\n");
}

TEST(json_arrays_on_one_line) {
  struct vigil__json j = { .limit = 0 };

  vigil__json_object(&j, NULL);
  vigil__json_line(&j, "a");
  vigil__json_short_ms(&j, NULL, 0);
  vigil__json_null(&j, NULL);
  vigil__json_short_ms(&j, NULL, -1500000);
  vigil__json_short_ms(&j, NULL, 10000001);
  vigil__json_short_ms(&j, NULL, INT64_MIN);
  vigil__json_end(&j);
  vigil__json_line(&j, "b");
  vigil__json_end(&j);
  vigil__json_array(&j, "c");
  vigil__json_uint(&j, NULL, 1);
  vigil__json_end(&j);
  vigil__json_end(&j);
  check(&j, "{\n  \"a\": [0, null, -1.5, 10.000001, -9223372036854.775808],\n"
            "  \"b\": [],\n  \"c\": [\n    1\n  ]\n}\n");
}

TEST(json_escapes) {
  struct vigil__json j = { .limit = 0 };

  vigil__json_object(&j, NULL);
  vigil__json_string(&j, "k\"\n", "\"\\\b\x1f\x7f</script>\xc3\xa9\xff"
                     "\xed\xa0\x80");
  vigil__json_end(&j);
  check(&j, "{\n  \"k\\u0022\\u000a\": \"\\u0022\\u005c\\u0008\\u001f\\u007f"
            "\\u003c/script>\xc3\xa9\\ufffd\\ufffd\\ufffd\\ufffd\"\n}\n");
}

TEST(json_grows_and_is_bounded) {
  struct vigil__json j = { .limit = 300000 };
  char text[1000];
  int i;

  memset(text, 'x', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  vigil__json_array(&j, NULL);
  for (i = 0; i < 290; i++)
    vigil__json_string(&j, NULL, text);
  CHECK_EQ(j.error, 0);
  for (i = 0; i < 290; i++)
    vigil__json_string(&j, NULL, text);
  vigil__json_end(&j);
  CHECK_EQ(vigil__json_finish(&j), -EFBIG);
  CHECK_OP(j.len, <=, 300000);
  vigil__json_free(&j);
}

static int refuse;

static void* failing_realloc(void* p, size_t size) {
  return refuse-- == 0 ? NULL : realloc(p, size);
}

TEST(json_without_memory) {
  struct vigil__json j = { .limit = 0 };
  char text[1000];
  int i;
  int k;

  memset(text, 'x', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  vigil__os.realloc = failing_realloc;
  for (k = 0; k < 3; k++) {
    refuse = k;
    vigil__json_array(&j, NULL);
    for (i = 0; i < 20; i++)
      vigil__json_string(&j, NULL, text);
    vigil__json_end(&j);
    CHECK_EQ(vigil__json_finish(&j), -ENOMEM);
    vigil__json_free(&j);
  }
}

TEST(json_wrong_nesting) {
  struct vigil__json j = { .limit = 0 };
  int i;

  vigil__json_object(&j, NULL);
  CHECK_EQ(vigil__json_finish(&j), -EINVAL);  /* Open. */
  vigil__json_free(&j);
  CHECK_EQ(vigil__json_finish(&j), -EINVAL);  /* Empty. */
  vigil__json_free(&j);
  vigil__json_object(&j, NULL);
  vigil__json_uint(&j, NULL, 1);              /* Needs a key. */
  CHECK_EQ(j.error, -EINVAL);
  vigil__json_free(&j);
  vigil__json_array(&j, NULL);
  vigil__json_uint(&j, "key", 1);             /* Has a key. */
  CHECK_EQ(j.error, -EINVAL);
  vigil__json_free(&j);
  vigil__json_end(&j);
  CHECK_EQ(j.error, -EINVAL);
  vigil__json_free(&j);
  vigil__json_uint(&j, NULL, 1);
  vigil__json_uint(&j, NULL, 2);              /* Two values. */
  CHECK_EQ(j.error, -EINVAL);
  vigil__json_free(&j);
  for (i = 0; i < VIGIL__JSON_DEPTH; i++)
    vigil__json_array(&j, NULL);              /* Too deep. */
  CHECK_EQ(j.error, -EINVAL);
  vigil__json_free(&j);
}
