/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SERVE_BIND_H_
#define VIGIL_SERVE_BIND_H_

#include "listen.h"

#include <sys/types.h>  /* mode_t */

/* A socket that listens there, and in `where` what it is, as a URL or a path:
 * its descriptor, or -errno; -EADDRINUSE when all of it is taken. A UNIX socket
 * gets `mode`; one that is there and nobody listens to is replaced. Any thread,
 * blocks for nobody. */
#define VIGIL__SERVE_WHERE 128
int vigil__serve_bind(const struct vigil__listen* l,
                      mode_t mode,
                      char where[VIGIL__SERVE_WHERE]);

/* Removes a UNIX socket of this user that nobody listens to. Same. */
void vigil__serve_remove_stale(const char* path);

#endif  /* VIGIL_SERVE_BIND_H_ */
