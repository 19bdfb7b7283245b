/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "listen.h"

#include <arpa/inet.h>  /* inet_pton */
#include <string.h>

/* All of `s` up to `end`, 0 .. 65535. */
static bool parse_port(const char* s, const char* end, uint16_t* port) {
  unsigned value = 0;

  if (s == end || end - s > 5)
    return false;
  for (; s < end; s++) {
    if (*s < '0' || *s > '9')
      return false;
    value = value * 10 + (unsigned) (*s - '0');
  }
  *port = (uint16_t) value;
  return value <= UINT16_MAX;
}

/* One, or two that grow; a range from 0 would mean nothing. */
static bool parse_ports(const char* s, struct vigil__listen* l) {
  const char* dash = strchr(s, '-');

  if (dash == NULL) {
    if (!parse_port(s, s + strlen(s), &l->first))
      return false;
    l->last = l->first;
    return true;
  }
  return parse_port(s, dash, &l->first) &&
         parse_port(dash + 1, dash + strlen(dash), &l->last) &&
         l->first != 0 && l->first <= l->last;
}

static bool parse_host(const char* s, size_t len, struct vigil__listen* l) {
  unsigned char address[16];

  l->is_ipv6 = len > 1 && s[0] == '[' && s[len - 1] == ']';
  if (l->is_ipv6) {
    s++;
    len -= 2;
  }
  if (len >= sizeof(l->host))
    return false;
  memcpy(l->host, s, len);
  l->host[len] = '\0';
  if (strcmp(l->host, "localhost") == 0)
    strcpy(l->host, "127.0.0.1");
  return inet_pton(l->is_ipv6 ? AF_INET6 : AF_INET, l->host, address) == 1;
}

bool vigil__listen_parse(struct vigil__listen* l, const char* s) {
  struct vigil__listen result = { .host = "127.0.0.1" };
  const char* colon = strrchr(s, ':');

  if (s[0] == '/') {
    if (strlen(s) >= sizeof(result.path))
      return false;
    strcpy(result.path, s);
  } else if (colon == NULL) {
    if (!parse_ports(s, &result))
      return false;
  } else if (!parse_host(s, (size_t) (colon - s), &result) ||
             !parse_ports(colon + 1, &result)) {
    return false;
  }
  *l = result;
  return true;
}
