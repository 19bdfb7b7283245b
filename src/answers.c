/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "answers.h"

#include "accept.h"
#include "facts.h"
#include "metrics.h"
#include "os.h"
#include "serve.h"
#include "status.h"

#include <stdlib.h>  /* free */
#include <string.h>

static void give(struct vigil__http_answer* a, const char* text) {
  a->len = strlen(text);
  a->body = vigil__os.realloc(NULL, a->len);
  if (a->body != NULL)
    memcpy(a->body, text, a->len);
}

void vigil__answer_json(struct vigil__http_answer* answer,
                        struct vigil__json* j) {
  answer->type = "application/json";
  if (vigil__json_finish(j) != 0) {
    vigil__json_free(j);
    answer->status = 200;  /* None could be made. */
    return;
  }
  answer->body = j->data;
  answer->len = j->len;
}

void vigil__answer_metrics(void* arg,
                           const struct vigil__http_request* request,
                           struct vigil__http_answer* answer) {
  const enum vigil__exposition format = vigil__accept(request->accept);
  const struct vigil__serve* server = arg;
  struct vigil__metrics m = {
    .openmetrics = format != VIGIL__EXPOSITION_TEXT
  };
  const struct vigil__facts* f = vigil__facts_lock();

  vigil__metrics_lag(&m, f);
  vigil__metrics_v8(&m, f);
  vigil__metrics_judged(&m, f);
  vigil__metrics_process(&m, f, vigil__os.mono());
  vigil__facts_unlock();
  vigil__metrics_server(&m, &server->site->totals, &server->totals,
                        server->open);
  answer->type = vigil__accept_type(format);
  if (vigil__metrics_finish(&m) != 0) {
    free(m.data);
    return;
  }
  answer->body = m.data;
  answer->len = m.len;
}

void vigil__answer_status(void* arg,
                          const struct vigil__http_request* request,
                          struct vigil__http_answer* answer) {
  struct vigil__json j = { .limit = 4 << 20 };
  const struct vigil__facts* f = vigil__facts_lock();

  (void) arg;
  (void) request;
  vigil__status_write(&j, f, vigil__os.mono(), vigil__os.wall());
  vigil__facts_unlock();
  vigil__answer_json(answer, &j);
}

void vigil__answer_ready(void* arg,
                         const struct vigil__http_request* request,
                         struct vigil__http_answer* answer) {
  const struct vigil__facts* f = vigil__facts_lock();
  uint64_t wait_ns;
  const bool ready = vigil__status_ready(f, vigil__os.mono(), &wait_ns);

  vigil__facts_unlock();
  (void) arg;
  (void) request;
  answer->type = "text/plain; charset=utf-8";
  answer->status = ready ? 200 : 503;
  give(answer, ready ? "ready\n"
               : wait_ns == UINT64_MAX
                   ? "not ready: an incident lasts\n"
                   : "not ready: an incident was over a short while ago\n");
}

void vigil__answer_live(void* arg,
                        const struct vigil__http_request* request,
                        struct vigil__http_answer* answer) {
  (void) arg;
  (void) request;
  answer->type = "text/plain; charset=utf-8";
  give(answer, "live\n");
}
