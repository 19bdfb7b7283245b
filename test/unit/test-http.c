/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "clock.h"
#include "http.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 2026-11-22T03:14:15Z */
#define WALL (UINT64_C(1795317255) * VIGIL__SEC)

static struct vigil__http_request seen;
static char seen_path[VIGIL__HTTP_TARGET];
static char seen_query[VIGIL__HTTP_TARGET];
static char seen_accept[VIGIL__HTTP_ACCEPT];
static int handled;

static void note(const struct vigil__http_request* r) {
  seen = *r;
  strcpy(seen_path, r->path);
  strcpy(seen_query, r->query);
  strcpy(seen_accept, r->accept);
  handled++;
}

static void on_hello(void* arg,
                     const struct vigil__http_request* r,
                     struct vigil__http_answer* a) {
  CHECK(arg == &handled);
  CHECK_EQ(a->status, 200);
  note(r);
  a->type = "text/x-test";
  a->body = strdup("hello");
  a->len = 5;
}

static void on_busy(void* arg,
                    const struct vigil__http_request* r,
                    struct vigil__http_answer* a) {
  on_hello(arg, r, a);
  a->status = 503;
}

static void on_failure(void* arg,
                       const struct vigil__http_request* r,
                       struct vigil__http_answer* a) {
  (void) arg, (void) r, (void) a;
}

/* The first half of a file that this program has. */
static void on_file(void* arg,
                    const struct vigil__http_request* r,
                    struct vigil__http_answer* a) {
  (void) arg;
  note(r);
  a->type = "text/x-file";
  a->fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  a->len = 1000;
}

static const struct vigil__http_route routes[] = {
  { "/below", VIGIL__HTTP_GET, on_hello },
  { "/below/", VIGIL__HTTP_GET, on_file },
  { "/hello", VIGIL__HTTP_GET, on_hello },
  { "/busy", VIGIL__HTTP_GET, on_busy },
  { "/failure", VIGIL__HTTP_GET, on_failure },
  { "/do", VIGIL__HTTP_POST, on_hello },
};

static struct vigil__http_site site;
static struct vigil__http http;
static char out[64 * 1024];
static size_t out_len;
static bool closed;
static int files;

static void begin(void) {
  files = 0;
  site = (struct vigil__http_site) {
    .route = routes, .routes = sizeof(routes) / sizeof(routes[0]),
    .arg = &handled
  };
  handled = 0;
  out_len = 0;
  closed = false;
  vigil__http_init(&http, &site);
}

/* Feeds all of it in pieces of `step` bytes, each of a size of its own, so that
 * a sanitizer sees a read behind it. Replies go to `out`. */
static void feed(const char* data, size_t len, size_t step) {
  struct vigil__http_reply r;
  size_t used;
  size_t take;
  char* piece;
  bool reply;

  while (len != 0 && !closed) {
    take = step < len ? step : len;
    piece = malloc(take);
    memcpy(piece, data, take);
    reply = vigil__http_feed(&http, piece, take, WALL, &used, &r);
    free(piece);
    CHECK_OP(used, <=, take);
    CHECK(reply || used == take);
    data += used;
    len -= used;
    if (!reply) {
      CHECK(r.body == NULL && r.fd < 0);
      continue;
    }
    CHECK_EQ(r.rest, r.fd < 0 ? 0 : 1000);
    CHECK(r.fd < 0 || r.body == NULL);
    if (r.fd >= 0)
      close(r.fd);
    files += r.fd >= 0;
    CHECK_OP(out_len + r.head_len + r.len, <, sizeof(out));
    memcpy(out + out_len, r.head, r.head_len);
    out_len += r.head_len;
    if (r.body != NULL)
      memcpy(out + out_len, r.body, r.len);
    out_len += r.body != NULL ? r.len : 0;
    closed = r.close;
    free(r.body);
  }
  out[out_len] = '\0';
}

static void ask(const char* request) {
  begin();
  feed(request, strlen(request), SIZE_MAX);
}

#define STARTS(text) CHECK(strncmp(out, text, strlen(text)) == 0)
#define HAS(text) CHECK(strstr(out, text) != NULL)
#define HAS_NOT(text) CHECK(strstr(out, text) == NULL)

TEST(http_get) {
  ask("GET /hello?a=b&c HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n");
  CHECK_STR(out, "HTTP/1.1 200 OK\r\n"
                 "Date: Sun, 22 Nov 2026 03:14:15 GMT\r\n"
                 "Content-Type: text/x-test\r\n"
                 "Content-Length: 5\r\n"
                 "Cache-Control: no-store\r\n"
                 "X-Content-Type-Options: nosniff\r\n"
                 "Connection: keep-alive\r\n\r\nhello");
  CHECK(!closed);
  CHECK_EQ(seen.method, VIGIL__HTTP_GET);
  CHECK_STR(seen_path, "/hello");
  CHECK_STR(seen_query, "a=b&c");
  CHECK_STR(seen_accept, "text/plain");
  CHECK_EQ(site.totals.ok, 1);
}

TEST(http_head_has_no_body) {
  ask("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  STARTS("HTTP/1.1 200 OK\r\n");
  HAS("Content-Length: 5\r\n");
  HAS_NOT("hello");
  ask("HEAD /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
  STARTS("HTTP/1.1 404 Not Found\r\n");
  CHECK_STR(out + out_len - 4, "\r\n\r\n");
}

TEST(http_says_no) {
  ask("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
  STARTS("HTTP/1.1 404 Not Found\r\n");
  HAS("\r\n\r\n404 Not Found\n");
  ask("GET /hello/ HTTP/1.1\r\nHost: x\r\n\r\n");
  STARTS("HTTP/1.1 404 ");
  ask("POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  STARTS("HTTP/1.1 405 Method Not Allowed\r\n");
  HAS("\r\nAllow: GET, HEAD\r\n");
  ask("OPTIONS /hello HTTP/1.1\r\nHost: x\r\nOrigin: http://evil\r\n\r\n");
  STARTS("HTTP/1.1 405 ");
  HAS_NOT("Access-Control");
  ask("GET /do HTTP/1.1\r\nHost: x\r\n\r\n");
  STARTS("HTTP/1.1 405 ");
  HAS("\r\nAllow: POST\r\n");
  CHECK_EQ(site.totals.refused, 1);
  CHECK(!closed);
  ask("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
  STARTS("HTTP/1.1 503 Service Unavailable\r\n");
  HAS("\r\n\r\nhello");
  ask("GET /failure HTTP/1.1\r\nHost: x\r\n\r\n");
  STARTS("HTTP/1.1 500 Internal Server Error\r\n");
  CHECK_EQ(site.totals.failed, 1);
}

TEST(http_other_routes_may_take_other_methods) {
  ask("POST /do HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  STARTS("HTTP/1.1 200 ");
  CHECK_EQ(seen.method, VIGIL__HTTP_POST);
}

TEST(http_routes_that_have_all_below_them) {
  const int fds = test_open_fds();

  ask("GET /below HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK_STR(out + out_len - 5, "hello");
  ask("GET /below/a/../b?q HTTP/1.1\r\nHost: x\r\n\r\n");
  STARTS("HTTP/1.1 200 ");
  HAS("Content-Type: text/x-file\r\nContent-Length: 1000\r\n");
  CHECK_STR(out + out_len - 4, "\r\n\r\n");  /* The caller sends it. */
  CHECK_STR(seen_path, "/below/a/../b");
  CHECK_EQ(files, 1);
  ask("HEAD /below/ HTTP/1.1\r\nHost: x\r\n\r\n");
  HAS("Content-Length: 1000\r\n");
  CHECK_EQ(files, 0);
  ask("GET /belo HTTP/1.1\r\nHost: x\r\n\r\n");
  STARTS("HTTP/1.1 404 ");
  ask("GET /belowx HTTP/1.1\r\nHost: x\r\n\r\n");
  STARTS("HTTP/1.1 404 ");
  CHECK_EQ(test_open_fds(), fds);
}

TEST(http_whole_url) {
  ask("GET http://a.b:9464/hello?q HTTP/1.1\r\nHost: a.b\r\n\r\n");
  STARTS("HTTP/1.1 200 ");
  CHECK_STR(seen_path, "/hello");
  CHECK_STR(seen_query, "q");
  ask("GET http://a.b HTTP/1.1\r\nHost: a.b\r\n\r\n");
  STARTS("HTTP/1.1 404 ");
}

TEST(http_when_it_closes) {
  ask("GET /hello HTTP/1.0\r\n\r\n");
  CHECK(closed);
  HAS("Connection: close\r\n");
  ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(!closed);
  ask("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(closed);
  CHECK_EQ(handled, 1);
  ask("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
      "Upgrade: websocket\r\n\r\nanything");
  STARTS("HTTP/1.1 200 ");
  CHECK(closed);
}

TEST(http_several_in_one_piece_and_one_in_many) {
  static const char three[] =
      "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
      "\r\nHEAD /hello HTTP/1.1\r\nHost: x\r\nAccept: a\r\nAccept: b\r\n\r\n"
      "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";
  static char want[8192];
  size_t step;

  begin();
  feed(three, strlen(three), SIZE_MAX);
  CHECK_EQ(handled, 2);
  CHECK_EQ(site.totals.refused, 1);
  CHECK_STR(seen_accept, "a,b");
  strcpy(want, out);
  for (step = 1; step < strlen(three); step++) {
    begin();
    feed(three, strlen(three), step);
    CHECK_STR(out, want);
    CHECK_STR(seen_accept, "a,b");
  }
}

TEST(http_malformed_closes_and_is_counted) {
  static const char* const wrong[] = {
    "hello\r\n\r\n",
    "GET\r\n\r\n",
    "GET /hello\r\n\r\n",
    "get /hello HTTP/1.1\r\n\r\n",
    "GET /hello HTTP/3.1\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost x\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost : x\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: a\001b\r\n\r\n",
    "GET /he\001llo HTTP/1.1\r\n\r\n",
    "GET /hello HTTP/1.1\nHost: x\n\n",
    "GET /hello HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    "GET /hello HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n",
    "PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\x02\x01\x01\xfc\x03\x03 a client that wants TLS",
    "HTTP/1.1 200 OK\r\n\r\n",
  };
  size_t i;

  for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    ask(wrong[i]);
    if (!closed || strncmp(out, "HTTP/1.1 400 Bad Request\r\n", 26) != 0 ||
        strstr(out, "Connection: close\r\n") == NULL || handled != 0 ||
        site.totals.malformed != 1)
      test_fail(__FILE__, __LINE__, "%s -> %s", wrong[i], out);
  }
}

static char big[64 * 1024];

TEST(http_sizes_are_bounded) {
  size_t len;
  size_t i;

  /* A body, of whatever kind. */
  ask("POST /do HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  STARTS("HTTP/1.1 413 Content Too Large\r\n");
  CHECK(closed);
  ask("POST /do HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
  STARTS("HTTP/1.1 413 ");
  CHECK_EQ(site.totals.too_large, 1);

  /* A target that just fits, and one that does not. */
  for (len = VIGIL__HTTP_TARGET - 1; len <= VIGIL__HTTP_TARGET; len++) {
    memset(big, 'x', sizeof(big));
    i = (size_t) sprintf(big, "GET /");
    big[i] = 'x';
    sprintf(big + i + len - 1, " HTTP/1.1\r\n\r\n");
    ask(big);
    CHECK(strncmp(out, len < VIGIL__HTTP_TARGET ? "HTTP/1.1 404 "
                                                : "HTTP/1.1 414 ", 13) == 0);
    CHECK_EQ(closed, len == VIGIL__HTTP_TARGET);
  }

  /* Headers without end, one header without end, and nothing but new lines. */
  for (i = 0; i < 3; i++) {
    begin();
    feed("GET /hello HTTP/1.1\r\n", i == 2 ? 0 : 21, 7);
    for (len = 0; !closed && len < sizeof(big); len += 6)
      feed(i == 0 ? "A: b\r\n" : i == 1 && len != 0 ? "aaaaaa"
                                : i == 1 ? "A: aaa" : "\r\n\r\n\r\n", 6, 6);
    STARTS("HTTP/1.1 431 ");
    CHECK_OP(len, <=, VIGIL__HTTP_HEAD + 6);
    CHECK_EQ(site.totals.too_large, 1);
  }

  /* An Accept that is longer than anybody's is no Accept. */
  begin();
  memset(big, 'a', 2000);
  strcpy(big + 2000, "\r\nAccept: text/plain\r\n\r\n");
  feed("GET /hello HTTP/1.1\r\nAccept: ", 29, 29);
  feed(big, strlen(big), 100);
  STARTS("HTTP/1.1 200 ");
  CHECK_STR(seen_accept, "");
}

/* ---- anything at all */

static const char* const seeds[] = {
  "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
  "HEAD /busy?x=y HTTP/1.1\r\nHost: x\r\nAccept: text/plain;q=0.5\r\n\r\n",
  "POST /do HTTP/1.1\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
  "GET http://h/hello HTTP/1.0\r\nConnection: close\r\n\r\n",
  "GET /failure HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
  "GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "GET /below/incident-1/cpu-1.cpuprofile HTTP/1.1\r\nHost: x\r\n\r\n",
};
#define SEEDS (sizeof(seeds) / sizeof(seeds[0]))

/* Some seeds in a row, then some changes: bytes, cuts, repetitions. */
static size_t invent(char* to, size_t size) {
  static const char bytes[] = "\r\n :/?;,=.%AaGHT019\0\x7f\x80\xff";
  size_t len = 0;
  size_t from;
  size_t n;
  uint64_t k;

  for (k = test_random(4) + 1; k > 0; k--) {
    const char* seed = seeds[test_random(SEEDS)];

    memcpy(to + len, seed, strlen(seed));
    len += strlen(seed);
  }
  for (k = test_random(6); k > 0; k--) {
    from = test_random(len);
    n = test_random(len - from) + 1;
    switch (test_random(5)) {
      case 0:
        to[from] = (char) test_random(256);
        break;
      case 1:
        to[from] = bytes[test_random(sizeof(bytes) - 1)];
        break;
      case 2:
        if (len == n)
          break;
        memmove(to + from, to + from + n, len - from - n);
        len -= n;
        break;
      case 3:
        if (len + n > size)
          break;
        memmove(to + from + n, to + from, len - from);
        len += n;
        break;
      default:
        if (len + 3000 > size)
          break;
        memmove(to + from + 3000, to + from, len - from);
        memset(to + from, bytes[test_random(sizeof(bytes) - 1)], 3000);
        len += 3000;
    }
  }
  return len;
}

/* Whatever comes, in whatever pieces: each reply is whole, the same pieces or
 * not, and after a bad one nothing follows. */
TEST(http_fuzz) {
  static char input[32 * 1024];
  static char first[sizeof(out)];
  struct vigil__http_totals totals;
  uint64_t good = 0;
  uint64_t bad = 0;
  size_t len;
  size_t at;
  bool was_closed;
  int round;

  for (round = 0; round < 12000; round++) {
    len = invent(input, sizeof(input));
    begin();
    feed(input, len, 4096);
    totals = site.totals;
    was_closed = closed;
    memcpy(first, out, out_len + 1);
    CHECK_EQ(handled, totals.ok);
    CHECK_OP(totals.malformed + totals.too_large, <=, 1);
    CHECK(closed || totals.malformed + totals.too_large == 0);
    for (at = 0; out[at] != '\0';) {
      const char* head_end = strstr(out + at, "\r\n\r\n");
      const char* length = strstr(out + at, "Content-Length: ");

      CHECK(strncmp(out + at, "HTTP/1.1 ", 9) == 0);
      CHECK(head_end != NULL && length != NULL && length < head_end);
      at = (size_t) (head_end - out) + 4;
      /* HEAD has none of it, and a file is sent by the caller. */
      if (strncmp(out + at, "HTTP/1.1 ", 9) != 0 && out[at] != '\0' &&
          memmem(length - 13, 13, "text/x-file\r\n", 13) == NULL)
        at += (size_t) atoi(length + 16);
    }
    CHECK_EQ(at, out_len);
    good += totals.ok;
    bad += totals.malformed;

    /* In other pieces it means the same, but for how long a head may be. */
    if (totals.too_large != 0)
      continue;
    begin();
    feed(input, len, test_random(100) + 1);
    if (site.totals.too_large != 0)
      continue;
    CHECK_STR(out, first);
    CHECK_EQ(closed, was_closed);
  }
  /* It did reach both. */
  CHECK_OP(good, >, 1000);
  CHECK_OP(bad, >, 1000);
}
