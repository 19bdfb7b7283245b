/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_CONFIG_H_
#define VIGIL_CONFIG_H_

#include "listen.h"
#include "log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIGIL__DIR_MAX 1024

enum vigil__mode { VIGIL__MODE_AUTO, VIGIL__MODE_ON, VIGIL__MODE_OFF };

enum vigil__heap_mode {
  VIGIL__HEAP_OFF, VIGIL__HEAP_INPROCESS, VIGIL__HEAP_FORK
};

/* What an incident may hold; bits. */
#define VIGIL__CAPTURE_CPU 1u     /* A CPU profile. */
#define VIGIL__CAPTURE_HEAP 2u    /* A heap snapshot. */
#define VIGIL__CAPTURE_ALLOC 4u   /* A sampling allocation profile. */
#define VIGIL__CAPTURE_BEFORE 8u  /* What the recorder has. */
/* On demand only: as configured, without the others that are set. */
#define VIGIL__CAPTURE_WITHOUT 16u

#define VIGIL__DISK_FREE_AUTO UINT64_MAX

/* Every field is one variable of the table in config.c. "ppm" is a share in
 * millionths: 10000 is 1 %. */
struct vigil__config {
  uint64_t mode;                /* VIGIL: enum vigil__mode. */
  uint64_t lag_p99_ns;          /* VIGIL_LAG_P99_MS. */
  uint64_t window_ns;           /* VIGIL_WINDOW. */
  uint64_t for_ns;              /* VIGIL_FOR. */
  uint64_t stall_ns;            /* VIGIL_STALL_MS; 0: off. */
  uint64_t stall_trigger_ns;    /* VIGIL_STALL_TRIGGER; 0: off. */
  uint64_t gc_share_ppm;        /* VIGIL_GC_SHARE; 0: off. */
  uint64_t pool_wait_p99_ns;    /* VIGIL_POOL_WAIT_P99_MS; 0: off. */
  uint64_t old_space_ppm;       /* VIGIL_OLD_SPACE_SHARE; 0: off. */
  uint64_t grace_ns;            /* VIGIL_GRACE. */
  uint64_t capture;             /* VIGIL_CAPTURE: VIGIL__CAPTURE_* bits. */
  uint64_t cpu_profile_ns;      /* VIGIL_CPU_PROFILE; never 0. */
  uint64_t recorder;            /* VIGIL_RECORDER: 0 or 1. */
  uint64_t recorder_bytes;      /* VIGIL_RECORDER_SIZE. */
  uint64_t heap_mode;           /* VIGIL_HEAP_MODE: enum vigil__heap_mode... */
  uint64_t heap_fallback;       /* ...and VIGIL_HEAP_FALLBACK, never FORK. */
  uint64_t heap_time_ns;        /* VIGIL_HEAP_TIME. */
  uint64_t near_heap_limit;     /* VIGIL_NEAR_HEAP_LIMIT. */
  uint64_t leak;                /* VIGIL_LEAK: 0 or 1. */
  uint64_t leak_every_ns;       /* VIGIL_LEAK_EVERY. */
  uint64_t redact;              /* VIGIL_REDACT: 0 or 1. */
  uint64_t signal;              /* VIGIL_SIGNAL: its number; 0: off. */
  uint64_t exit_wait_ns;        /* VIGIL_EXIT_WAIT. */
  uint64_t cooldown_ns;         /* VIGIL_COOLDOWN. */
  uint64_t per_hour;            /* VIGIL_PER_HOUR; at least 1. */
  uint64_t disk_bytes;          /* VIGIL_DISK. */
  uint64_t disk_free_bytes;     /* VIGIL_DISK_FREE; VIGIL__DISK_FREE_AUTO. */
  uint64_t host_captures;       /* VIGIL_HOST_CAPTURES; at least 1. */
  uint64_t ready_after_ns;      /* VIGIL_READY_AFTER. */
  uint64_t report;              /* VIGIL_REPORT: 0 or 1. */
  uint64_t upload;              /* VIGIL_UPLOAD, VIGIL_ALERT, ... */
  uint64_t alert;
  uint64_t on_incident;         /* ...VIGIL_ON_INCIDENT: 0 is off. */
  uint64_t ship_grace_ns;       /* VIGIL_SHIP_GRACE. */
  uint64_t fleet;               /* VIGIL_FLEET: 0 is off. */
  uint64_t for_helper;          /* Of all those that only the helper reads. */
  char dir[VIGIL__DIR_MAX];     /* VIGIL_DIR; may be relative. */
  char log[VIGIL__LOG_TO];      /* VIGIL_LOG, which log.h understands. */
  char metrics[VIGIL__LISTEN_TEXT];  /* VIGIL_METRICS, which listen.h
                                      * understands; "": off. */
  char control[VIGIL__LISTEN_PATH];  /* VIGIL_CONTROL; "": off. */
  uint64_t refused;             /* A bit for each variable of the table whose
                                 * value was not understood. */
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

/* What the variable `name`, one with a number, means by `s`. False: it would not
 * be understood; `form`, if not NULL, says what would. Pure; any thread. */
#define VIGIL__CONFIG_FORM 192
bool vigil__config_value(const char* name,
                         const char* s,
                         uint64_t* value,
                         char form[VIGIL__CONFIG_FORM]);
/* Whether the helper may be told of the variable: the table has it, and its value
 * was understood. */
bool vigil__config_is_good(const struct vigil__config* c, const char* name);

/* The table of variables as Markdown, for the README and a test of it. */
void vigil__config_print(vigil__config_line print, void* arg);

#ifdef __cplusplus
}
#endif
#endif  /* VIGIL_CONFIG_H_ */
