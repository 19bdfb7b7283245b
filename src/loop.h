/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#ifndef VIGIL_LOOP_H_
#define VIGIL_LOOP_H_

#include "atomic.h"
#include "clock.h"
#include "counts.h"
#include "hist.h"

#include <stdbool.h>
#include <stdint.h>

/* The record of one event loop. Its thread (the writer) stamps the edges of
 * every poll; one other thread (the reader) copies it about once a second.
 *
 * A busy period runs from the return of a poll to the entry of the next one,
 * or to the end of the outermost run. Polling and being outside of a run are
 * not busy. What comes before the first poll is start-up: timed, but never in
 * a histogram.
 *
 * Invariants:
 * - Each word has one writer, named below.
 * - `seq` is even when the words agree, and grows by 2 with each ended period;
 *   seq / 2 is therefore the number of the period now open or next to open.
 * - `log` holds the last VIGIL__LOOP_LOG periods, so that the reader can repair
 *   a copy that the writer overtook instead of starting again: a loop that
 *   polls every microsecond would never let it finish.
 * - When period `mark` / 2 ends, `straddle` tells its full length. That is how
 *   the reader learns how much of it lay before the edge of a window. */
#define VIGIL__LOOP_LOG 128u
#define VIGIL__LOOP_NO_MARK 1u  /* Odd, so no ended period ever matches it. */

struct vigil__loop {
  /* Written by the loop thread. */
  _Alignas(128) vigil__word_t seq;
  vigil__word_t busy_start;     /* vigil__mono_t; 0 when not busy. */
  vigil__word_t polls;
  vigil__word_t events;
  vigil__word_t longest_ns;     /* Longest period ever. */
  vigil__word_t self_since;     /* vigil__mono_t: our own work runs; 0: none. */
  vigil__word_t self_open;      /* What it took of the open period, in ns... */
  vigil__word_t self_ns;        /* ...and of all. */
  vigil__word_t startup_ns;     /* 0 until the first poll. */
  vigil__word_t straddle_seq;
  vigil__word_t straddle;       /* Packed as the log. */
  vigil__word_t turns;          /* Iterations of uv_run(). */
  vigil__word_t busy_ns;        /* Sum of all ended periods. */
  vigil__word_t first_poll;     /* vigil__mono_t; idle time counts from it. */
  /* Read and written by the loop thread. */
  uint64_t turn_base;           /* busy_ns when the iteration began. */
  uint32_t turn_due;            /* The next poll ends an iteration. */
  vigil__mono_t born;
  uint32_t depth;               /* Nested uv_run() calls. */

  /* Written by the reader, on a line of its own: the writer reads it at every
   * poll, and so finds it in its cache but for once a second. */
  _Alignas(128) vigil__word_t mark;

  /* Written by the loop thread. */
  _Alignas(128) vigil__word_t log[VIGIL__LOOP_LOG];  /* ns << 1 | our own. */
  struct vigil__hist busy;      /* All periods. */
  struct vigil__hist self;      /* Those that were our own work. */
  struct vigil__counts turn;    /* Busy time of each iteration. */
  struct vigil__counts late;    /* How late timers ran. */
};

_Static_assert(sizeof(struct vigil__loop) <= 64 * 1024,
               "the memory per loop that the design allows");

/* A copy, owned by the reader, and what the reader remembers between two
 * reads. Zero it before the first read, then always pass the same one for the
 * same loop. Valid after a read that returned 0. */
struct vigil__loop_copy {
  vigil__mono_t now;            /* The instant the copy shows. */
  vigil__mono_t busy_start;     /* Start of the period open then, or 0. */
  bool self_open;               /* It is our own work. */
  uint64_t polls;
  uint64_t events;
  uint64_t longest_ns;          /* Ended periods only. */
  uint64_t self_ns;
  uint64_t startup_ns;          /* 0: still starting. */
  bool ended;                   /* The period open at the last read ended... */
  bool ended_self;              /* ...was our own work... */
  uint64_t ended_ns;            /* ...and took this long in all. */
  vigil__mono_t last_now;       /* `now` of the last read, 0 if none... */
  vigil__mono_t last_start;     /* ...its `busy_start`... */
  bool last_self;               /* ...and its `self_open`. */
  bool done;                    /* The last read returned 0. */
  bool same;                    /* No period has ended since the one before. */
  bool whole;                   /* The buckets are those at `seq`. */
  uint64_t seq;
  struct vigil__hist_copy busy;
  struct vigil__hist_copy self;
};

/* A zeroed record, NULL when there is no memory. vigil__loop_free() when
 * neither the loop nor a reader uses it any more. */
struct vigil__loop* vigil__loop_new(vigil__mono_t now);
void vigil__loop_free(struct vigil__loop* l);

/* Reader: one thread at a time. Wait-free for the loop. -EAGAIN when the loop
 * thread was preempted in the few ns in which the words disagree, or was too
 * fast; nothing is lost then, the next read covers it. Takes the time from
 * vigil__os.mono(). */
int vigil__loop_read(struct vigil__loop* l, struct vigil__loop_copy* c);

/* Whether a period from `start`, open at `now`, is our own work: at least half
 * of it is. With less, who waits waits for the program. Any thread; a moment
 * off while that work ends, and never for long. */
static inline bool vigil__loop_is_self(const struct vigil__loop* l,
                                       vigil__mono_t start,
                                       vigil__mono_t now) {
  /* Acquire pairs with the release in vigil__loop_self_end(): where the work has
   * ended, its time is there. */
  const vigil__mono_t since =
      atomic_load_explicit(&l->self_since, memory_order_acquire);
  const uint64_t ns = vigil__load(&l->self_open) +
                      (since != 0 && now > since ? now - since : 0);

  return ns != 0 && ns >= (now - start) / 2;
}

/* The rest: loop thread only. `now` is never 0 and never goes back. No lock, no
 * locked instruction, no allocation, no call (test/unit/hotpath.sh looks). */

/* Right before a poll: ends the busy period. */
__attribute__((always_inline))
static inline void vigil__loop_poll_enter(struct vigil__loop* l,
                                          vigil__mono_t now) {
  const vigil__mono_t start = vigil__load(&l->busy_start);
  const uint64_t seq = vigil__load(&l->seq);
  const uint64_t self_ns = vigil__load(&l->self_open);
  uint64_t self = 0;
  uint64_t ns;

  if (__builtin_expect(start == 0, 0)) {
    if (vigil__load(&l->startup_ns) == 0) {
      vigil__store(&l->startup_ns, now > l->born ? now - l->born : 1);
      vigil__store(&l->first_poll, now);
    }
    l->turn_due = 0;
    return;
  }
  ns = now > start ? now - start : 0;

  /* From here to the last store the words disagree, and `seq` is odd. The
   * fence keeps the stores below behind this one; it pairs with the fence
   * before the last load of `seq` in vigil__loop_read(). */
  vigil__store(&l->seq, seq + 1);
  atomic_thread_fence(memory_order_release);

  vigil__hist_record(&l->busy, ns);
  if (__builtin_expect(self_ns != 0, 0)) {
    self = self_ns >= ns / 2;
    if (self)
      vigil__hist_record(&l->self, ns);
    vigil__store(&l->self_open, 0);
  }
  vigil__store(&l->log[seq / 2 % VIGIL__LOOP_LOG], ns << 1 | self);
  if (__builtin_expect(vigil__load(&l->mark) == seq, 0)) {
    vigil__store(&l->straddle, ns << 1 | self);
    vigil__store(&l->straddle_seq, seq);
  }
  if (ns > vigil__load(&l->longest_ns))
    vigil__store(&l->longest_ns, ns);
  vigil__add(&l->busy_ns, ns);
  if (l->turn_due) {
    l->turn_due = 0;
    vigil__counts_record(&l->turn, vigil__load(&l->busy_ns) - l->turn_base);
    l->turn_base = vigil__load(&l->busy_ns);
  }
  vigil__store(&l->busy_start, 0);

  /* Publishes the stores above. Pairs with the acquiring load of `seq` in
   * vigil__loop_read(). */
  atomic_store_explicit(&l->seq, seq + 2, memory_order_release);
}

/* Right after a poll that returned `nevents` (or a negative error). One store
 * opens the period; nothing else changes with it, so `seq` stays. */
static inline void vigil__loop_poll_exit(struct vigil__loop* l,
                                         vigil__mono_t now,
                                         int nevents) {
  vigil__add(&l->polls, 1);
  if (nevents > 0)
    vigil__add(&l->events, (uint64_t) nevents);
  vigil__store(&l->busy_start, now);
}

/* An iteration of uv_run() is about to poll, maybe several times. Its busy time
 * goes from its first poll to that of the next iteration, so it takes no clock:
 * the poll that follows has the time. */
static inline void vigil__loop_turn(struct vigil__loop* l) {
  vigil__add(&l->turns, 1);
  l->turn_due = 1;
}

/* A timer that was due at `due` runs now. */
static inline void vigil__loop_timer(struct vigil__loop* l,
                                     vigil__mono_t due,
                                     vigil__mono_t now) {
  vigil__counts_record(&l->late, now > due ? now - due : 0);
}

/* uv_run() begins. Runs nest; only the outermost opens a period, and none
 * before the first poll. */
static inline void vigil__loop_run_begin(struct vigil__loop* l,
                                         vigil__mono_t now) {
  if (l->depth++ == 0 && vigil__load(&l->startup_ns) != 0)
    vigil__store(&l->busy_start, now);
}

/* uv_run() is about to return. An end without a beginning (a record that was
 * attached inside of a run) is taken as the outermost. A run that never polls,
 * as that of a loop with nothing alive, does not end start-up. */
static inline void vigil__loop_run_end(struct vigil__loop* l,
                                       vigil__mono_t now) {
  if (l->depth > 1) {
    l->depth--;
    return;
  }
  l->depth = 0;
  if (vigil__load(&l->busy_start) != 0)
    vigil__loop_poll_enter(l, now);
}

/* Our own work begins, and ends. A period that is our own work, for the most
 * part, never triggers. Outside of a period only the time is kept. */
static inline void vigil__loop_self_begin(struct vigil__loop* l,
                                          vigil__mono_t now) {
  vigil__store(&l->self_since, now);
}

/* Returns what it took, in ns. */
static inline uint64_t vigil__loop_self_end(struct vigil__loop* l,
                                            vigil__mono_t now) {
  const vigil__mono_t since = vigil__load(&l->self_since);
  const uint64_t ns = since != 0 && now > since ? now - since : 0;

  vigil__add(&l->self_ns, ns);
  if (vigil__load(&l->busy_start) != 0)
    vigil__add(&l->self_open, ns);
  /* Pairs with the acquire in vigil__loop_is_self(). */
  atomic_store_explicit(&l->self_since, 0, memory_order_release);
  return ns;
}

#endif  /* VIGIL_LOOP_H_ */
