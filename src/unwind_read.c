/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "unwind_read.h"

#include "memory.h"

#include <string.h>

void vigil__read_init(struct vigil__read* r, uint64_t pos, uint64_t end) {
  r->pos = pos;
  r->end = end;
  r->bad = pos > end;
  r->window_lo = 0;
  r->window_len = 0;
}

static void fail(struct vigil__read* r) {
  r->bad = true;
  r->pos = r->end;
}

/* The next `n` bytes, or NULL. */
static const uint8_t* take(struct vigil__read* r, size_t n) {
  uint64_t offset;
  size_t want;
  ssize_t got;

  if (r->bad || n > r->end - r->pos) {
    fail(r);
    return NULL;
  }
  offset = r->pos - r->window_lo;
  if (r->pos < r->window_lo || offset > r->window_len ||
      n > r->window_len - offset) {
    want = sizeof(r->window);
    if (want > r->end - r->pos)
      want = (size_t) (r->end - r->pos);
    got = vigil__memory_read(r->pos, r->window, want);
    r->window_lo = r->pos;
    r->window_len = got < 0 ? 0 : (size_t) got;
    offset = 0;
    if (n > r->window_len) {
      fail(r);
      return NULL;
    }
  }
  r->pos += n;
  return r->window + offset;
}

uint64_t vigil__read_u(struct vigil__read* r, unsigned size) {
  const uint8_t* p = take(r, size);
  uint64_t value = 0;

  if (p != NULL)
    memcpy(&value, p, size);
  return value;
}

int64_t vigil__read_s(struct vigil__read* r, unsigned size) {
  const unsigned unused = 64 - 8 * size;

  return (int64_t) (vigil__read_u(r, size) << unused) >> unused;
}

/* What does not fit in 64 bits is lost. */
static uint64_t read_leb(struct vigil__read* r, unsigned* bits, bool* sign) {
  uint64_t value = 0;
  unsigned shift = 0;
  uint64_t byte;

  do {
    byte = vigil__read_u(r, 1);
    if (shift < 64)
      value |= (byte & 0x7f) << shift;
    shift += 7;
  } while ((byte & 0x80) != 0);
  *bits = shift;
  *sign = (byte & 0x40) != 0;
  return value;
}

uint64_t vigil__read_uleb(struct vigil__read* r) {
  unsigned bits;
  bool sign;

  return read_leb(r, &bits, &sign);
}

int64_t vigil__read_sleb(struct vigil__read* r) {
  unsigned bits;
  bool sign;
  uint64_t value = read_leb(r, &bits, &sign);

  if (sign && bits < 64)
    value |= UINT64_MAX << bits;
  return (int64_t) value;
}

void vigil__read_skip(struct vigil__read* r, uint64_t n) {
  if (r->bad || n > r->end - r->pos)
    fail(r);
  else
    r->pos += n;
}

uint64_t vigil__read_encoded(struct vigil__read* r,
                             uint8_t encoding,
                             uint64_t data) {
  const uint64_t at = r->pos;
  uint64_t value;

  switch (encoding & 0x0f) {
    case 0x00: case 0x04: case 0x0c: value = vigil__read_u(r, 8); break;
    case 0x01: value = vigil__read_uleb(r); break;
    case 0x02: value = vigil__read_u(r, 2); break;
    case 0x03: value = vigil__read_u(r, 4); break;
    case 0x09: value = (uint64_t) vigil__read_sleb(r); break;
    case 0x0a: value = (uint64_t) vigil__read_s(r, 2); break;
    case 0x0b: value = (uint64_t) vigil__read_s(r, 4); break;
    default: fail(r); return 0;
  }
  switch (encoding & 0x70) {
    case 0x00: return value;
    case 0x10: return value + at;
    case 0x30: return value + data;
    default: fail(r); return 0;
  }
}
