/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_RECORDER_H_
#define VIGIL_RECORDER_H_

#include "calltree.h"
#include "clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one loop did in the last minute, as samples of its stack. Samples are
 * kept in generations, each with its own tree, and forgotten a generation at
 * a time: when it is over a minute old, or, earlier, when the bound in bytes
 * is reached. A generation ends after ten seconds or with an eighth of the
 * bytes. Watch thread only. */
#define VIGIL__RECORDER_KEEP_NS (60 * VIGIL__SEC)
#define VIGIL__RECORDER_GENERATION_NS (10 * VIGIL__SEC)
#define VIGIL__RECORDER_GENERATIONS 16u
#define VIGIL__RECORDER_SHARE 8u
#define VIGIL__RECORDER_BYTES (16u * 1024 * 1024)

enum vigil__recorder_state {
  VIGIL__RECORDER_JS,
  VIGIL__RECORDER_NATIVE,
  VIGIL__RECORDER_GC,
  VIGIL__RECORDER_SYSCALL,
  VIGIL__RECORDER_IDLE,         /* Polling, for as long as nothing follows. */
  VIGIL__RECORDER_STATES
};

/* Stands for the time until the next one. */
struct vigil__recorder_sample {
  vigil__mono_t at;
  uint32_t node;                /* In the tree of its generation. */
  enum vigil__recorder_state state;
};

/* Never without a sample. */
struct vigil__recorder_gen {
  struct vigil__calltree tree;
  struct vigil__recorder_sample* sample;
  uint32_t count;
  uint32_t size;
  vigil__mono_t begin;
};

/* Zero it, set `limit`. The rest is for recorder.c and profile.c. */
struct vigil__recorder {
  size_t limit;                 /* Bytes; 0: VIGIL__RECORDER_BYTES. */
  uint32_t first;               /* The oldest generation. */
  uint32_t count;
  vigil__mono_t last;           /* Of the newest sample. */
  bool idle;                    /* It was idle. */
  uint64_t dropped;             /* Samples there was no memory for. */
  struct vigil__recorder_gen generation[VIGIL__RECORDER_GENERATIONS];
};

void vigil__recorder_free(struct vigil__recorder* r);

/* Adds a stack of `n` frames, the leaf first. Without one it is (program), or
 * what the state says; during a GC "(garbage collector)" becomes the leaf. An
 * `at` before the newest sample counts as the same time. 0, -ENOMEM, or
 * -ENOSPC: this stack alone is over the limit. The bytes held never pass the
 * limit, not even while an array grows. */
int vigil__recorder_add(struct vigil__recorder* r,
                        vigil__mono_t at,
                        enum vigil__recorder_state state,
                        const uint32_t* frames,
                        uint32_t n);

/* The loop has been polling since `at`, until the next sample. To say it again
 * costs nothing. Same errors. */
int vigil__recorder_idle(struct vigil__recorder* r, vigil__mono_t at);

/* Bytes held, without the struct itself. */
size_t vigil__recorder_bytes(const struct vigil__recorder* r);

/* Visits the samples that say something of [from, to): the first one may be
 * from before `from`. Do not add meanwhile. */
struct vigil__recorder_walk {
  const struct vigil__recorder* r;
  vigil__mono_t to;
  uint32_t g;                   /* Generation of the sample, 0: the oldest. */
  uint32_t i;                   /* The next one in it. */
};

void vigil__recorder_walk(struct vigil__recorder_walk* w,
                          const struct vigil__recorder* r,
                          vigil__mono_t from,
                          vigil__mono_t to);

/* The next sample, with `w->g`; NULL at the end. */
const struct vigil__recorder_sample* vigil__recorder_next(
    struct vigil__recorder_walk* w);

/* Generation `g`, 0 being the oldest. */
const struct vigil__recorder_gen* vigil__recorder_generation(
    const struct vigil__recorder* r, uint32_t g);

struct vigil__recorder_sum {
  uint64_t samples[VIGIL__RECORDER_STATES];  /* Taken in the window. */
  uint64_t ns[VIGIL__RECORDER_STATES];       /* That they stand for. */
};

struct vigil__recorder_self {
  uint32_t frame;
  uint32_t samples;
};

/* Sums up [from, to), and finds the `*n` frames that most samples had as their
 * leaf, without idle ones; the most first. `*n` becomes what was found. 0, or
 * -ENOMEM: `*n` is 0, `sum` is right. */
int vigil__recorder_top(const struct vigil__recorder* r,
                        vigil__mono_t from,
                        vigil__mono_t to,
                        struct vigil__recorder_sum* sum,
                        struct vigil__recorder_self* top,
                        size_t* n);

#endif  /* VIGIL_RECORDER_H_ */
