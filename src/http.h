/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_HTTP_H_
#define VIGIL_HTTP_H_

#include "llhttp.h"
#include "totals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* HTTP/1 as far as we need it, over llhttp and without sockets: bytes in,
 * bytes out. A request may have no body: what it asks for is in its target.
 * serve.h brings the sockets.
 *
 * What is said of a request is bounded: its head by VIGIL__HTTP_HEAD, its
 * target by VIGIL__HTTP_TARGET. Whatever llhttp does not accept, without its
 * lenient modes, ends the connection. */
#define VIGIL__HTTP_HEAD 8192u
#define VIGIL__HTTP_TARGET 1024u
#define VIGIL__HTTP_ACCEPT 1024u  /* A longer Accept counts as none. */

/* Bits. */
#define VIGIL__HTTP_GET 1u
#define VIGIL__HTTP_POST 2u

struct vigil__http_request {
  unsigned method;              /* One of the above; HEAD is GET. */
  const char* path;             /* Without the query; as it came. */
  const char* query;            /* "": none. */
  const char* accept;           /* "": none. */
};

struct vigil__http_answer {
  unsigned status;              /* 200 when the handler begins. */
  const char* type;             /* Content-Type, with its parameters. */
  char* body;                   /* Taken: freed with free(). NULL: none. */
  size_t len;
  int fd;                       /* Not -1: instead of `body` `len` bytes of this
                                 * file, from where it is. Taken: closed. */
};

/* Fills `answer`. NULL body and no file with status 200: it could not be made,
 * which is counted, and answered with 500. */
typedef void (*vigil__http_handler)(void* arg,
                                    const struct vigil__http_request* request,
                                    struct vigil__http_answer* answer);

struct vigil__http_route {
  const char* path;             /* With "/" at its end all below it, too, unless
                                 * a route before it has that path. */
  unsigned methods;
  vigil__http_handler handle;
};

/* A table of routes and what goes with it; one for all connections. */
struct vigil__http_site {
  const struct vigil__http_route* route;
  size_t routes;
  void* arg;                    /* Of the handlers. */
  struct vigil__http_totals totals;
};

struct vigil__http {
  struct vigil__http_site* site;
  llhttp_t parser;
  unsigned problem;             /* Status that ends the connection; 0: none. */
  size_t fed;                   /* Bytes of the request so far. */
  bool begun;                   /* A request has begun, and is not complete. */
  bool complete;
  bool in_accept;               /* The header that is being read. */
  size_t field_len;
  char field[8];                /* Its name, if it is short. */
  size_t target_len;
  size_t accept_len;
  char target[VIGIL__HTTP_TARGET];
  char accept[VIGIL__HTTP_ACCEPT];
};

/* What to send. */
struct vigil__http_reply {
  char head[512];
  size_t head_len;
  char* body;                   /* The caller frees it. NULL: none. */
  size_t len;
  int fd;                       /* Not -1: then `rest` bytes of this file, which
                                 * the caller closes. */
  uint64_t rest;
  bool close;                   /* After it, the connection ends. */
};

void vigil__http_init(struct vigil__http* h, struct vigil__http_site* site);

/* Reads on, up to the end of a request: `*used` bytes were taken. True: there
 * is a reply; feed what is left, and more, when it has been sent, unless it
 * closes. False: all was taken, and more is needed. */
bool vigil__http_feed(struct vigil__http* h,
                      const char* data,
                      size_t len,
                      uint64_t wall_ns,
                      size_t* used,
                      struct vigil__http_reply* reply);

#endif  /* VIGIL_HTTP_H_ */
