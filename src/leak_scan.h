/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LEAK_SCAN_H_
#define VIGIL_LEAK_SCAN_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIGIL__LEAK_SCAN_DEPTH 1024u
#define VIGIL__LEAK_SCAN_TEXT 4096u   /* Bytes; the rest of a string is lost. */

/* Reads one JSON text in pieces of any size and says what is in it, in order.
 * A callback that returns an error ends it. Any one thread, no allocation. */
struct vigil__leak_scan_events {
  int (*open)(void* arg, bool array);
  int (*close)(void* arg);
  /* UTF-8, valid during the call; "\u" sequences are decoded. */
  int (*key)(void* arg, const char* text, size_t len);
  int (*string)(void* arg, const char* text, size_t len);
  /* UINT64_MAX: it is none of 0 .. 10^19 - 1. */
  int (*number)(void* arg, uint64_t value);
  int (*word)(void* arg);               /* true, false, null */
};

/* Zero it, set `events` and `arg`. */
struct vigil__leak_scan {
  const struct vigil__leak_scan_events* events;
  void* arg;
  int error;                            /* Sticks. */
  uint8_t state;
  bool key;                             /* The string is one. */
  uint8_t digits;                       /* Of a number, or left of "\u". */
  uint16_t unit;                        /* That "\u" gave. */
  uint16_t high;                        /* Half a pair. */
  uint32_t depth;
  uint64_t number;
  size_t len;
  uint64_t array[VIGIL__LEAK_SCAN_DEPTH / 64];
  char text[VIGIL__LEAK_SCAN_TEXT];
};

/* 0; -EINVAL: not JSON, or nested too deep; a callback's error. */
int vigil__leak_scan_write(struct vigil__leak_scan* s, const char* data,
                           size_t len);

/* 0 when the text was whole, else the error, or -EINVAL. */
int vigil__leak_scan_end(const struct vigil__leak_scan* s);

#endif  /* VIGIL_LEAK_SCAN_H_ */
