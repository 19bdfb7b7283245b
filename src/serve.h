/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_SERVE_H_
#define VIGIL_SERVE_H_

#include "http.h"
#include "totals.h"

#include <stdbool.h>
#include <stdint.h>
#include "uv.h"

/* Sockets around http.h, on a loop of ours. Bounded in everything a client may
 * do: how many connections, how long a request and its answer take, how long
 * one may stay idle. All on the thread of the loop. */
#define VIGIL__SERVE_CONNECTIONS 32u
/* From the first byte of a request to its end, and as long for the answer; of a
 * file, for each piece of it. */
#define VIGIL__SERVE_REQUEST_MS 5000u
/* Between requests; longer than most scrape intervals. */
#define VIGIL__SERVE_IDLE_MS 75000u

struct vigil__serve_conn;

struct vigil__serve {
  uv_loop_t* loop;
  struct vigil__http_site* site;
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } listener;
  uv_timer_t deadlines;
  struct vigil__serve_conn* first;  /* The newest. */
  unsigned open;                    /* Those that are not closing. */
  unsigned all;                     /* With those that are. */
  bool waiting;                     /* Somebody is to be accepted. */
  bool owner_only;                  /* UNIX sockets: drops a peer that is neither
                                     * the user of this process nor root. */
  struct vigil__serve_totals totals;
};

/* Zero `s`, set `loop` and `site`, and what else is wanted. `fd` is a socket that listens; it is taken.
 * 0 or -errno, which is final. */
int vigil__serve_start(struct vigil__serve* s, int fd, bool is_unix);

#endif  /* VIGIL_SERVE_H_ */
