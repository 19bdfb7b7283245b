/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CONFIG_TEXT_H_
#define VIGIL_CONFIG_TEXT_H_

#include "config_value.h"

#include <stdbool.h>
#include <stddef.h>

/* The kinds of value that are texts, which only the helper uses: here it is just
 * checked whether it can. Pure; any thread. */

/* Whether `kind` is one of them. */
bool vigil__text_is_kind(enum vigil__value_kind kind);

/* Whether `s` is of that form. The word that turns it off is for the caller. */
bool vigil__text_check(enum vigil__value_kind kind, const char* s);

/* The accepted form in words; `size` at least VIGIL__VALUE_FORM. */
void vigil__text_form_print(enum vigil__value_kind kind, char* to, size_t size);

#endif  /* VIGIL_CONFIG_TEXT_H_ */
