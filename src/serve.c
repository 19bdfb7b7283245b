/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "serve.h"

#include "os.h"

#include <errno.h>
#include <stdlib.h>      /* free */
#include <string.h>
#include <sys/socket.h>  /* SO_PEERCRED */
#include <unistd.h>      /* read */

#define IN 4096u
#define WAIT_MS 100u
#define PIECE (64u * 1024)      /* Of a file. */

/* IDLE: between requests. READING: one has begun. WRITING: it is answered. */
enum state { IDLE, READING, WRITING, CLOSING };

struct vigil__serve_conn {
  struct vigil__serve* serve;
  struct vigil__serve_conn* next;
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv;
  enum state state;
  uint64_t since;               /* Loop time of the state. */
  uv_write_t write;
  struct vigil__http_reply reply;
  struct vigil__http http;
  size_t begin;                 /* What is read and not fed... */
  size_t end;
  char in[IN];
};

static void go_on(struct vigil__serve_conn* c);
static void plan(struct vigil__serve* s);
static void on_connection(uv_stream_t* listener, int err);

static void enter(struct vigil__serve_conn* c, enum state state) {
  c->state = state;
  c->since = uv_now(c->serve->loop);
}

static void end_reply(struct vigil__serve_conn* c) {
  free(c->reply.body);
  c->reply.body = NULL;
  if (c->reply.fd >= 0)
    vigil__os.close(c->reply.fd);
  c->reply.fd = -1;
}

static void on_closed(uv_handle_t* handle) {
  struct vigil__serve_conn* c = handle->data;
  struct vigil__serve_conn** p = &c->serve->first;

  while (*p != c)
    p = &(*p)->next;
  *p = c->next;
  c->serve->all--;
  end_reply(c);
  free(c);
}

static void drop(struct vigil__serve_conn* c) {
  if (c->state == CLOSING)
    return;
  enter(c, CLOSING);
  c->serve->open--;
  uv_close(&c->uv.handle, on_closed);
}

/* ---- deadlines: one timer for all */

static uint64_t deadline_of(const struct vigil__serve_conn* c) {
  return c->since + (c->state == IDLE ? VIGIL__SERVE_IDLE_MS
                                      : VIGIL__SERVE_REQUEST_MS);
}

static void on_deadline(uv_timer_t* timer) {
  struct vigil__serve* s = timer->data;
  struct vigil__serve_conn* c;

  for (c = s->first; c != NULL; c = c->next) {
    if (c->state == CLOSING || deadline_of(c) > uv_now(s->loop))
      continue;
    s->totals.slow += c->state != IDLE;
    drop(c);
  }
  if (s->waiting)
    on_connection(&s->listener.stream, 0);
  plan(s);
}

static void plan(struct vigil__serve* s) {
  const uint64_t now = uv_now(s->loop);
  uint64_t next = UINT64_MAX;
  struct vigil__serve_conn* c;

  for (c = s->first; c != NULL; c = c->next) {
    if (c->state != CLOSING && deadline_of(c) < next)
      next = deadline_of(c);
  }
  if (s->waiting && next > now + WAIT_MS)
    next = now + WAIT_MS;
  if (next == UINT64_MAX)
    uv_timer_stop(&s->deadlines);
  else
    uv_timer_start(&s->deadlines, on_deadline, next > now ? next - now : 0, 0);
}

/* ---- reading and answering */

/* The next piece of a file becomes the body. False: it has become shorter, or
 * cannot be read, and what was promised cannot be kept. */
static bool next_piece(struct vigil__serve_conn* c) {
  struct vigil__http_reply* r = &c->reply;
  ssize_t n;

  if (r->body == NULL)
    r->body = vigil__os.realloc(NULL, PIECE);
  if (r->body == NULL)
    return false;
  do
    n = read(r->fd, r->body, r->rest < PIECE ? (size_t) r->rest : PIECE);
  while (n < 0 && errno == EINTR);
  if (n <= 0)
    return false;
  r->len = (size_t) n;
  r->rest -= (uint64_t) n;
  return true;
}

static void on_written(uv_write_t* write, int err);

static void send_piece(struct vigil__serve_conn* c) {
  uv_buf_t buf;

  enter(c, WRITING);
  if (next_piece(c)) {
    buf = uv_buf_init(c->reply.body, (unsigned) c->reply.len);
    if (uv_write(&c->write, &c->uv.stream, &buf, 1, on_written) == 0)
      return;
  }
  drop(c);
}

static void on_written(uv_write_t* write, int err) {
  struct vigil__serve_conn* c = write->data;

  if (err == 0 && c->state != CLOSING && c->reply.rest != 0) {
    send_piece(c);
    plan(c->serve);
    return;
  }
  end_reply(c);
  if (err != 0 || c->reply.close || c->state == CLOSING) {
    drop(c);
  } else {
    enter(c, IDLE);
    go_on(c);
  }
  plan(c->serve);
}

static void send_reply(struct vigil__serve_conn* c) {
  uv_buf_t bufs[2] = {
    uv_buf_init(c->reply.head, (unsigned) c->reply.head_len),
    uv_buf_init(c->reply.body, (unsigned) c->reply.len)
  };

  uv_read_stop(&c->uv.stream);
  enter(c, WRITING);
  c->write.data = c;
  if (uv_write(&c->write, &c->uv.stream, bufs, c->reply.body == NULL ? 1 : 2,
               on_written) != 0)
    drop(c);
}

static void on_alloc(uv_handle_t* handle, size_t size, uv_buf_t* buf) {
  struct vigil__serve_conn* c = handle->data;

  (void) size;
  c->begin = c->end = 0;
  *buf = uv_buf_init(c->in, IN);
}

static void on_read(uv_stream_t* stream, ssize_t n, const uv_buf_t* buf) {
  struct vigil__serve_conn* c = stream->data;

  (void) buf;
  if (n < 0) {
    drop(c);
  } else if (n > 0) {
    c->end = (size_t) n;
    go_on(c);
  }
  plan(c->serve);
}

/* Feeds what was read; then answers, or reads more. */
static void go_on(struct vigil__serve_conn* c) {
  size_t used;
  bool reply;

  if (c->begin < c->end) {
    reply = vigil__http_feed(&c->http, c->in + c->begin, c->end - c->begin,
                             vigil__os.wall(), &used, &c->reply);
    c->begin += used;
    if (reply) {
      send_reply(c);
      return;
    }
    if (c->state == IDLE)
      enter(c, READING);
  }
  if (uv_read_start(&c->uv.stream, on_alloc, on_read) != 0 &&
      !uv_is_active(&c->uv.handle))
    drop(c);
}

/* ---- accepting */

/* With one too many, the one that has been idle for longest goes: the new one
 * itself, when all others are at work. */
static void make_room(struct vigil__serve* s, struct vigil__serve_conn* added) {
  struct vigil__serve_conn* oldest = added;
  struct vigil__serve_conn* c;

  if (s->open <= VIGIL__SERVE_CONNECTIONS)
    return;
  for (c = s->first; c != NULL; c = c->next) {
    if (c->state == IDLE && c->since <= oldest->since)
      oldest = c;
  }
  if (oldest == added)
    s->totals.rejected++;
  else
    s->totals.evicted++;
  drop(oldest);
}

static struct vigil__serve_conn* new_conn(struct vigil__serve* s) {
  struct vigil__serve_conn* c;

  if (s->all == 2 * VIGIL__SERVE_CONNECTIONS)
    return NULL;
  c = vigil__os.realloc(NULL, sizeof(*c));
  if (c == NULL)
    return NULL;
  memset(c, 0, offsetof(struct vigil__serve_conn, in));
  c->serve = s;
  c->reply.fd = -1;
  vigil__http_init(&c->http, s->site);
  if (s->listener.handle.type == UV_TCP)
    uv_tcp_init(s->loop, &c->uv.tcp);
  else
    uv_pipe_init(s->loop, &c->uv.pipe, 0);
  c->uv.handle.data = c;
  c->next = s->first;
  s->first = c;
  s->all++;
  s->open++;
  enter(c, IDLE);
  return c;
}

/* The mode of the socket says it, too; whoever got a connected socket from
 * elsewhere is not kept out by that. */
static bool is_owner(const struct vigil__serve_conn* c) {
  struct ucred peer;
  socklen_t len = sizeof(peer);
  uv_os_fd_t fd;

  return uv_fileno(&c->uv.handle, &fd) == 0 &&
         getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
         (peer.uid == 0 || peer.uid == vigil__os.geteuid());
}

/* libuv offers no other one until this one is accepted: when there is no room
 * it waits. */
static void on_connection(uv_stream_t* listener, int err) {
  struct vigil__serve* s = listener->data;
  struct vigil__serve_conn* c;

  if (err != 0) {
    s->totals.failed++;
    return;
  }
  c = new_conn(s);
  s->waiting = c == NULL;
  if (c != NULL && uv_accept(listener, &c->uv.stream) == 0) {
    s->totals.accepted++;
    if (s->owner_only && !is_owner(c)) {
      s->totals.rejected++;
      drop(c);
    }
    make_room(s, c);
    if (c->state == IDLE)
      go_on(c);
  } else if (c != NULL) {
    s->totals.failed++;
    drop(c);
  }
  plan(s);
}

int vigil__serve_start(struct vigil__serve* s, int fd, bool is_unix) {
  int err;

  uv_timer_init(s->loop, &s->deadlines);
  s->deadlines.data = s;
  if (is_unix) {
    uv_pipe_init(s->loop, &s->listener.pipe, 0);
    err = uv_pipe_open(&s->listener.pipe, fd);
  } else {
    uv_tcp_init(s->loop, &s->listener.tcp);
    err = uv_tcp_open(&s->listener.tcp, fd);
  }
  s->listener.handle.data = s;
  if (err != 0)
    vigil__os.close(fd);
  else
    err = uv_listen(&s->listener.stream, 128, on_connection);
  if (err != 0)
    uv_close(&s->listener.handle, NULL);
  return err;
}
