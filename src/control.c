/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "control.h"

#include "answers.h"
#include "control_ask.h"
#include "control_incidents.h"
#include "control_socket.h"
#include "demand.h"
#include "facts.h"
#include "judge.h"
#include "log.h"
#include "watch.h"

#include <errno.h>
#include <string.h>

/* Facts are collected once a second; with some room. */
#define FRESH (1500 * VIGIL__MS)

/* The telling thread's own. */
static const struct vigil__config* config;
static struct vigil__serve server;

static void give_error(struct vigil__http_answer* answer, unsigned status,
                       const char* why) {
  struct vigil__json j = { .limit = 4096 };

  answer->status = status;
  vigil__json_object(&j, NULL);
  vigil__json_string(&j, "error", why);
  vigil__json_end(&j);
  vigil__answer_json(answer, &j);
}

/* ---- how the process is */

/* Where they are collected anyway they are told as they are. */
static void want_facts(void) {
  vigil__watch_tell();
  if (config->metrics[0] == '\0')
    vigil__facts_wait(FRESH, VIGIL__CONTROL_WAIT);
}

static void on_metrics(void* arg,
                       const struct vigil__http_request* request,
                       struct vigil__http_answer* answer) {
  want_facts();
  vigil__answer_metrics(arg, request, answer);
}

static void on_status(void* arg,
                      const struct vigil__http_request* request,
                      struct vigil__http_answer* answer) {
  want_facts();
  vigil__answer_status(arg, request, answer);
}

/* ---- captures */

static void on_capture(void* arg,
                       const struct vigil__http_request* request,
                       struct vigil__http_answer* answer) {
  struct vigil__json j = { .limit = 4096 };
  char why[VIGIL__CONTROL_WHY];
  struct vigil__demand demand;
  uint64_t ticket;

  (void) arg;
  if (vigil__control_capture(request->query, &demand, why) != 0) {
    give_error(answer, 400, why);
    return;
  }
  demand.who = "the control socket";
  ticket = vigil__demand_ask(&demand);
  if (ticket == 0) {
    give_error(answer, 503, "too many captures wait");
    return;
  }
  vigil__watch_wake();
  answer->status = 202;
  vigil__json_object(&j, NULL);
  vigil__json_uint(&j, "id", ticket);
  vigil__json_string(&j, "state", "waiting");
  vigil__json_end(&j);
  vigil__answer_json(answer, &j);
}

/* Digits, and nothing else. */
static uint64_t parse_id(const char* s) {
  uint64_t id = 0;

  for (; *s >= '0' && *s <= '9' && id < UINT64_MAX / 16; s++)
    id = id * 10 + (uint64_t) (*s - '0');
  return *s == '\0' ? id : 0;
}

static void on_captured(void* arg,
                        const struct vigil__http_request* request,
                        struct vigil__http_answer* answer) {
  const uint64_t id = parse_id(request->path + strlen("/capture/"));
  struct vigil__json j = { .limit = 8192 };
  struct vigil__demand_look look;
  char text[VIGIL__CONTROL_WHY];
  const char* slash;

  (void) arg;
  if (id == 0 || !vigil__demand_look(id, &look)) {
    give_error(answer, 404, "no such capture is known, or no longer");
    return;
  }
  vigil__json_object(&j, NULL);
  vigil__json_uint(&j, "id", id);
  vigil__json_string(&j, "state", look.waiting ? "waiting"
                                  : !look.done ? "running"
                                  : look.err == 0 ? "done"
                                  : look.err == -EIO ? "failed" : "refused");
  if (look.done && look.err == 0) {
    slash = strrchr(look.path, '/');
    vigil__json_string(&j, "name", slash == NULL ? look.path : slash + 1);
    vigil__json_string(&j, "directory", look.path);
  } else if (look.done) {
    vigil__json_string(&j, "reason", vigil__control_refusal(look.err, text));
  }
  vigil__json_end(&j);
  vigil__answer_json(answer, &j);
}

/* ---- limits */

static void on_threshold(void* arg,
                         const struct vigil__http_request* request,
                         struct vigil__http_answer* answer) {
  struct vigil__json j = { .limit = 4096 };
  struct vigil__control_limits limits;
  char why[VIGIL__CONTROL_WHY];
  bool share;
  int err;
  int i;

  (void) arg;
  err = vigil__control_threshold(request->query, config, &limits, why);
  if (err != 0) {
    give_error(answer, err == -EPERM ? 409 : 400, why);
    return;
  }
  vigil__json_object(&j, NULL);
  vigil__json_array(&j, "rules");
  for (i = 0; i < VIGIL__RULES; i++) {
    if (!limits.set[i])
      continue;
    vigil__judge_ask_limit((enum vigil__rule) i, limits.limit[i]);
    share = i == VIGIL__RULE_GC || i == VIGIL__RULE_OLD_SPACE;
    vigil__json_object(&j, NULL);
    vigil__json_string(&j, "name", vigil__rule_name((enum vigil__rule) i));
    vigil__json_string(&j, "unit", share ? "%" : "ms");
    if (limits.limit[i] == 0)
      vigil__json_null(&j, "limit");
    else
      vigil__json_ms(&j, "limit", limits.limit[i] * (share ? 100 : 1));
    vigil__json_end(&j);
  }
  vigil__json_end(&j);
  vigil__json_end(&j);
  vigil__watch_wake();
  vigil__answer_json(answer, &j);
}

/* ---- incidents */

static void on_incidents(void* arg,
                         const struct vigil__http_request* request,
                         struct vigil__http_answer* answer) {
  struct vigil__json j = { .limit = 4 << 20 };
  const int err = vigil__control_list(&j, config->dir);

  (void) arg;
  (void) request;
  if (err == 0) {
    vigil__answer_json(answer, &j);
  } else {
    vigil__json_free(&j);
    give_error(answer, 500, "VIGIL_DIR cannot be read");
  }
}

static void on_file(void* arg,
                    const struct vigil__http_request* request,
                    struct vigil__http_answer* answer) {
  const char* what = request->path + strlen("/incidents/");
  const char* dot = strrchr(what, '.');
  uint64_t bytes;
  const int fd = vigil__control_file(config->dir, what, &bytes);

  (void) arg;
  if (fd < 0) {
    give_error(answer, 404, "there is no such file of an incident");
    return;
  }
  answer->type = dot != NULL && strcmp(dot, ".json") == 0
                     ? "application/json" : "application/octet-stream";
  answer->fd = fd;
  answer->len = (size_t) bytes;
}

static const struct vigil__http_route routes[] = {
  { "/metrics", VIGIL__HTTP_GET, on_metrics },
  { "/status", VIGIL__HTTP_GET, on_status },
  { "/capture", VIGIL__HTTP_POST, on_capture },
  { "/capture/", VIGIL__HTTP_GET, on_captured },
  { "/threshold", VIGIL__HTTP_POST, on_threshold },
  { "/incidents", VIGIL__HTTP_GET, on_incidents },
  { "/incidents/", VIGIL__HTTP_GET, on_file },
};

static struct vigil__http_site site = {
  .route = routes, .routes = sizeof(routes) / sizeof(routes[0])
};

void vigil__control_start(uv_loop_t* loop,
                          const struct vigil__config* c,
                          struct vigil__serve* metrics) {
  const int fd = vigil__control_bind(c);
  int err;

  if (fd < 0)
    return;
  config = c;
  site.arg = metrics;
  server.loop = loop;
  server.site = &site;
  server.owner_only = true;
  err = vigil__serve_start(&server, fd, true);
  if (err != 0)
    vigil__log("the control socket cannot be served (%s)", uv_strerror(err));
}
