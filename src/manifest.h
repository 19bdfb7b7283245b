/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_MANIFEST_H_
#define VIGIL_MANIFEST_H_

#include "incident.h"
#include "json.h"

/* Writes incident.json. Errors
 * stay in `j`; vigil__artifact_finish() looks. Watch thread. */
void vigil__manifest_write(struct vigil__json* j,
                           const struct vigil__incident* i,
                           const struct vigil__self* self);

#endif  /* VIGIL_MANIFEST_H_ */
