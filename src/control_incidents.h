/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CONTROL_INCIDENTS_H_
#define VIGIL_CONTROL_INCIDENTS_H_

#include "json.h"

#include <stddef.h>
#include <stdint.h>

/* The incidents in a VIGIL_DIR that are complete and this user's. Any thread;
 * reads the disk. */
#define VIGIL__CONTROL_INCIDENTS 200u  /* The newest; the rest is counted. */

/* One whole value: `directory`, `incidents`, the newest first, and `more`. A
 * directory that is not there has none. 0 or -errno. */
int vigil__control_list(struct vigil__json* j, const char* dir);

/* Opens a file of an incident: `what` is "<incident>/<file>", with neither
 * another slash nor a name that begins with a dot; links are not followed. Its
 * descriptor and its size, or -errno. */
int vigil__control_file(const char* dir, const char* what, uint64_t* bytes);

#endif  /* VIGIL_CONTROL_INCIDENTS_H_ */
