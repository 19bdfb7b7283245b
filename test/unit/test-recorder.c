/* Copyright Node Vigil contributors.
 * SPDX-License-Identifier: MIT */

#include "frames.h"
#include "os.h"
#include "recorder.h"
#include "test.h"

#include <errno.h>
#include <malloc.h>  /* malloc_usable_size */
#include <stdlib.h>
#include <string.h>

#define START (UINT64_C(1000) * VIGIL__SEC)
#define DEPTH 40
#define MOST 30000

/* Every allocation from now on fails with probability 1 / `refuse`. */
static uint64_t refuse;

static void* refusing(void* p, size_t size) {
  return refuse != 0 && test_random(refuse) == 0 ? NULL : realloc(p, size);
}

/* The oracle: every sample with its whole stack, nothing forgotten. */
static struct {
  vigil__mono_t at;
  enum vigil__recorder_state state;
  uint32_t n;
  uint32_t frame[DEPTH + 1];    /* The leaf first. */
} all[MOST];
static size_t count;

/* As the recorder is said to keep it. */
static void remember(vigil__mono_t at, enum vigil__recorder_state state,
                     const uint32_t* frames, uint32_t n) {
  uint32_t* to = all[count].frame;

  all[count].at = at;
  all[count].state = state;
  all[count].n = n;
  if (n == 0 || state == VIGIL__RECORDER_GC) {
    all[count].n++;
    *to++ = state == VIGIL__RECORDER_GC ? VIGIL__FRAME_GC
          : state == VIGIL__RECORDER_IDLE ? VIGIL__FRAME_IDLE
                                          : VIGIL__FRAME_PROGRAM;
  }
  memcpy(to, frames, n * sizeof(*frames));
  count++;
}

static void random_stack(uint32_t* frames, uint32_t n, uint32_t functions) {
  uint32_t i;

  for (i = 0; i < n; i++)
    frames[i] = VIGIL__FRAME_FIRST + (uint32_t) test_random(functions);
}

/* What the recorder holds is the newest part of the oracle, sample by sample.
 * Returns how many there are. */
static size_t check_all(const struct vigil__recorder* r) {
  const struct vigil__recorder_sample* s;
  struct vigil__recorder_walk w;
  size_t held = 0;
  size_t k;
  uint32_t g;

  for (g = 0; g < r->count; g++) {
    CHECK_OP(vigil__recorder_generation(r, g)->count, >, 0);
    held += vigil__recorder_generation(r, g)->count;
  }
  CHECK_OP(held, <=, count);
  k = count - held;
  vigil__recorder_walk(&w, r, 0, UINT64_MAX);
  for (; (s = vigil__recorder_next(&w)) != NULL; k++) {
    const struct vigil__calltree* t =
        &vigil__recorder_generation(r, w.g)->tree;
    uint32_t node = s->node;
    uint32_t i;

    CHECK_EQ(s->at, all[k].at);
    CHECK_EQ(s->state, all[k].state);
    for (i = 0; i < all[k].n; i++) {
      CHECK_OP(node, >, 0);
      CHECK_OP(node, <, t->count);
      CHECK_EQ(t->node[node].frame, all[k].frame[i]);
      CHECK_OP(t->node[node].parent, <, node);
      node = t->node[node].parent;
    }
    CHECK_EQ(node, 0);
  }
  CHECK_EQ(k, count);
  return held;
}

/* Windows of the recorder against the oracle's. */
static void check_sum(const struct vigil__recorder* r, size_t held,
                      vigil__mono_t from, vigil__mono_t to) {
  struct vigil__recorder_self top[5];
  struct vigil__recorder_sum want = { .samples = { 0 } };
  struct vigil__recorder_sum got;
  static uint32_t self[100];
  size_t n = 5;
  size_t k;
  size_t i;

  memset(self, 0, sizeof(self));
  for (k = count - held; k < count; k++) {
    const vigil__mono_t next = k + 1 < count ? all[k + 1].at : UINT64_MAX;
    const vigil__mono_t begin = all[k].at > from ? all[k].at : from;
    const vigil__mono_t end = next < to ? next : to;

    if (begin < end)
      want.ns[all[k].state] += end - begin;
    if (all[k].at >= from && all[k].at < to) {
      want.samples[all[k].state]++;
      if (all[k].state != VIGIL__RECORDER_IDLE)
        self[all[k].frame[0]]++;
    }
  }
  CHECK_EQ(vigil__recorder_top(r, from, to, &got, top, &n), 0);
  for (i = 0; i < VIGIL__RECORDER_STATES; i++) {
    CHECK_EQ(got.samples[i], want.samples[i]);
    CHECK_EQ(got.ns[i], want.ns[i]);
  }
  for (i = 0; i < n; i++) {
    CHECK_OP(top[i].samples, >, 0);
    CHECK_EQ(top[i].samples, self[top[i].frame]);
    self[top[i].frame] = 0;
    for (k = 0; k < 100; k++)
      CHECK_OP(self[k], <=, top[i].samples);
  }
  for (k = 0; k < 100; k++)
    CHECK(n == 5 || self[k] == 0);
}

/* Adds samples at random; checks as it goes. Returns those held at the end. */
static size_t run(struct vigil__recorder* r, size_t samples, uint64_t step_ns,
                  uint32_t functions, uint32_t depth) {
  uint32_t frames[DEPTH];
  vigil__mono_t at = START;
  size_t held;
  size_t i;

  count = 0;
  for (i = 0; i < samples; i++) {
    const uint32_t n = (uint32_t) test_random(depth + 1);
    const enum vigil__recorder_state state =
        (enum vigil__recorder_state) test_random(VIGIL__RECORDER_IDLE);
    const bool idle = test_random(8) == 0;
    int e;

    at += test_random(step_ns);
    random_stack(frames, n, functions);
    if (idle) {
      const bool was = count != 0 && r->count != 0 &&
                       all[count - 1].state == VIGIL__RECORDER_IDLE;

      e = vigil__recorder_idle(r, at);
      if (e == 0 && !was)
        remember(at, VIGIL__RECORDER_IDLE, frames, 0);
    } else {
      e = vigil__recorder_add(r, at, state, frames, n);
      if (e == 0)
        remember(at, state, frames, n);
    }
    CHECK(e == 0 || (e == -ENOMEM && refuse != 0));
    CHECK_OP(vigil__recorder_bytes(r), <=,
             r->limit == 0 ? VIGIL__RECORDER_BYTES : r->limit);
    if (i % 500 == 0) {
      held = check_all(r);
      if (refuse == 0)
        check_sum(r, held, at - test_random(70 * VIGIL__SEC),
                  at + test_random(2) * VIGIL__SEC);
    }
  }
  return check_all(r);
}

TEST(recorder_holds_what_was_added) {
  struct vigil__recorder r = { .limit = 0 };
  vigil__mono_t oldest;
  size_t held = run(&r, 5000, 100 * VIGIL__MS, 20, 6);
  int i;

  CHECK_EQ(r.dropped, 0);
  /* The last minute, and not much more. */
  oldest = all[count - held].at;
  CHECK_OP(r.last - oldest, >=, VIGIL__RECORDER_KEEP_NS);
  CHECK_OP(r.last - oldest, <, VIGIL__RECORDER_KEEP_NS + 21 * VIGIL__SEC);
  for (i = 0; i < 200; i++) {
    const vigil__mono_t from = r.last - test_random(90 * VIGIL__SEC);

    check_sum(&r, held, from, from + test_random(30 * VIGIL__SEC));
  }
  for (i = 0; i < 200; i++) {
    const size_t k = count - held + test_random(held - 1);
    struct vigil__recorder_walk w;

    /* One that ends where the window begins says nothing of it. */
    vigil__recorder_walk(&w, &r, all[k].at, UINT64_MAX);
    CHECK_EQ(vigil__recorder_next(&w)->at, all[k].at);
    if (all[k + 1].at == all[k].at)
      continue;
    vigil__recorder_walk(&w, &r, all[k + 1].at - 1, UINT64_MAX);
    CHECK_EQ(vigil__recorder_next(&w)->at, all[k].at);
  }
  check_sum(&r, held, r.last, r.last);
  check_sum(&r, held, r.last, r.last + 1);
  check_sum(&r, held, r.last + VIGIL__SEC, r.last + 2 * VIGIL__SEC);
  check_sum(&r, held, START - 2, START - 1);
  check_sum(&r, held, r.last, r.last - VIGIL__SEC);
  vigil__recorder_free(&r);
  CHECK_EQ(vigil__recorder_bytes(&r), 0);
}

TEST(recorder_of_a_usual_service_is_small) {
  struct vigil__recorder r = { .limit = 0 };

  run(&r, 1200, 100 * VIGIL__MS, 3, 12);
  CHECK_OP(vigil__recorder_bytes(&r), <, 400000);
  vigil__recorder_free(&r);
}

/* The most that was held while an array grew: all there was and the new one,
 * as if everything had to be copied. */
static const struct vigil__recorder* watched;
static size_t peak;

static void* watching(void* p, size_t size) {
  /* Giving back the end of a block copies nothing. */
  const bool grows = p == NULL || size > malloc_usable_size(p);
  const size_t sum = vigil__recorder_bytes(watched) + size;

  if (grows && sum > peak)
    peak = sum;
  return realloc(p, size);
}

/* Every frame is new: nothing can be shared. */
static void check_bound(size_t limit, uint32_t depth, size_t samples,
                        size_t least) {
  struct vigil__recorder r = { .limit = limit };
  uint32_t* frames = calloc(depth, sizeof(*frames));
  vigil__mono_t at = START;
  uint32_t next = VIGIL__FRAME_FIRST;
  const struct vigil__recorder_sample* s;
  struct vigil__recorder_walk w;
  size_t held = 0;
  size_t i;
  uint32_t k;

  peak = 0;
  watched = &r;
  vigil__os.realloc = watching;
  for (i = 0; i < samples; i++) {
    for (k = 0; k < depth; k++)
      frames[k] = next++;
    at += 50 * VIGIL__MS;
    CHECK_EQ(vigil__recorder_add(&r, at, VIGIL__RECORDER_JS, frames, depth),
             0);
    CHECK_OP(vigil__recorder_bytes(&r), <=, limit);
  }
  CHECK_OP(peak, <=, limit);
  CHECK_OP(peak, >, limit / 4);
  vigil__recorder_walk(&w, &r, 0, UINT64_MAX);
  while ((s = vigil__recorder_next(&w)) != NULL)
    held++;
  CHECK_OP(held, >=, least);
  vigil__recorder_free(&r);
  free(frames);
}

TEST(recorder_bound_with_deep_stacks) {
  check_bound(16 << 20, 500, 2000, 1200);  /* The minute fits... */
  check_bound(16 << 20, 3000, 500, 250);   /* ...and here it does not. */
}

TEST(recorder_bound_with_few_bytes) {
  check_bound(100000, 20, 20000, 200);
}

TEST(recorder_bound_with_stacks_as_large_as_it) {
  check_bound(100000, 4000, 200, 1);
}

TEST(recorder_stack_over_the_bound_costs_nothing_else) {
  struct vigil__recorder r = { .limit = 50000 };
  static uint32_t huge[100000];
  uint32_t i;

  for (i = 0; i < 100000; i++)
    huge[i] = VIGIL__FRAME_FIRST + i;
  CHECK_EQ(vigil__recorder_add(&r, START, VIGIL__RECORDER_JS, huge, 10), 0);
  CHECK_EQ(vigil__recorder_add(&r, START + 1, VIGIL__RECORDER_JS, huge, 100000),
           -ENOSPC);
  CHECK_EQ(vigil__recorder_add(&r, START + 1, VIGIL__RECORDER_JS, huge,
                               UINT32_MAX), -ENOSPC);
  CHECK_EQ(r.dropped, 2);
  CHECK_EQ(r.count, 1);
  CHECK_EQ(vigil__recorder_generation(&r, 0)->count, 1);
  vigil__recorder_free(&r);
}

TEST(recorder_without_memory_is_consistent) {
  struct vigil__recorder r = { .limit = 0 };

  vigil__os.realloc = refusing;
  refuse = 2;
  run(&r, 20000, 100 * VIGIL__MS, 60, 10);
  CHECK_OP(r.dropped, >, 10);
  CHECK_OP(count, >, 1000);
  refuse = 1;
  vigil__recorder_free(&r);
  CHECK_EQ(vigil__recorder_idle(&r, START), -ENOMEM);
  CHECK_EQ(r.count, 0);
  refuse = 0;
  CHECK_EQ(vigil__recorder_idle(&r, START), 0);
  CHECK_EQ(r.count, 1);
  vigil__recorder_free(&r);
}

TEST(recorder_top_without_memory_still_sums) {
  struct vigil__recorder r = { .limit = 0 };
  struct vigil__recorder_sum sum;
  struct vigil__recorder_self top[3];
  const uint32_t frame = 9;
  size_t n = 3;

  vigil__os.realloc = refusing;
  CHECK_EQ(vigil__recorder_top(&r, START, START + 9, &sum, top, &n), 0);
  CHECK_EQ(n, 0);
  vigil__recorder_add(&r, START, VIGIL__RECORDER_NATIVE, &frame, 1);
  refuse = 1;
  n = 3;
  CHECK_EQ(vigil__recorder_top(&r, START, START + 9, &sum, top, &n), -ENOMEM);
  CHECK_EQ(n, 0);
  CHECK_EQ(sum.samples[VIGIL__RECORDER_NATIVE], 1);
  CHECK_EQ(sum.ns[VIGIL__RECORDER_NATIVE], 9);
  vigil__recorder_free(&r);
}

TEST(recorder_idle_takes_no_memory_however_long) {
  struct vigil__recorder r = { .limit = 0 };
  const uint32_t frame = 9;
  struct vigil__recorder_sum sum;
  size_t n = 0;
  vigil__mono_t at;

  vigil__recorder_add(&r, START, VIGIL__RECORDER_JS, &frame, 1);
  for (at = START + VIGIL__SEC; at < START + 7200 * VIGIL__SEC;
       at += VIGIL__SEC)
    CHECK_EQ(vigil__recorder_idle(&r, at), 0);
  CHECK_EQ(r.count, 1);
  CHECK_EQ(vigil__recorder_generation(&r, 0)->count, 2);
  CHECK_EQ(vigil__recorder_top(&r, at - 60 * VIGIL__SEC, at, &sum, NULL, &n),
           0);
  CHECK_EQ(sum.ns[VIGIL__RECORDER_IDLE], 60 * VIGIL__SEC);
  /* What was before is known until a minute after the next one. */
  vigil__recorder_add(&r, at, VIGIL__RECORDER_JS, &frame, 1);
  CHECK_EQ(r.count, 2);
  vigil__recorder_add(&r, at + 59 * VIGIL__SEC, VIGIL__RECORDER_JS, &frame, 1);
  CHECK_EQ(r.count, 3);
  vigil__recorder_add(&r, at + 70 * VIGIL__SEC, VIGIL__RECORDER_JS, &frame, 1);
  CHECK_EQ(r.count, 3);
  CHECK_EQ(vigil__recorder_generation(&r, 0)->begin, at);
  vigil__recorder_free(&r);
}

TEST(recorder_time_never_goes_back) {
  struct vigil__recorder r = { .limit = 0 };
  const uint32_t frame = 9;

  vigil__recorder_add(&r, START, VIGIL__RECORDER_JS, &frame, 1);
  CHECK_EQ(vigil__recorder_idle(&r, START - 5), 0);
  CHECK_EQ(vigil__recorder_generation(&r, 0)->sample[1].at, START);
  vigil__recorder_free(&r);
}
