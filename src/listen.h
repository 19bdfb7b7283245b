/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LISTEN_H_
#define VIGIL_LISTEN_H_

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where to listen, as VIGIL_METRICS says it:
 *
 *   9464                 that port of the loopback address
 *   127.0.0.1:9464       an address: one in numbers, or localhost
 *   [::1]:9464
 *   9464-9479            the first of them that is free; with an address, too
 *   /run/app.sock        a UNIX socket, by its absolute path
 *
 * Port 0 is any free one. */
#define VIGIL__LISTEN_PATH 108  /* As sun_path. */
#define VIGIL__LISTEN_TEXT 128  /* Enough for any that is understood. */

struct vigil__listen {
  char path[VIGIL__LISTEN_PATH];  /* "": TCP. */
  char host[48];                /* An address in numbers. */
  bool is_ipv6;
  uint16_t first;               /* Ports. */
  uint16_t last;
};

/* False, and `l` as it was, when it is not understood. Pure, any thread. */
bool vigil__listen_parse(struct vigil__listen* l, const char* s);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_LISTEN_H_ */
