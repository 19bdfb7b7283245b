/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "http.h"

#include "clock.h"

#include "os.h"

#include <inttypes.h> /* PRIu64 */
#include <stdio.h>    /* snprintf */
#include <stdlib.h>   /* free */
#include <string.h>
#include <strings.h>  /* strcasecmp */
#include <time.h>     /* gmtime_r */

static struct vigil__http* self(llhttp_t* parser) {
  return parser->data;
}

/* Ends the parsing; the connection, too. */
static int stop(struct vigil__http* h, unsigned status) {
  h->problem = status;
  return HPE_USER;
}

/* ---- called by llhttp */

static int on_begin(llhttp_t* parser) {
  struct vigil__http* h = self(parser);

  h->begun = true;
  h->in_accept = false;
  h->field_len = h->target_len = h->accept_len = 0;
  h->target[0] = h->accept[0] = '\0';
  return 0;
}

static int on_url(llhttp_t* parser, const char* at, size_t len) {
  struct vigil__http* h = self(parser);

  if (len >= sizeof(h->target) - h->target_len)
    return stop(h, 414);
  memcpy(h->target + h->target_len, at, len);
  h->target_len += len;
  h->target[h->target_len] = '\0';
  return 0;
}

static int on_field(llhttp_t* parser, const char* at, size_t len) {
  struct vigil__http* h = self(parser);
  size_t i;

  for (i = 0; i < len && h->field_len < sizeof(h->field); i++)
    h->field[h->field_len++] = at[i];
  return 0;
}

static int on_field_complete(llhttp_t* parser) {
  struct vigil__http* h = self(parser);

  h->in_accept = h->field_len == 6 && strncasecmp(h->field, "accept", 6) == 0;
  h->field_len = 0;
  /* Several are one list. */
  if (h->in_accept && h->accept_len != 0 &&
      h->accept_len < sizeof(h->accept) - 1)
    h->accept[h->accept_len++] = ',';
  return 0;
}

static int on_value(llhttp_t* parser, const char* at, size_t len) {
  struct vigil__http* h = self(parser);

  if (!h->in_accept)
    return 0;
  if (len >= sizeof(h->accept) - h->accept_len) {
    h->accept_len = sizeof(h->accept);  /* From here on nothing fits. */
    h->accept[0] = '\0';
    return 0;
  }
  memcpy(h->accept + h->accept_len, at, len);
  h->accept_len += len;
  h->accept[h->accept_len] = '\0';
  return 0;
}

static int on_headers_complete(llhttp_t* parser) {
  /* HTTP/0.9 has no status line to answer with. */
  if (parser->http_major != 1)
    return stop(self(parser), 400);
  if (parser->content_length != 0 || (parser->flags & F_CHUNKED) != 0)
    return stop(self(parser), 413);
  return 0;
}

static int on_complete(llhttp_t* parser) {
  self(parser)->begun = false;
  self(parser)->complete = true;
  return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
  .on_message_begin = on_begin,
  .on_url = on_url,
  .on_header_field = on_field,
  .on_header_field_complete = on_field_complete,
  .on_header_value = on_value,
  .on_headers_complete = on_headers_complete,
  .on_message_complete = on_complete
};

void vigil__http_init(struct vigil__http* h, struct vigil__http_site* site) {
  memset(h, 0, sizeof(*h));
  h->site = site;
  llhttp_init(&h->parser, HTTP_REQUEST, &settings);
  h->parser.data = h;
}

/* ---- replies */

static const char* words_of(unsigned status) {
  switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
  }
}

/* strftime() would ask the locale. */
static void print_date(char* to, size_t size, uint64_t wall_ns) {
  static const char days[][4] = {
    "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
  };
  static const char months[][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
  };
  const time_t seconds = (time_t) (wall_ns / VIGIL__SEC);
  struct tm tm;

  gmtime_r(&seconds, &tm);
  snprintf(to, size, "%s, %02d %s %d %02d:%02d:%02d GMT", days[tm.tm_wday],
           tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
           tm.tm_min, tm.tm_sec);
}

/* Nothing here is for another site's pages: no CORS header ever, and nosniff,
 * so that a browser runs none of it as a script. */
static void head(struct vigil__http_reply* reply,
                 unsigned status,
                 const char* type,
                 unsigned allow,
                 uint64_t len,
                 uint64_t wall_ns) {
  char date[64];
  char methods[64] = "";

  print_date(date, sizeof(date), wall_ns);
  if (status == 405)
    snprintf(methods, sizeof(methods), "Allow: %s\r\n",
             allow & VIGIL__HTTP_GET
                 ? allow & VIGIL__HTTP_POST ? "GET, HEAD, POST" : "GET, HEAD"
                 : "POST");
  reply->head_len = (size_t) snprintf(
      reply->head, sizeof(reply->head),
      "HTTP/1.1 %u %s\r\n"
      "Date: %s\r\n"
      "Content-Type: %s\r\n"
      "Content-Length: %" PRIu64 "\r\n"
      "Cache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\n"
      "%s"
      "Connection: %s\r\n\r\n",
      status, words_of(status), date, type, len, methods,
      reply->close ? "close" : "keep-alive");
}

/* A body that says what the status says; without memory, none. */
static void plain(struct vigil__http_reply* reply,
                  unsigned status,
                  unsigned allow,
                  uint64_t wall_ns) {
  const size_t size = 64;

  reply->body = malloc(size);
  reply->len = reply->body == NULL ? 0 : (size_t) snprintf(
      reply->body, size, "%u %s\n", status, words_of(status));
  head(reply, status, "text/plain; charset=utf-8", allow, reply->len, wall_ns);
}

static const struct vigil__http_route* find(const struct vigil__http_site* s,
                                            const char* path) {
  size_t len;
  size_t i;

  for (i = 0; i < s->routes; i++) {
    len = strlen(s->route[i].path);
    if (strncmp(s->route[i].path, path, len) == 0 &&
        (path[len] == '\0' || s->route[i].path[len - 1] == '/'))
      return &s->route[i];
  }
  return NULL;
}

/* The path of a target, which may be a whole URL. Cuts the query off. */
static const char* split(char* target, const char** query) {
  char* path = target;
  char* mark = strchr(target, '?');

  *query = "";
  if (mark != NULL) {
    *mark = '\0';
    *query = mark + 1;
  }
  if (strncasecmp(target, "http://", 7) == 0) {
    path = strchr(target + 7, '/');
    if (path == NULL)
      return "/";
  }
  return path;
}

static void drop_body(struct vigil__http_reply* reply) {
  free(reply->body);
  reply->body = NULL;
  reply->len = 0;
  if (reply->fd >= 0)
    vigil__os.close(reply->fd);
  reply->fd = -1;
  reply->rest = 0;
}

static void answer(struct vigil__http* h,
                   uint64_t wall_ns,
                   struct vigil__http_reply* reply) {
  struct vigil__http_totals* totals = &h->site->totals;
  struct vigil__http_answer a = {
    .status = 200, .type = "text/plain", .fd = -1
  };
  struct vigil__http_request r = { .accept = h->accept };
  const struct vigil__http_route* route;

  r.path = split(h->target, &r.query);
  if (h->parser.method == HTTP_GET || h->parser.method == HTTP_HEAD)
    r.method = VIGIL__HTTP_GET;
  else if (h->parser.method == HTTP_POST)
    r.method = VIGIL__HTTP_POST;
  route = find(h->site, r.path);
  if (route == NULL || !(route->methods & r.method)) {
    totals->refused++;
    plain(reply, route == NULL ? 404 : 405, route == NULL ? 0 : route->methods,
          wall_ns);
  } else {
    route->handle(h->site->arg, &r, &a);
    if (a.body == NULL && a.fd < 0 && a.status == 200) {
      totals->failed++;
      plain(reply, 500, 0, wall_ns);
    } else {
      totals->ok++;
      reply->body = a.body;
      reply->fd = a.fd;
      if (a.fd >= 0)
        reply->rest = a.len;
      else
        reply->len = a.len;
      head(reply, a.status, a.type, 0, a.len, wall_ns);
    }
  }
  if (h->parser.method == HTTP_HEAD)
    drop_body(reply);
}

static void give_up(struct vigil__http* h,
                    unsigned status,
                    uint64_t wall_ns,
                    struct vigil__http_reply* reply) {
  if (status == 400)
    h->site->totals.malformed++;
  else
    h->site->totals.too_large++;
  reply->close = true;
  plain(reply, status, 0, wall_ns);
}

bool vigil__http_feed(struct vigil__http* h,
                      const char* data,
                      size_t len,
                      uint64_t wall_ns,
                      size_t* used,
                      struct vigil__http_reply* reply) {
  llhttp_errno_t err = llhttp_execute(&h->parser, data, len);

  memset(reply, 0, sizeof(*reply));
  reply->fd = -1;
  *used = len;
  if (h->complete) {
    /* What asks for an upgrade is told what it asked for, and goes. */
    if (err == HPE_PAUSED)
      *used = (size_t) (llhttp_get_error_pos(&h->parser) - data);
    reply->close = err != HPE_PAUSED || h->parser.upgrade ||
                   !llhttp_should_keep_alive(&h->parser);
    h->complete = false;
    h->fed = 0;
    answer(h, wall_ns, reply);
    if (!reply->close)
      llhttp_resume(&h->parser);
    return true;
  }
  h->fed += len;
  if (err != HPE_OK) {
    give_up(h, h->problem != 0 ? h->problem : 400, wall_ns, reply);
    return true;
  }
  if (h->fed > VIGIL__HTTP_HEAD) {
    give_up(h, 431, wall_ns, reply);
    return true;
  }
  return false;
}
