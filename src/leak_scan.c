/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "leak_scan.h"

#include <errno.h>
#include <string.h>

/* What may come next. VALUE is 0: a scan begins with one. */
enum state {
  VALUE,
  FIRST_VALUE,                  /* Or the end of an array. */
  FIRST_KEY,                    /* Or the end of an object. */
  KEY,
  COLON,
  AFTER,                        /* A comma, or an end. */
  STRING,
  ESCAPE,
  UNICODE,
  NUMBER,
  FRACTION,                     /* The rest of a number that is not whole. */
  WORD,
  DONE
};

static bool in_array(const struct vigil__leak_scan* s) {
  const uint32_t i = s->depth - 1;

  return (s->array[i / 64] >> i % 64 & 1) != 0;
}

static int value_ends(struct vigil__leak_scan* s, int error) {
  s->state = s->depth == 0 ? DONE : AFTER;
  return error;
}

static int open(struct vigil__leak_scan* s, bool array) {
  const uint32_t i = s->depth;
  const uint64_t bit = UINT64_C(1) << i % 64;

  if (i == VIGIL__LEAK_SCAN_DEPTH)
    return -EINVAL;
  s->array[i / 64] = (s->array[i / 64] & ~bit) | (array ? bit : 0);
  s->depth++;
  s->state = array ? FIRST_VALUE : FIRST_KEY;
  return s->events->open(s->arg, array);
}

static int close(struct vigil__leak_scan* s, bool array) {
  if (s->depth == 0 || in_array(s) != array)
    return -EINVAL;
  s->depth--;
  return value_ends(s, s->events->close(s->arg));
}

static void put(struct vigil__leak_scan* s, char c) {
  if (s->len < sizeof(s->text))
    s->text[s->len++] = c;
}

static void put_code(struct vigil__leak_scan* s, uint32_t c) {
  if (c < 0x80) {
    put(s, (char) c);
    return;
  }
  /* All of it or nothing. */
  if (s->len + 4 > sizeof(s->text))
    return;
  if (c < 0x800) {
    put(s, (char) (0xc0 | c >> 6));
  } else {
    if (c < 0x10000) {
      put(s, (char) (0xe0 | c >> 12));
    } else {
      put(s, (char) (0xf0 | c >> 18));
      put(s, (char) (0x80 | (c >> 12 & 0x3f)));
    }
    put(s, (char) (0x80 | (c >> 6 & 0x3f)));
  }
  put(s, (char) (0x80 | (c & 0x3f)));
}

/* A first half of a pair that nothing followed. */
static void lone(struct vigil__leak_scan* s) {
  if (s->high != 0)
    put_code(s, 0xfffd);
  s->high = 0;
}

static void put_unit(struct vigil__leak_scan* s) {
  const uint16_t u = s->unit;

  if (u >= 0xdc00 && u <= 0xdfff && s->high != 0) {
    put_code(s, 0x10000 + ((s->high & 0x3ffu) << 10) + (u & 0x3ffu));
    s->high = 0;
    return;
  }
  lone(s);
  if (u >= 0xd800 && u <= 0xdbff)
    s->high = u;
  else
    put_code(s, u >= 0xdc00 && u <= 0xdfff ? 0xfffd : u);
}

static int escape(struct vigil__leak_scan* s, char c) {
  static const char from[] = "\"\\/bfnrt";
  static const char to[] = "\"\\/\b\f\n\r\t";
  const char* at = c == '\0' ? NULL : strchr(from, c);

  s->state = STRING;
  if (c == 'u') {
    s->state = UNICODE;
    s->digits = 4;
    s->unit = 0;
    return 0;
  }
  if (at == NULL)
    return -EINVAL;
  lone(s);
  put(s, to[at - from]);
  return 0;
}

static int unicode(struct vigil__leak_scan* s, char c) {
  unsigned digit;

  if (c >= '0' && c <= '9')
    digit = (unsigned) (c - '0');
  else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
    digit = (unsigned) ((c | 0x20) - 'a') + 10;
  else
    return -EINVAL;
  s->unit = (uint16_t) ((unsigned) s->unit << 4 | digit);
  if (--s->digits == 0) {
    s->state = STRING;
    put_unit(s);
  }
  return 0;
}

static int string_ends(struct vigil__leak_scan* s) {
  lone(s);
  if (!s->key)
    return value_ends(s, s->events->string(s->arg, s->text, s->len));
  s->state = COLON;
  return s->events->key(s->arg, s->text, s->len);
}

static int number_ends(struct vigil__leak_scan* s) {
  const bool whole = s->state == NUMBER && s->digits != 0 && s->digits < 20;

  return value_ends(s, s->events->number(s->arg,
                                         whole ? s->number : UINT64_MAX));
}

static int begin(struct vigil__leak_scan* s, char c) {
  s->len = 0;
  switch (c) {
    case '"': s->state = STRING; s->key = false; return 0;
    case '[': return open(s, true);
    case '{': return open(s, false);
    case '-': s->state = FRACTION; return 0;
    case 't': case 'f': case 'n': s->state = WORD; put(s, c); return 0;
  }
  if (c < '0' || c > '9')
    return -EINVAL;
  s->state = NUMBER;
  s->number = (uint64_t) (c - '0');
  s->digits = 1;
  return 0;
}

/* One character outside of strings and numbers. */
static int structure(struct vigil__leak_scan* s, char c) {
  if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
    return 0;
  switch (s->state) {
    case FIRST_VALUE:
      if (c == ']')
        return close(s, true);
      return begin(s, c);
    case VALUE:
      return begin(s, c);
    case FIRST_KEY:
    case KEY:
      if (c == '}' && s->state == FIRST_KEY)
        return close(s, false);
      s->state = STRING;
      s->key = true;
      s->len = 0;
      return c == '"' ? 0 : -EINVAL;
    case COLON:
      s->state = VALUE;
      return c == ':' ? 0 : -EINVAL;
    case AFTER:
      if (c != ',')
        return c == ']' || c == '}' ? close(s, c == ']') : -EINVAL;
      s->state = in_array(s) ? VALUE : KEY;
      return 0;
    default:
      return -EINVAL;
  }
}

/* All of a string that is at hand, up to what is special in it. */
static const char* string(struct vigil__leak_scan* s, const char* p,
                          const char* end) {
  const char* from = p;
  size_t n;

  while (p < end && *p != '"' && *p != '\\' && (unsigned char) *p >= 0x20)
    p++;
  if (p == from)
    return p;
  lone(s);
  n = sizeof(s->text) - s->len;
  n = n < (size_t) (p - from) ? n : (size_t) (p - from);
  memcpy(s->text + s->len, from, n);
  s->len += n;
  return p;
}

static const char* number(struct vigil__leak_scan* s, const char* p,
                          const char* end) {
  for (; p < end && *p >= '0' && *p <= '9'; p++) {
    s->number = s->number * 10 + (uint64_t) (*p - '0');
    s->digits = s->digits < 20 ? (uint8_t) (s->digits + 1) : s->digits;
  }
  return p;
}

static bool is_word(const char* text, size_t len) {
  return (len == 4 && memcmp(text, "true", 4) == 0) ||
         (len == 5 && memcmp(text, "false", 5) == 0) ||
         (len == 4 && memcmp(text, "null", 4) == 0);
}

/* One step from `*p`, which may move. */
static int step(struct vigil__leak_scan* s, const char** p, const char* end) {
  switch (s->state) {
    case STRING:
      *p = string(s, *p, end);
      if (*p == end)
        return 0;
      if ((unsigned char) **p < 0x20)
        return -EINVAL;
      if (*(*p)++ == '"')
        return string_ends(s);
      s->state = ESCAPE;
      return 0;
    case ESCAPE:
      return escape(s, *(*p)++);
    case UNICODE:
      return unicode(s, *(*p)++);
    case NUMBER:
      *p = number(s, *p, end);
      if (*p == end)
        return 0;
      if (**p != '.' && **p != 'e' && **p != 'E')
        return number_ends(s);
      s->state = FRACTION;
      return 0;
    case FRACTION:
      if (**p != '\0' && strchr("0123456789.eE+-", **p) != NULL)
        (*p)++;
      else
        return number_ends(s);
      return 0;
    case WORD:
      if (**p >= 'a' && **p <= 'z') {
        put(s, *(*p)++);
        return 0;
      }
      return is_word(s->text, s->len)
          ? value_ends(s, s->events->word(s->arg)) : -EINVAL;
    default:
      return structure(s, *(*p)++);
  }
}

int vigil__leak_scan_write(struct vigil__leak_scan* s, const char* data,
                           size_t len) {
  const char* p = data;

  while (s->error == 0 && p < data + len)
    s->error = step(s, &p, data + len);
  return s->error;
}

int vigil__leak_scan_end(const struct vigil__leak_scan* s) {
  if (s->error != 0)
    return s->error;
  return s->state == DONE ? 0 : -EINVAL;
}
