/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_HELPER_LINE_H_
#define VIGIL_HELPER_LINE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the helper says (js/helper/say.js), line by line. Pure. */

#define VIGIL__HELPER_LINE 1100u

enum vigil__helper_total {
  VIGIL__HELPER_REPORTS,        /* Reports that were made. */
  VIGIL__HELPER_SHIPPED,        /* Incidents that were shipped... */
  VIGIL__HELPER_SHIP_FAILED,    /* ...that could not be, each time... */
  VIGIL__HELPER_LEFT,           /* ...and that are yet to be. */
  VIGIL__HELPER_TOTALS
};

enum vigil__helper_word {
  VIGIL__HELPER_OTHER,          /* Not from our script: Node's or V8's. */
  VIGIL__HELPER_LOG,
  VIGIL__HELPER_FAIL,
  VIGIL__HELPER_TOTAL,
  VIGIL__HELPER_DONE
};

struct vigil__helper_said {
  enum vigil__helper_word word;
  const char* text;             /* Of LOG, FAIL and OTHER; part of the line. */
  enum vigil__helper_total total;
  uint64_t n;                   /* Of TOTAL; the code of DONE. */
};

void vigil__helper_line_parse(const char* line, struct vigil__helper_said* s);

/* Bytes become lines; what is too long for one is cut. */
struct vigil__helper_lines {
  char line[VIGIL__HELPER_LINE];
  size_t len;
};

/* Takes bytes from *data up to the end of a line: true, and there is a line.
 * False: all have been taken. */
bool vigil__helper_lines_take(struct vigil__helper_lines* l,
                              const char** data,
                              size_t* len);

#endif  /* VIGIL_HELPER_LINE_H_ */
