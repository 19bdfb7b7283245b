/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* An add-on that calls libuv, OpenSSL and zlib inside of the node binary. */

#include <node_api.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <uv.h>
#include <zlib.h>

static napi_value hex(napi_env env, const unsigned char* data, size_t len) {
  static const char digits[] = "0123456789abcdef";
  char text[2 * EVP_MAX_MD_SIZE];
  napi_value result;
  size_t i;

  for (i = 0; i < len; i++) {
    text[2 * i] = digits[data[i] >> 4];
    text[2 * i + 1] = digits[data[i] & 15];
  }
  napi_create_string_utf8(env, text, 2 * len, &result);
  return result;
}

static napi_value sha256(napi_env env, napi_callback_info info) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int len = 0;

  (void) info;
  EVP_Digest("abc", 3, digest, &len, EVP_sha256(), NULL);
  return hex(env, digest, len);
}

static napi_value checksum(napi_env env, napi_callback_info info) {
  napi_value result;

  (void) info;
  napi_create_uint32(env, (uint32_t) crc32(0, (const Bytef*) "hello", 5),
                     &result);
  return result;
}

static int fired;

static void on_timer(uv_timer_t* timer) {
  fired++;
  uv_close((uv_handle_t*) timer, NULL);
}

/* Runs a loop of our own: its struct comes from the headers, so a wrong size
 * would show. Gives back the number of timers that fired. */
static napi_value own_loop(napi_env env, napi_callback_info info) {
  struct { uv_loop_t loop; unsigned guard; } l = { .guard = 0xabcdef };
  struct { uv_timer_t timer; unsigned guard; } t = { .guard = 0xabcdef };
  napi_value result;

  (void) info;
  fired = 0;
  if (uv_loop_init(&l.loop) == 0 &&
      uv_timer_init(&l.loop, &t.timer) == 0 &&
      uv_timer_start(&t.timer, on_timer, 1, 0) == 0)
    uv_run(&l.loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&l.loop) != 0 || l.guard != 0xabcdef || t.guard != 0xabcdef)
    fired = -1;
  napi_create_int32(env, fired, &result);
  return result;
}

static napi_value sizes(napi_env env, napi_callback_info info) {
  napi_value result;

  (void) info;
  napi_create_uint32(env, (uint32_t) (uv_loop_size() == sizeof(uv_loop_t) &&
                     uv_handle_size(UV_TCP) == sizeof(uv_tcp_t) &&
                     uv_handle_size(UV_UDP) == sizeof(uv_udp_t) &&
                     uv_handle_size(UV_NAMED_PIPE) == sizeof(uv_pipe_t) &&
                     uv_handle_size(UV_PROCESS) == sizeof(uv_process_t) &&
                     uv_req_size(UV_FS) == sizeof(uv_fs_t)), &result);
  return result;
}

static void export(napi_env env, napi_value exports, const char* name,
                   napi_callback callback) {
  napi_value fn;

  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &fn);
  napi_set_named_property(env, exports, name, fn);
}

NAPI_MODULE_INIT() {
  export(env, exports, "sha256", sha256);
  export(env, exports, "checksum", checksum);
  export(env, exports, "ownLoop", own_loop);
  export(env, exports, "sizes", sizes);
  return exports;
}
