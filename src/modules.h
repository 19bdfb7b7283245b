/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_MODULES_H_
#define VIGIL_MODULES_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code that the dynamic loader has mapped: the program, its libraries, the
 * vDSO. One thread (the watch thread). Nothing here keeps a module mapped:
 * what lies at an address is read by vigil__memory_read() only. */
#define VIGIL__MODULES_MAX 256u
#define VIGIL__MODULES_PATHS (32u * 1024)

/* One executable range. A module may have more than one. */
struct vigil__module {
  uint64_t lo;
  uint64_t hi;                  /* The first address after it. */
  uint64_t bias;                /* What the loader added to ELF addresses. */
  uint64_t eh_frame_hdr;        /* 0: the module has none. */
  uint64_t eh_frame_hdr_len;
  uint32_t path;                /* Offset in `paths`. */
};

/* Zero it first. */
struct vigil__modules {
  unsigned long long adds;      /* The loader's counts when this was read. */
  unsigned long long subs;
  uint32_t count;
  uint32_t dropped;             /* Ranges there was no room for. */
  struct vigil__module module[VIGIL__MODULES_MAX];  /* By address. */
  uint32_t paths_len;
  char paths[VIGIL__MODULES_PATHS];
  bool frame_pointers;          /* Set by the caller: the program itself has
                                 * been compiled with them. */
};

/* Reads the list again if the loader has changed it; else it costs one lock.
 * That lock is the loader's: a thread that is in the middle of dl_iterate_phdr
 * makes us wait. Call it before vigil__unwind(), never in a signal handler.
 * Returns whether the list was read. */
bool vigil__modules_refresh(struct vigil__modules* m);

/* The range `pc` lies in, or NULL. */
const struct vigil__module* vigil__modules_find(
    const struct vigil__modules* m,
    uint64_t pc);

/* As the loader knows it; "" for the program itself, and for a module that
 * there was no room for. */
const char* vigil__modules_path(const struct vigil__modules* m,
                                const struct vigil__module* module);

#endif  /* VIGIL_MODULES_H_ */
