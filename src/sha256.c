/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "sha256.h"

#include <errno.h>
#include <openssl/evp.h>

static void* begin(void) {
  EVP_MD_CTX* ctx = EVP_MD_CTX_new();

  if (ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
    EVP_MD_CTX_free(ctx);
    ctx = NULL;
  }
  return ctx;
}

static int update(void* ctx, const void* data, size_t len) {
  return EVP_DigestUpdate(ctx, data, len) == 1 ? 0 : -EIO;
}

static int end(void* ctx, uint8_t digest[32]) {
  int err = 0;

  if (digest != NULL && EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
    err = -EIO;
  EVP_MD_CTX_free(ctx);
  return err;
}

const struct vigil__sha256 vigil__sha256_openssl = { begin, update, end };
