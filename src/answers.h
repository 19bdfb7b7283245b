/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_ANSWERS_H_
#define VIGIL_ANSWERS_H_

#include "http.h"
#include "json.h"

/* What both servers answer: handlers of http.h, on the telling thread. `arg` is
 * the server of VIGIL_METRICS, whose figures /metrics tells wherever it is
 * asked. */
void vigil__answer_metrics(void* arg,
                           const struct vigil__http_request* request,
                           struct vigil__http_answer* answer);
void vigil__answer_status(void* arg,
                          const struct vigil__http_request* request,
                          struct vigil__http_answer* answer);
void vigil__answer_ready(void* arg,
                         const struct vigil__http_request* request,
                         struct vigil__http_answer* answer);
void vigil__answer_live(void* arg,
                        const struct vigil__http_request* request,
                        struct vigil__http_answer* answer);

/* Takes the JSON; one with an error is no answer. */
void vigil__answer_json(struct vigil__http_answer* answer,
                        struct vigil__json* j);

#endif  /* VIGIL_ANSWERS_H_ */
