/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SERVE_BIND_H_
#define VIGIL_SERVE_BIND_H_

#include "listen.h"

/* A socket that listens there, and in `where` what it is, as a URL or a path:
 * its descriptor, or -errno; -EADDRINUSE when all of it is taken. A UNIX socket
 * is for the user and the group of the process, mode 0660; one that is there
 * and nobody listens to is replaced. Any thread, blocks for nobody. */
#define VIGIL__SERVE_WHERE 128
int vigil__serve_bind(const struct vigil__listen* l,
                      char where[VIGIL__SERVE_WHERE]);

#endif  /* VIGIL_SERVE_BIND_H_ */
