/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LOG_H_
#define VIGIL_LOG_H_

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What we say, a line for each event: as docs/log.md describes it, where
 * VIGIL_LOG says; before vigil__log_init() as text on stderr. Any thread, no
 * allocation, no lock. Not locale dependent as long as formats have no %f, %g,
 * %e. */
#define VIGIL__LOG_LINE 4096        /* PIPE_BUF: lines do not mix in a pipe. */
#define VIGIL__LOG_WAIT_MS 100      /* For a full pipe or a stopped terminal. */
#define VIGIL__LOG_TO 1024          /* A longer VIGIL_LOG is not understood. */

/* So many lines at once, and after that one in this time. */
#define VIGIL__LOG_BURST 20u
#define VIGIL__LOG_EVERY_NS (3 * UINT64_C(1000000000))

enum vigil__log_event {
  VIGIL__LOG_NOTE,                  /* All is well. */
  VIGIL__LOG_PROBLEM,               /* A trouble of ours. */
  VIGIL__LOG_CONFIG,                /* A value that is not understood: said
                                     * with `off`, too, and never left out. */
  VIGIL__LOG_INCIDENT,
  VIGIL__LOG_REFUSED,               /* The budget does not allow one... */
  VIGIL__LOG_FAILED                 /* ...or it could not be written. */
};

/* Where to, and how. */
struct vigil__log_to {
  bool off;
  bool json;
  char path[VIGIL__LOG_TO];         /* "": stderr. */
};

/* Understands "text", "json", "off", "/a/path", "text:/a/path" and
 * "json:/a/path"; else false. Pure. */
bool vigil__log_parse(const char* s, struct vigil__log_to* to);

/* The value of VIGIL_LOG, or NULL; one that is not understood is the same.
 * Once, before any other thread exists. */
void vigil__log_init(const char* value);

/* Says now whether the file can be written, if there is one: not first with
 * the incident of the night. */
void vigil__log_check(void);

/* More members of the line as JSON. */
struct vigil__json;
typedef void (*vigil__log_members)(struct vigil__json* j, const void* arg);

/* Writes one line with one write(2), as far as the kernel takes it at once.
 * Control characters are escaped, so that a line stays one line; a longer one
 * is shortened. Never waits longer than VIGIL__LOG_WAIT_MS for a descriptor:
 * then the line is dropped and counted, as one over the limit is. `members` may
 * be NULL. */
__attribute__((format(printf, 4, 5)))
void vigil__log_event(enum vigil__log_event event,
                      vigil__log_members members,
                      const void* arg,
                      const char* format, ...);

/* The same of a VIGIL__LOG_PROBLEM. */
__attribute__((format(printf, 1, 2)))
void vigil__log(const char* format, ...);

/* Lines dropped so far, whole or in part. */
uint64_t vigil__log_dropped(void);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_LOG_H_ */
