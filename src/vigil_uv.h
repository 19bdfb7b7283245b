/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

/* What the libuv patch needs to know of Vigil, and nothing else. libuv is
 * linked into build tools that have no Vigil, so it calls through a table that
 * only a starting node installs. */

#ifndef VIGIL_UV_H_
#define VIGIL_UV_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

/* All but loop_init run on the thread of the loop; loop_init runs on the one
 * that initializes it. `record` is what loop_init returned; libuv calls nothing
 * for a loop whose record is NULL. No function changes errno, takes a lock or
 * fails, except that loop_init, loop_close and serves may allocate. */
struct vigil_uv_hooks {
  /* A loop was initialized. Returns its record or NULL: not watched. */
  void* (*loop_init)(struct uv_loop_s* loop);
  /* The loop is being closed; the record is not used afterwards. */
  void (*loop_close)(void* record);
  /* uv_run() was entered; is about to return. May nest. */
  void (*run_begin)(void* record);
  void (*run_end)(void* record);
  /* The loop is about to ask the kernel for events; it has `nevents` of them
   * (0: time-out, -1: interrupted). */
  void (*poll_enter)(void* record);
  void (*poll_exit)(void* record, int nevents);
  /* An iteration of uv_run() begins to poll. */
  void (*turn)(void* record);
  /* A timer runs that was due at `due_ms` of uv_hrtime(), in ms. */
  void (*timer)(void* record, uint64_t due_ms);
  /* The process serves: it listens, received a datagram on a bound socket, or
   * was handed a connection. Called again and again. */
  void (*serves)(void* record);

  /* The thread pool has no record. The first three run under its mutex, on any
   * thread; work_end on the pool's own thread. `kind` is enum uv__work_kind. */
  void (*work_submit)(const void* work, unsigned kind);
  void (*work_begin)(const void* work, int is_slow);
  void (*work_cancel)(const void* work);
  void (*work_end)(void);
};

/* Owned by libuv; NULL until vigil_init(). Written once, before any other
 * thread exists, so plain access will do. */
extern const struct vigil_uv_hooks* uv__vigil_hooks;

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_UV_H_ */
