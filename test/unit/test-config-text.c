/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "clock.h"
#include "config.h"
#include "config_text.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static void check(enum vigil__value_kind kind, bool want, const char* s) {
  if (vigil__text_check(kind, s) != want)
    test_fail(__FILE__, __LINE__, "kind %d: %s", (int) kind, s);
}

#define GOOD(kind, s) check(VIGIL__VALUE_##kind, true, s)
#define BAD(kind, s) check(VIGIL__VALUE_##kind, false, s)

TEST(config_text_texts) {
  char most[1026];

  GOOD(TEXT, "shop");
  GOOD(TEXT, "notify.sh \"$VIGIL_INCIDENT\"");
  GOOD(TEXT, "caf\xc3\xa9");
  GOOD(SECRET, "s");
  BAD(TEXT, "");
  BAD(TEXT, "two\nlines");
  BAD(TEXT, "\x7f");
  BAD(SECRET, "with\ttab");
  memset(most, 'x', sizeof(most));
  most[1024] = '\0';
  GOOD(TEXT, most);
  most[1024] = 'x';
  most[1025] = '\0';
  BAD(TEXT, most);
}

TEST(config_text_urls) {
  GOOD(URL, "https://hooks.example.com/services/T0/B0/x?y=1");
  GOOD(URL, "http://127.0.0.1:9000");
  GOOD(URL, "http://[::1]:9000/");
  GOOD(URL, "http://[fe80::1]");
  GOOD(URL, "https://a:65535");
  GOOD(URL, "https://a?b@c");
  BAD(URL, "");
  BAD(URL, "hooks.example.com");
  BAD(URL, "ftp://a");
  BAD(URL, "https://");
  BAD(URL, "https:///path");
  BAD(URL, "https://user:word@a/");
  BAD(URL, "https://user@a");
  BAD(URL, "https://a:");
  BAD(URL, "https://a:123456");
  BAD(URL, "https://a:9x");
  BAD(URL, "https://a b");
  BAD(URL, "https://a/\xc3\xa9");
  BAD(URL, "https://a\n");
  BAD(URL, "http://[]");
  BAD(URL, "http://[::1");
  BAD(URL, "http://[::1]x");
}

TEST(config_text_buckets) {
  GOOD(BUCKET, "s3://abc");
  GOOD(BUCKET, "s3://abc/");
  GOOD(BUCKET, "s3://my.bucket-1/vigil/prod");
  BAD(BUCKET, "s3://");
  BAD(BUCKET, "s3://ab");
  BAD(BUCKET, "abc");
  BAD(BUCKET, "s3://abc//x");
  BAD(BUCKET, "s3://abc/x//y");
  BAD(BUCKET, "s3://abc/../x");
  BAD(BUCKET, "s3://abc/x y");
  BAD(BUCKET, "s3://a?c/x");
  BAD(BUCKET, "https://abc");
}

TEST(config_text_links_and_quotas) {
  GOOD(LINK, "presign");
  GOOD(LINK, "https://console.example.com/{bucket}?prefix={key}");
  BAD(LINK, "https://console.example.com/");
  BAD(LINK, "https://{key}/");
  BAD(LINK, "{key}");
  GOOD(QUOTA, "3/1h");
  GOOD(QUOTA, "1000/1d");
  GOOD(QUOTA, "1/10s");
  BAD(QUOTA, "3");
  BAD(QUOTA, "3/");
  BAD(QUOTA, "/1h");
  BAD(QUOTA, "0/1h");
  BAD(QUOTA, "1001/1h");
  BAD(QUOTA, "3/9s");
  BAD(QUOTA, "3/25h");
  BAD(QUOTA, "3/1h/2");
  BAD(QUOTA, "-3/1h");
  BAD(QUOTA, "12345678/1h");
}

/* ---- in the table of variables */

static const char* name;
static const char* value;
static char line[4096];

static const char* get(void* arg, const char* asked) {
  (void) arg;
  return strcmp(asked, name) == 0 ? value : NULL;
}

static void complain(void* arg, const char* text) {
  (void) arg;
  snprintf(line, sizeof(line), "%s", text);
}

static void read_with(struct vigil__config* c, const char* n, const char* v) {
  name = n;
  value = v;
  line[0] = '\0';
  vigil__config_read(c, 1, get, complain, NULL);
}

TEST(config_text_in_the_table) {
  static struct vigil__config c;

  read_with(&c, "VIGIL_UPLOAD", "s3://bucket/x");
  CHECK_EQ(c.upload, 1);
  CHECK_STR(line, "");
  CHECK(vigil__config_is_good(&c, "VIGIL_UPLOAD"));
  read_with(&c, "VIGIL_UPLOAD", "off");
  CHECK_EQ(c.upload, 0);
  read_with(&c, "VIGIL_UPLOAD", "");
  CHECK_EQ(c.upload, 0);
  CHECK_STR(line, "");
  read_with(&c, "VIGIL_UPLOAD", "bucket");
  CHECK_EQ(c.upload, 0);
  CHECK(!vigil__config_is_good(&c, "VIGIL_UPLOAD"));
  CHECK(vigil__config_is_good(&c, "VIGIL_ALERT"));
  CHECK(!vigil__config_is_good(&c, "VIGIL_NO_SUCH"));
  CHECK_STR(line, "VIGIL_UPLOAD=\"bucket\" is not understood: want "
                  "s3://bucket or s3://bucket/prefix, or off; using off");
  read_with(&c, "VIGIL_FLEET", "3/1h");
  CHECK_EQ(c.fleet, 1);
  read_with(&c, "VIGIL_ALERT", "https://hooks.example.com/x");
  CHECK_EQ(c.alert, 1);
  read_with(&c, "VIGIL_ON_INCIDENT", "logger -t vigil");
  CHECK_EQ(c.on_incident, 1);
}

TEST(config_text_secrets_are_not_shown) {
  static const char* const secret[] = {
    "VIGIL_ALERT_SECRET", "VIGIL_ALERT_KEY", "VIGIL_ALERT",
    "VIGIL_UPLOAD_ENDPOINT"
  };
  static struct vigil__config c;
  size_t i;

  for (i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
    read_with(&c, secret[i], "hunter2\n");
    CHECK(strstr(line, secret[i]) == line);
    CHECK(strstr(line, "(not shown)") != NULL);
    CHECK(strstr(line, "hunter2") == NULL);
  }
}
