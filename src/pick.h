/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_PICK_H_
#define VIGIL_PICK_H_

#include <stdbool.h>
#include <stddef.h>

/* Takes some members out of a JSON text, which is checked as a whole, so that
 * what is taken can stand in another one as it is. Pure; any thread. */
struct vigil__pick {
  const char* path;             /* "rule.name": members of objects only. */
  const char* at;               /* Its text, with quotes if it is a string... */
  size_t len;                   /* ...and length; 0: it is not there, or it is an
                                 * object or an array. */
};

#define VIGIL__PICK_DEPTH 64
#define VIGIL__PICK_PATH 64     /* Longer paths cannot be asked for. */

/* False, and nothing is taken, when it is not JSON, or nests too deep. Of members
 * with the same name the last one counts. A name with an escape is none that one
 * can ask for. */
bool vigil__pick(const char* text, size_t len,
                 struct vigil__pick* picks, size_t n);

#endif  /* VIGIL_PICK_H_ */
