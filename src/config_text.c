/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "config_text.h"

#include <stdio.h>   /* snprintf */
#include <string.h>

#define TEXT_MAX 1024u
#define URL_MAX 2048u
#define BUCKET_MAX 63u
#define PREFIX_MAX 512u

static const char digits[] = "0123456789";
static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789._-";

bool vigil__text_is_kind(enum vigil__value_kind kind) {
  return kind >= VIGIL__VALUE_TEXT;
}

/* Bytes from `least` to 0x7e, or to 0xff, which is UTF-8. */
static bool has_only(const char* s, unsigned char least, bool utf8,
                     size_t max) {
  size_t i;

  for (i = 0; s[i] != '\0'; i++)
    if ((unsigned char) s[i] < least || s[i] == 0x7f ||
        (!utf8 && (unsigned char) s[i] > 0x7e))
      return false;
  return i != 0 && i <= max;
}

/* http or https, a host, maybe a port; no user and no password, which would end
 * up in messages of others. */
static bool is_url(const char* s) {
  const char* host;
  size_t len;
  size_t port;

  if (!has_only(s, '!', false, URL_MAX))
    return false;
  if (strncmp(s, "https://", 8) == 0)
    host = s + 8;
  else if (strncmp(s, "http://", 7) == 0)
    host = s + 7;
  else
    return false;
  len = strcspn(host, "/?#");
  if (memchr(host, '@', len) != NULL)
    return false;
  if (*host == '[') {
    port = strspn(host + 1, "0123456789abcdefABCDEF:.") + 1;
    if (port < 3 || host[port++] != ']')
      return false;
  } else {
    port = strspn(host, letters);
    if (port == 0)
      return false;
  }
  if (port == len)
    return true;
  return host[port] == ':' && len - port > 1 && len - port <= 6 &&
         strspn(host + port + 1, digits) == len - port - 1;
}

static bool is_bucket(const char* s) {
  size_t len;

  if (strncmp(s, "s3://", 5) != 0)
    return false;
  s += 5;
  len = strspn(s, letters);
  if (len < 3 || len > BUCKET_MAX)
    return false;
  s += len;
  if (*s == '\0' || strcmp(s, "/") == 0)
    return true;
  return *s == '/' && s[1] != '/' && has_only(s, '!', false, PREFIX_MAX) &&
         strstr(s, "//") == NULL && strstr(s, "..") == NULL;
}

/* The marks are no characters of a host, so they can only come after it. */
static bool is_link(const char* s) {
  return strcmp(s, "presign") == 0 || (is_url(s) && strstr(s, "{key}") != NULL);
}

/* 3/1h */
static bool is_quota(const char* s) {
  const struct vigil__value_form count = {
    VIGIL__VALUE_COUNT, 1, 1000, NULL, NULL, 0
  };
  const struct vigil__value_form period = {
    VIGIL__VALUE_DURATION, VIGIL__QUOTA_MIN_NS, VIGIL__QUOTA_MAX_NS, NULL,
    NULL, 0
  };
  const char* slash = strchr(s, '/');
  char number[8];
  uint64_t value;
  const char* why;

  if (slash == NULL || slash - s >= (ptrdiff_t) sizeof(number))
    return false;
  memcpy(number, s, (size_t) (slash - s));
  number[slash - s] = '\0';
  return vigil__value_parse(&count, number, &value, &why) &&
         vigil__value_parse(&period, slash + 1, &value, &why);
}

bool vigil__text_check(enum vigil__value_kind kind, const char* s) {
  switch (kind) {
    case VIGIL__VALUE_TEXT:
    case VIGIL__VALUE_SECRET:
      return has_only(s, ' ', true, TEXT_MAX);
    case VIGIL__VALUE_URL: return is_url(s);
    case VIGIL__VALUE_BUCKET: return is_bucket(s);
    case VIGIL__VALUE_LINK: return is_link(s);
    case VIGIL__VALUE_QUOTA: return is_quota(s);
    default: return false;
  }
}

void vigil__text_form_print(enum vigil__value_kind kind,
                            char* to,
                            size_t size) {
  switch (kind) {
    case VIGIL__VALUE_TEXT:
    case VIGIL__VALUE_SECRET:
      snprintf(to, size, "a text of 1 to %u bytes, one line", TEXT_MAX);
      break;
    case VIGIL__VALUE_URL:
      snprintf(to, size, "a URL of http or https, without a user");
      break;
    case VIGIL__VALUE_BUCKET:
      snprintf(to, size, "s3://bucket or s3://bucket/prefix");
      break;
    case VIGIL__VALUE_LINK:
      snprintf(to, size, "presign, a URL with {key} in it, and {bucket}");
      break;
    case VIGIL__VALUE_QUOTA:
      snprintf(to, size, "a number from 1 to 1000 in a duration from 10s to 24h "
               "(3/1h)");
      break;
    default:
      *to = '\0';
  }
}
