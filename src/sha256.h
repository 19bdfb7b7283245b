/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SHA256_H_
#define VIGIL_SHA256_H_

#include "artifact.h"

/* OpenSSL's, for artifacts. Any thread. */
extern const struct vigil__sha256 vigil__sha256_openssl;

#endif  /* VIGIL_SHA256_H_ */
