/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_QUERY_H_
#define VIGIL_QUERY_H_

#include <stdbool.h>
#include <stddef.h>

/* The part of a request's target behind "?": names with values, "cpu=10s&heap".
 * Pure; any thread. */
#define VIGIL__QUERY_NAME 32
#define VIGIL__QUERY_VALUE 64

struct vigil__query {
  const char* rest;             /* Set it to the text; it is only read. */
  char name[VIGIL__QUERY_NAME];
  char value[VIGIL__QUERY_VALUE];
  bool has_value;               /* There was a "=". */
};

/* The next one, decoded (%30 and +): 1; 0: there is none; -EINVAL: it is too
 * long, or an escape is wrong or stands for a NUL. */
int vigil__query_next(struct vigil__query* q);

#endif  /* VIGIL_QUERY_H_ */
