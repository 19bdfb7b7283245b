/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CONFIG_VALUE_H_
#define VIGIL_CONFIG_VALUE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kinds of value that a variable of config.c may have: how each is read,
 * and how its accepted form is told. All pure; any thread; nothing depends on
 * the locale. */
enum vigil__value_kind {
  VIGIL__VALUE_WORD,          /* One of `words`; the value is its index. */
  VIGIL__VALUE_WORDS,         /* Some of `words`; a bit for each, or none. */
  VIGIL__VALUE_MILLISECONDS,  /* In ns. */
  VIGIL__VALUE_DURATION,      /* In ns. */
  VIGIL__VALUE_SIZE,          /* In bytes; 1 KB is 1024. */
  VIGIL__VALUE_PERCENT,       /* In ppm. */
  VIGIL__VALUE_COUNT,
  VIGIL__VALUE_SIGNAL,        /* Its number; 0: off. */
  /* Not numbers: config.c reads them itself. */
  VIGIL__VALUE_LOG,           /* See log.h. */
  VIGIL__VALUE_PATH,
  VIGIL__VALUE_LISTEN,        /* See listen.h. */
  VIGIL__VALUE_SOCKET,        /* See control_socket.h. */
  /* Texts that the helper uses: config_text.h. The value: whether there is one. */
  VIGIL__VALUE_TEXT,
  VIGIL__VALUE_SECRET,        /* One that no message shows. */
  VIGIL__VALUE_URL,           /* As secret: it may hold a token. */
  VIGIL__VALUE_BUCKET,
  VIGIL__VALUE_LINK,
  VIGIL__VALUE_QUOTA
};

/* The duration in a quota. */
#define VIGIL__QUOTA_MIN_NS UINT64_C(10000000000)
#define VIGIL__QUOTA_MAX_NS UINT64_C(86400000000000)

struct vigil__value_form {
  enum vigil__value_kind kind;
  uint64_t min;
  uint64_t max;
  const char* const* words;   /* NULL at the end. */
  const char* other;          /* A word that is accepted, too, or NULL... */
  uint64_t other_value;       /* ...and what it means. */
};

#define VIGIL__VALUE_FORM 192  /* Enough for any form. */

/* True, and `value`, when `s` is understood; else false, and nothing changes
 * but `why`: a reason that the form does not tell, or NULL. */
bool vigil__value_parse(const struct vigil__value_form* form,
                        const char* s,
                        uint64_t* value,
                        const char** why);

/* The accepted form in words; `size` at least VIGIL__VALUE_FORM. */
void vigil__value_form_print(const struct vigil__value_form* form,
                             char* to,
                             size_t size);

#endif  /* VIGIL_CONFIG_VALUE_H_ */
