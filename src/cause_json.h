/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CAUSE_JSON_H_
#define VIGIL_CAUSE_JSON_H_

#include "cause.h"
#include "json.h"

/* Writes the class and what decided it as one object. Any thread. */
void vigil__cause_write(struct vigil__json* j,
                        const char* key,
                        const struct vigil__why* why,
                        const struct vigil__figures* f);

#endif  /* VIGIL_CAUSE_JSON_H_ */
