/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CONFIG_H_
#define VIGIL_CONFIG_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIGIL__DIR_MAX 1024

enum vigil__mode { VIGIL__MODE_AUTO, VIGIL__MODE_ON, VIGIL__MODE_OFF };

/* Every field is one variable of the table in config.c. */
struct vigil__config {
  uint64_t mode;                /* VIGIL: enum vigil__mode. */
  uint64_t lag_p99_ns;          /* VIGIL_LAG_P99_MS. */
  uint64_t window_ns;           /* VIGIL_WINDOW. */
  uint64_t for_ns;              /* VIGIL_FOR. */
  uint64_t cooldown_ns;         /* VIGIL_COOLDOWN. */
  uint64_t grace_ns;            /* VIGIL_GRACE. */
  uint64_t cpu_profile_ns;      /* VIGIL_CPU_PROFILE; 0: off. */
  uint64_t heap_snapshot;       /* VIGIL_HEAP_SNAPSHOT: 0 or 1. */
  char dir[VIGIL__DIR_MAX];     /* VIGIL_DIR; may be relative. */
};

/* getenv-like: the value of `name`, or NULL. */
typedef const char* (*vigil__config_get)(void* arg, const char* name);

/* Gets one line without an end of line, printable. */
typedef void (*vigil__config_line)(void* arg, const char* line);

/* Fills `c`: what a variable says, its default where it is not set, and its
 * default and one line where it is not understood. `uid` is part of the
 * default directory. Does not fail, does not allocate, does not depend on the
 * locale. Any thread, as far as `get` allows it. */
void vigil__config_read(struct vigil__config* c,
                        unsigned uid,
                        vigil__config_get get,
                        vigil__config_line complain,
                        void* arg);

/* The table of variables as Markdown, for the README and a test of it. */
void vigil__config_print(vigil__config_line print, void* arg);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_CONFIG_H_ */
